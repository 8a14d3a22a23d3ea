select run_id as "run_id?", name || ' has rows of a run that does not exist' as "what!", count(*) over () as "count!"
from (
    select distinct run_id, 'event' as name from event
    union select distinct run_id, 'effect' from effect
    union select distinct run_id, 'attempt' from attempt
    union select run_id, 'job' from job
    union select run_id, 'timer' from timer
    union select run_id, 'dead_letter' from dead_letter
) owned
where not exists (select from run where run.id = run_id)
order by run_id limit $1
