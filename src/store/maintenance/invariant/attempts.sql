-- There are no attempts beyond the limit, and a job that reached it is a dead letter, with the same count in the history.
select run_id as "run_id?", what as "what!", count(*) over () as "count!"
from (
    select log.run_id, 'attempt ' || log.attempt || ' of at most ' || job.max_attempts as what
    from attempt_log log join job on job.run_id = log.run_id and job.turn = log.turn
    where log.attempt > job.max_attempts
    union all
    select coalesce(letter.run_id, event.run_id),
           'its dead letter and its history differ: ' || coalesce(letter.attempts::text, 'no letter') || ', '
               || coalesce(event.body->>'attempts', 'no event')
    from (select * from event where kind = 'exhausted') event
    full join dead_letter letter on letter.run_id = event.run_id and letter.turn = (event.body->>'turn')::integer
    where event.kind is null or letter.id is null or letter.attempts <> (event.body->>'attempts')::integer
) wrong
order by run_id limit $1
