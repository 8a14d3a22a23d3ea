with found as (
    select turn, attempt, product, day,
           case when settled_at is null then tokens else 0 end as freed_tokens,
           case when settled_at is null then micro_dollars else 0 end as freed_micro_dollars,
           coalesce(settled_tokens, 0) as was_tokens, coalesce(settled_micro_dollars, 0) as was_micro_dollars
    from reservation
    where run_id = $1 and effect_key = $2 and turn = $3 and attempt = $4 and settled_as is distinct from 'known'
    for update
)
update reservation r
set settled_tokens = $5, settled_micro_dollars = $6, settled_at = now(), settled_as = $7, note = coalesce($8, note)
from found
where r.run_id = $1 and r.effect_key = $2 and r.turn = found.turn and r.attempt = found.attempt
returning found.product, found.day, found.freed_tokens as "freed_tokens!",
          found.freed_micro_dollars as "freed_micro_dollars!",
          $5 - found.was_tokens as "tokens!", $6 - found.was_micro_dollars as "micro_dollars!"
