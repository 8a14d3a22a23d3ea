with back as (
    update job set lease_token = null, visible_at = now(), max_attempts = max_attempts + 1
    where id = $1 and lease_token = $2
    returning run_id, turn, attempts, step, worker, began_at
),
ended as (
    insert into attempt (run_id, turn, attempt, step, worker, started_at, ended_at, ended_as, error)
    select run_id, turn, attempts, step, coalesce(worker, 'unknown'), coalesce(began_at, now()), now(), 'lost',
           'the worker was shut down'
    from back
    on conflict (run_id, turn, attempt) do update
    set ended_at = excluded.ended_at, ended_as = excluded.ended_as, error = excluded.error
    where attempt.ended_at is null
)
select pg_notify('aspora_job', $3) from back
