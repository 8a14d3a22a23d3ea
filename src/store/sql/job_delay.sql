-- The attempt that was cut off by the limit is none: the next one has its number.
with back as (
    update job
    set lease_token = null,
        visible_at = clock_timestamp() + make_interval(secs => $3 + random() * $4),
        attempts = attempts - 1,
        delayed_by = $5,
        delayed_tries = attempts - 1
    where id = $1 and lease_token = $2
    returning run_id, turn, attempts
)
, gone as (
    delete from attempt using back
    where attempt.run_id = back.run_id and attempt.turn = back.turn and attempt.attempt > back.attempts
)
select 1 as one from back
