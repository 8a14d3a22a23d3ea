-- One row, if the provider has ever failed. Of all callers at once, one gets the probe: the others wait for its row and
-- then find the probe taken. A closed breaker is only read.
with probe as (
    update outage
    set probe_token = $2, probe_until = clock_timestamp() + make_interval(secs => $3)
    where provider = $1 and opened_at is not null and next_probe_at <= clock_timestamp()
      and (probe_until is null or probe_until <= clock_timestamp())
    returning 1
)
select failures > 0 or opened_at is not null as "is_troubled!", opened_at is not null as "is_open!",
       exists (select from probe) as "is_probe!", since, error, probes,
       extract(epoch from next_probe_at - clock_timestamp())::float8 as next_probe_s
from outage where provider = $1
