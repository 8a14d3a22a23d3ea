with back as (
    update job set lease_token = null, visible_at = now(), max_attempts = max_attempts + 1
    where id = $1 and lease_token = $2
    returning run_id, turn, attempts
),
ended as (
    update attempt set ended_at = now(), ended_as = 'lost', error = 'the worker was shut down'
    from back
    where attempt.run_id = back.run_id and attempt.turn = back.turn and attempt.attempt = back.attempts
      and attempt.ended_at is null
)
select pg_notify('aspora_job', $3) from back
