-- Every try of every job: what answered or failed stands in the history, what was lost in `attempt`, and
-- what still runs in `job`.
create view attempt_log as
    select run_id, (body->>'turn')::integer as turn, attempt, step, actor as worker, began_at as started_at,
           at as ended_at,
           case kind when 'answered' then 'answered' when 'parked' then 'parked' else 'failed' end as ended_as,
           coalesce(body->>'error', body->>'reason') as error
    from event where attempt is not null
    union all
    select run_id, turn, attempt, step, worker, started_at, ended_at, ended_as, error
    from attempt where ended_at is not null
    union all
    select run_id, turn, attempts, step, worker, began_at, null, null, null
    from job where lease_token is not null and worker is not null and attempts <= max_attempts;
