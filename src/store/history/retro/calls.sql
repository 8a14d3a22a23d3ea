-- The calls of the model, and what each used as far as that is settled. The bounds choose the partitions.
select e.run_id, e.key, e.intended_at, e.done_at,
       coalesce(used.tokens, 0) as "tokens!", coalesce(used.micro_dollars, 0) as "micro_dollars!"
from effect e
left join lateral (
    select sum(r.settled_tokens)::bigint as tokens, sum(r.settled_micro_dollars)::bigint as micro_dollars
    from reservation r where r.run_id = e.run_id and r.effect_key = e.key
) used on true
where e.run_id = any($1) and e.run_id between $2 and $3 and e.kind = 'llm_call'
