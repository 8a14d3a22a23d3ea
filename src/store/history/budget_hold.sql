insert into budget_use (scope, key, reserved_tokens, reserved_micro_dollars)
select s.scope, s.key, $4::bigint, $5::bigint
from (values (1, 'run', $1::uuid::text), (2, 'product', $2::text), (3, 'product_day', $2::text || '/' || $3::date)
     ) s (place, scope, key)
order by s.place
on conflict (scope, key) do update
set reserved_tokens = budget_use.reserved_tokens + excluded.reserved_tokens,
    reserved_micro_dollars = budget_use.reserved_micro_dollars + excluded.reserved_micro_dollars
