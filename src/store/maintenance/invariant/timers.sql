select run_id as "run_id?", 'its timer was due at ' || to_char(due_at at time zone 'utc', 'HH24:MI:SS')
           || ' UTC and did not fire' as "what!",
       count(*) over () as "count!"
from timer
where due_at < now() - interval '1 minute' and exists (
    select from pg_stat_activity
    where datname = current_database() and application_name like 'aspora worker %'
)
order by due_at limit $1
