-- The coverage that the product's own report on the last head of each run gives.
select r.id as "run_id!", (demand->'coverage'->>'covered')::bigint as "covered!",
       (demand->'coverage'->>'total')::bigint as "total!"
from run r
join run_test t on t.run_id = r.id and t.purpose = 'head' and t.commit_sha = r.state->'progress'->>'head'
cross join lateral jsonb_array_elements(coalesce(t.tested->'demands', '[]')) demand
where r.id = any($1) and r.id between $2 and $3 and demand->>'demand' = 'coverage'
  and demand->'coverage'->>'total' is not null
