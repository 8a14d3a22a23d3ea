insert into measure_spread (span, period, what, bucket, product, tier, runs)
select span, date_trunc(span, day)::date, what, bucket, product, tier, count(*)
from run_measure
cross join unnest(array['day', 'month']) span
cross join lateral (values ('cycle', cycle_bucket), ('first_pull', first_pull_bucket)) as one (what, bucket)
where bucket is not null
group by 1, 2, 3, 4, 5, 6
