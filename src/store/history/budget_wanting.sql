select w.run_id, w.product, w.tokens, w.micro_dollars, r.status = 'paused' as "is_paused!",
       s.scope as "scope!", case when b.key is null then every.tokens else b.tokens end as "limit_tokens?",
       case when b.key is null then every.micro_dollars else b.micro_dollars end as "limit_micro_dollars?",
       coalesce(u.reserved_tokens, 0) as "reserved_tokens!",
       coalesce(u.reserved_micro_dollars, 0) as "reserved_micro_dollars!",
       coalesce(u.settled_tokens, 0) as "settled_tokens!",
       coalesce(u.settled_micro_dollars, 0) as "settled_micro_dollars!"
from (select w.run_id, r.status, r.priority from budget_want w join run r on r.id = w.run_id
      where r.status = 'active' or (r.status = 'paused' and r.state->'state'->>'cause' = 'budget')
      order by r.priority, w.since, w.run_id limit $1) r
join budget_want w on w.run_id = r.run_id
cross join lateral (
    values (1, 'run', w.run_id::text, w.run_id::text),
           (2, 'product', w.product, w.product),
           (3, 'product_day', w.product, w.product || '/' || (now() at time zone 'utc')::date)
) s (place, scope, key, used)
left join budget b on b.scope = s.scope and b.key = s.key
left join budget every on every.scope = s.scope and every.scope = 'run' and every.key = 'default'
left join budget_use u on u.scope = s.scope and u.key = s.used
order by r.priority, w.since, w.run_id, s.place
