-- A job whose lease expired is claimed next; only jobs with a limited key and suspects may have to wait.
select run_id as "run_id?", 'its lease expired at ' || to_char(visible_at at time zone 'utc', 'HH24:MI:SS')
           || ' UTC and no worker took it' as "what!",
       count(*) over () as "count!"
from job
where lease_token is not null and visible_at < now() - interval '2 minutes' and not paused and not guarded and lost = 0
  and exists (
      select from pg_stat_activity
      where datname = current_database() and application_name like 'aspora worker %'
        and job.queue = any (string_to_array(substr(application_name, 15), ','))
  )
order by visible_at limit $1
