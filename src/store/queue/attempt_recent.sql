-- The attempts of a run that ended after an event, and of its jobs from a number on those that were lost or still run.
-- It reads only that end of the history, unlike `attempt_log`.
select turn as "turn!", attempt as "attempt!", coalesce(step, '') as "step!", worker as "worker!",
       started_at as "started_at!", ended_at, ended_as, error
from (
    select (body->>'turn')::integer as turn, attempt, step, actor as worker, began_at as started_at, at as ended_at,
           case kind when 'answered' then 'answered' when 'parked' then 'parked' else 'failed' end as ended_as,
           coalesce(body->>'error', body->>'reason') as error
    from event where run_id = $1 and seq > $2 and attempt is not null
    union all
    select turn, attempt, step, worker, started_at, ended_at, ended_as, error
    from attempt where run_id = $1 and turn >= $3 and ended_at is not null
    union all
    select turn, attempts, step, worker, began_at, null, null, null
    from job
    where run_id = $1 and lease_token is not null and worker is not null and attempts <= max_attempts
) as recent
order by turn, attempt
