-- A run whose step a person skipped may have left an effect there whose result was not awaited.
select run_id as "run_id?", 'there is no result of ' || key as "what!", count(*) over () as "count!"
from effect join run on run.id = run_id
where ended_as = 'succeeded' and done_at is null
  and not exists (select from event where event.run_id = run.id and event.kind in ('skipped', 'retried_from'))
order by run_id, key limit $1
