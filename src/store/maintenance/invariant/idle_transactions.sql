select null::uuid as "run_id?", 'process ' || pid || ' has held a transaction open and idle for '
           || extract(epoch from now() - state_change)::integer || ' s' as "what!",
       count(*) over () as "count!"
from pg_stat_activity
where datname = current_database() and application_name like 'aspora%' and state like 'idle in transaction%'
  and state_change < now() - interval '5 seconds'
order by state_change limit $1
