-- Sums of figures that differ from what the rows of runs count.
with counted as (
    select span, date_trunc(span, day)::date as period, figure, product, tier, count(*) as runs,
           sum(amount::bigint) as amount
    from run_measure
    cross join unnest(array['day', 'month']) span
    cross join lateral jsonb_each_text(figures) as one (figure, amount)
    group by 1, 2, 3, 4, 5
    union all
    select span, date_trunc(span, day)::date, 'spread of ' || what || ' ' || bucket, product, tier, count(*), 0
    from run_measure
    cross join unnest(array['day', 'month']) span
    cross join lateral (values ('cycle', cycle_bucket), ('first_pull', first_pull_bucket)) as one (what, bucket)
    where bucket is not null
    group by 1, 2, 3, 4, 5
),
kept as (
    select span, period, figure, product, tier, runs, amount from measure_sum where runs <> 0 or amount <> 0
    union all
    select span, period, 'spread of ' || what || ' ' || bucket, product, tier, runs, 0 from measure_spread where runs <> 0
)
select null::uuid as "run_id?",
       figure || ' of the ' || span || ' ' || period || ', ' || product || ', ' || tier || ': '
           || coalesce(kept.runs || ' runs and ' || kept.amount, 'nothing') || ' are kept, '
           || coalesce(counted.runs || ' runs and ' || counted.amount, 'nothing') || ' are counted' as "what!",
       count(*) over () as "count!"
from counted full join kept using (span, period, figure, product, tier)
where (counted.runs, counted.amount) is distinct from (kept.runs, kept.amount)
order by span, period, figure, product, tier
limit $1
