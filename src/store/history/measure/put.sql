insert into run_measure (run, counted_at, day, product, tier, cycle_ms, first_pull_ms, cycle_bucket,
                         first_pull_bucket, loop_minutes, first_pull_minutes, figures)
select * from unnest($1::uuid[], $2::timestamptz[], $3::date[], $4::text[], $5::text[], $6::bigint[], $7::bigint[],
                     $8::smallint[], $9::smallint[], $10::integer[], $11::integer[], $12::jsonb[])
on conflict (run) do update
set counted_at = excluded.counted_at, day = excluded.day, product = excluded.product, tier = excluded.tier,
    cycle_ms = excluded.cycle_ms, first_pull_ms = excluded.first_pull_ms, cycle_bucket = excluded.cycle_bucket,
    first_pull_bucket = excluded.first_pull_bucket, loop_minutes = excluded.loop_minutes,
    first_pull_minutes = excluded.first_pull_minutes, figures = excluded.figures
