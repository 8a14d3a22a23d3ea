-- The attempt that the limit cut off does not count: the next one has the same number.
update job
set lease_token = null,
    visible_at = clock_timestamp() + make_interval(secs => $3 + random() * $4),
    attempts = attempts - 1,
    lost = 0,
    delayed_by = $5,
    delayed_beside = $6,
    delayed_tries = attempts - 1
where id = $1 and lease_token = $2
returning 1 as one
