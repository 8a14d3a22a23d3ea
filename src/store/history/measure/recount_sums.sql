insert into measure_sum (span, period, figure, product, tier, runs, amount)
select span, date_trunc(span, day)::date, figure, product, tier, count(*), sum(amount::bigint)
from run_measure
cross join unnest(array['day', 'month']) span
cross join lateral jsonb_each_text(figures) as one (figure, amount)
group by 1, 2, 3, 4, 5
