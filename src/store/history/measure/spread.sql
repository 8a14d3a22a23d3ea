-- Exact quantiles of how long the runs of some days took. Each day and product is looked up in the index, so that a year of
-- one product among many costs what its own runs cost.
select count(ms) as "runs!", percentile_disc(0.5) within group (order by ms) as median,
       percentile_disc(0.9) within group (order by ms) as p90
from (
    select case $4 when 'cycle' then m.cycle_ms else m.first_pull_ms end as ms
    from unnest($1::date[]) wanted
    cross join unnest(coalesce($2::text[], array(select name from product))) its
    cross join lateral (
        select cycle_ms, first_pull_ms from run_measure
        where day = wanted and product = its and ($3::text is null or tier = $3)
        offset 0
    ) m
) took
