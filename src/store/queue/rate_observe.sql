with observed as (
    -- A bucket that refills continuously is not full at a known time.
    select clock_timestamp() as at,
           case when $4::float8 = 0 then clock_timestamp() + make_interval(secs => $5) end as full_at
)
insert into rate as old (key, capacity, tokens, refill_per_s, refilled_at, full_at)
select $1, $2, $3, $4, at, full_at from observed
on conflict (key) do update
set capacity = excluded.capacity,
    -- Ends that differ by seconds belong to the same window, as the server reports whole seconds.
    tokens = case when old.capacity = excluded.capacity and $4 = 0
                       and abs(extract(epoch from old.full_at - excluded.full_at)) < 5
                  then least(rate_level(old, excluded.refilled_at), excluded.tokens)
                  else excluded.tokens end,
    refill_per_s = excluded.refill_per_s,
    refilled_at = excluded.refilled_at,
    full_at = excluded.full_at,
    updated_at = clock_timestamp()
