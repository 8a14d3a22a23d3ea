-- A fork needs verdicts of its own; the merge recreates its clearance from the facts of the last one.
select run_id as "run_id?", 'head ' || left(request->>'sha', 7) || ' was merged and not cleared before' as "what!",
       count(*) over () as "count!"
from effect
where kind = 'merge' and done_at is not null and not exists (
    select from assessment
    where assessment.run_id = effect.run_id and stage = 'verdict' and decision = 'clear'
      and head_sha = effect.request->>'sha' and assessed_at < effect.intended_at
)
order by run_id limit $1
