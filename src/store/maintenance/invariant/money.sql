with line as (
    select *, settled_at is null as is_open from reservation
),
summed as (
    select scope, key,
           coalesce(sum(tokens) filter (where is_open), 0) as reserved_tokens,
           coalesce(sum(micro_dollars) filter (where is_open), 0) as reserved_micro_dollars,
           coalesce(sum(settled_tokens), 0) as settled_tokens,
           coalesce(sum(settled_micro_dollars), 0) as settled_micro_dollars
    from line cross join lateral (
        values ('run', run_id::text), ('product', product), ('product_day', product || '/' || day)
    ) account (scope, key)
    group by scope, key
)
select null::uuid as "run_id?", 'the total of ' || scope || ' ' || key || ' is not the sum of its calls' as "what!",
       count(*) over () as "count!"
from summed full join budget_use using (scope, key)
where (summed.reserved_tokens, summed.reserved_micro_dollars, summed.settled_tokens, summed.settled_micro_dollars)
      is distinct from
      (budget_use.reserved_tokens, budget_use.reserved_micro_dollars, budget_use.settled_tokens,
       budget_use.settled_micro_dollars)
order by scope, key limit $1
