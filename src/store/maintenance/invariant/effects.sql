-- A run whose step a person skipped may have left an effect there whose result was not awaited. Of the merges that
-- a run intended only one is made: the others were refused, and the run went back.
select run_id as "run_id?", 'there is no result of ' || key as "what!", count(*) over () as "count!"
from effect join run on run.id = run_id
where ended_as = 'succeeded' and done_at is null
  and not (effect.kind in ('merge', 'merge_order') and exists (
      select from effect made where made.run_id = run.id and made.kind = 'merge' and made.done_at is not null))
  and not exists (select from event where event.run_id = run.id and event.kind in ('skipped', 'retried_from'))
order by run_id, key limit $1
