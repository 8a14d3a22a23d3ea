with due as (
    select id from job
    where queue = $1 and visible_at <= now() and not paused
    order by priority, visible_at, id
    limit $2
    for update skip locked
),
claimed as (
    update job
    set attempts = attempts + 1,
        lease_token = gen_random_uuid(),
        visible_at = now() + make_interval(secs => $3)
    from due where job.id = due.id
    returning job.*
),
lost as (
    update attempt set ended_at = now(), ended_as = 'lost', error = 'the worker stopped answering'
    from claimed
    where attempt.run_id = claimed.run_id and attempt.turn = claimed.turn
      and attempt.attempt < claimed.attempts and attempt.ended_at is null
),
begun as (
    insert into attempt (run_id, turn, attempt, step, worker)
    select run_id, turn, attempts, step, $4 from claimed where attempts <= max_attempts
),
heard as (
    update signal set taken_at = now() from claimed
    where signal.run_id = claimed.run_id and signal.taken_at is null
)
select id, run_id, step, turn, attempts, max_attempts, lease_token as "lease_token!"
from claimed
order by priority, id
