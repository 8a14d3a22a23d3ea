-- An answer ends a row of failures; a probe's answer also closes the breaker, and the jobs that waited for it, be it as a
-- fallback, are due over the time $3. Returns whether the breaker was open, and how many jobs waited.
with before as (
    select provider, opened_at is not null as was_open from outage
    where provider = $1 and (probe_token = $2 or (opened_at is null and failures > 0))
    for update
),
closed as (
    update outage
    set failures = 0, opened_at = null, probe_token = null, probe_until = null,
        closed_at = case when was_open then clock_timestamp() else closed_at end
    from before where outage.provider = before.provider
    returning was_open
),
due as (
    update job set visible_at = least(visible_at, clock_timestamp() + make_interval(secs => random() * $3))
    where (delayed_by = $1 or delayed_beside = $1) and lease_token is null and delayed_tries = attempts
      and exists (select from closed where was_open)
    returning 1
)
select coalesce((select was_open from closed), false) as "was_open!", (select count(*) from due) as "due!"
