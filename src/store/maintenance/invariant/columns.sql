select id as "run_id?", 'status ' || status || ', state ' || (state->'state'->>'is') as "what!",
       count(*) over () as "count!"
from run
where status <> case state->'state'->>'is' when 'at' then 'active' else state->'state'->>'is' end
   or step is distinct from coalesce(state->'state'->>'step', state->'state'->'was'->>'step')
   or ended_as is distinct from state->'state'->>'end'
   or pull is distinct from (state->'progress'->>'pull')::bigint
order by id limit $1
