-- Proposals, newest first: one by its id, or those of products and of a state, before another.
select id, product, cause, kind, title, body, runs, state, filed_at, accepted_as, note, decided_by, reason, decided_at
from proposal
where ($1::uuid is null or id = $1)
  and ($2::text[] is null or product = any($2))
  and ($3::text is null or state = $3)
  and ($4::uuid is null or id < $4)
order by id desc
limit $5
