select 1 as "one!" from budget_use
where (scope = 'run' and key = $1::uuid::text)
   or (scope = 'product' and key = $2)
   or (scope = 'product_day' and key = $2 || '/' || $3::date)
order by array_position(array['run', 'product', 'product_day'], scope)
for update
