select s.scope as "scope!", case when b.key is null then every.tokens else b.tokens end as "tokens?",
       case when b.key is null then every.micro_dollars else b.micro_dollars end as "micro_dollars?",
       coalesce(u.reserved_tokens, 0) as "reserved_tokens!",
       coalesce(u.reserved_micro_dollars, 0) as "reserved_micro_dollars!",
       coalesce(u.settled_tokens, 0) as "settled_tokens!",
       coalesce(u.settled_micro_dollars, 0) as "settled_micro_dollars!"
from (values (1, 'run', $1::uuid::text, $1::uuid::text),
             (2, 'product', $2::text, $2::text),
             (3, 'product_day', $2::text,
              $2::text || '/' || coalesce($3::date, (now() at time zone 'utc')::date))
     ) s (place, scope, key, used)
left join budget b on b.scope = s.scope and b.key = s.key
left join budget every on every.scope = s.scope and every.scope = 'run' and every.key = 'default'
left join budget_use u on u.scope = s.scope and u.key = s.used
where s.key is not null
order by s.place
