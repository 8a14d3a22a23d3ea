select run_id as "run_id?", 'job ' || turn || ' was answered ' || times || ' times' as "what!",
       count(*) over () as "count!"
from (
    select run_id, body->>'turn' as turn, count(*) as times from event
    where kind in ('answered', 'parked', 'exhausted') group by 1, 2
    union all
    select run_id, turn::text, count(*) from attempt_log where ended_as in ('answered', 'parked') group by 1, 2
) finished
where times > 1
order by run_id, turn limit $1
