-- The next probe of a provider that is down is due now, even if one is under way, and the jobs that wait for the provider
-- are due over the time $2: the first of them is the probe. Returns how many jobs; null if the provider is not down.
with probed as (
    update outage
    set next_probe_at = clock_timestamp(), probe_token = null, probe_until = null
    where provider = $1 and opened_at is not null
    returning 1
),
due as (
    update job set visible_at = least(visible_at, clock_timestamp() + make_interval(secs => random() * $2))
    where (delayed_by = $1 or delayed_beside = $1) and lease_token is null and delayed_tries = attempts
      and exists (select from probed)
    returning 1
)
select case when exists (select from probed) then (select count(*) from due) end as due
