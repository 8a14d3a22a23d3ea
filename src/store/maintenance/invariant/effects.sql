-- A run that a person led past a step may have left an act there whose outcome nobody asked for.
select run_id as "run_id?", 'nobody knows what came of ' || key as "what!", count(*) over () as "count!"
from effect join run on run.id = run_id
where ended_as = 'succeeded' and done_at is null
  and not exists (select from event where event.run_id = run.id and event.kind in ('skipped', 'retried_from'))
order by run_id, key limit $1
