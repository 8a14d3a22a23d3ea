update budget_use
set reserved_tokens = reserved_tokens - $4, reserved_micro_dollars = reserved_micro_dollars - $5,
    settled_tokens = settled_tokens + $6, settled_micro_dollars = settled_micro_dollars + $7
where (scope = 'run' and key = $1::uuid::text)
   or (scope = 'product' and key = $2)
   or (scope = 'product_day' and key = $2 || '/' || $3::date)
