-- Finished runs as far as figures read them: numbers $1 to $2 of $3, within the last $4 days; $5 the graph. Seven of ten
-- were merged, one of five of these after a person's approval; one of three had a round and a finding.
with born as materialized (
    select i, f.*, at + took as ended,
           (lpad(to_hex((extract(epoch from f.at) * 1000)::bigint), 12, '0') || '7' || left(f.tail, 3)
            || '8' || right(f.tail, 15))::uuid as id,
           (lpad(to_hex((extract(epoch from f.at) * 1000)::bigint), 12, '0') || '7' || right(f.tail, 3)
            || '9' || left(f.tail, 15))::uuid as requirement
    from generate_series($1::bigint, $2::bigint) i
    cross join lateral (
        select 'filled-' || i % 10 as product,
               (array['low', 'low', 'medium', 'medium', 'high', 'high', 'critical'])[1 + i % 7] as tier,
               now() - interval '1 day' * $4::float8 * (1 - i::float8 / ($3::bigint + 1)) - interval '1 day' as at,
               -- From minutes to most of a day.
               interval '1 second' * (120 + (i * 7919 % 1000) ^ 1.6) as took,
               i / 10 % 10 < 7 as merged, i / 10 % 3 = 0 as rounds, i / 10 % 5 = 0 as approved,
               md5(i::text) as tail
    ) f
),
asked as (
    insert into requirement (id, product, title, body, priority, requested_by, created_at)
    select requirement, product, 'Filled requirement ' || i, 'Made in bulk to measure with.', 3, 'fill', at from born
),
began as (
    insert into run (id, requirement_id, workflow_hash, product, repository, base_branch, branch, version, status,
                     ended_as, state, pull, priority, created_at, updated_at, ended_at)
    select id, requirement, $5, product, 'acme/' || product, 'main', 'aspora/' || product || '/' || id, 5, 'ended',
           case when merged then 'succeeded' else 'cancelled' end,
           jsonb_build_object('progress', jsonb_build_object('tier', tier, 'head', repeat('1', 40))
               || case when merged then jsonb_build_object('merged', repeat('2', 40)) else '{}' end),
           i, 3, at, ended, ended
    from born
),
found as (
    insert into review (run_id, head_sha, turn, summary, reviewed_at)
    select id, repeat('1', 40), 3, 'One flaw.', at + took / 2 from born where rounds
),
listed as (
    insert into finding (run_id, head_sha, fingerprint, severity, path, message, state, source)
    select id, repeat('1', 40), 'f', (array['high', 'medium', 'low'])[1 + i % 3], 'a.py', 'A flaw.',
           case i % 4 when 0 then 'dismissed' when 1 then 'open' else 'fixed' end, 'builtin'
    from born where rounds
),
judged as (
    insert into assessment (run_id, stage, head_sha, tier, decision, facts, report, assessed_at)
    select id, 'verdict', repeat('1', 40), tier, 'clear', '{}',
           jsonb_build_object('approvals', jsonb_build_object('human', approved, 'needed', 1, 'people', '[]'::jsonb)), ended
    from born where merged
),
paid as (
    insert into budget_use (scope, key, settled_tokens, settled_micro_dollars)
    select 'run', id, 10000 + i % 5000, 50000 + i % 9000 from born
),
due as (
    insert into measure_due (run_id) select id from born
)
insert into event (run_id, seq, at, actor, began_at, step, kind, body)
select id, seq, at + took * (array[0, 0.1, 0.5, 0.9, 1])[seq], 'fill', case when seq > 1 then at + took * (seq - 1) * 0.09 end,
       case when seq > 1 then (array['', 'generate', case when rounds then 'remediate' else 'review' end, 'verdict', 'merge'])[seq] end,
       case seq when 1 then 'started' else 'answered' end,
       case seq
           when 1 then '{"kind": "started"}'
           when 2 then jsonb_build_object('outcome', 'opened', 'progress', jsonb_build_object('pull', i))
           when 3 then jsonb_build_object('outcome', case when rounds then 'pushed' else 'clean' end)
           when 4 then jsonb_build_object('outcome', case when merged then 'cleared' else 'waiting' end)
           else case when merged then jsonb_build_object('outcome', 'merged', 'progress', jsonb_build_object('merged', repeat('2', 40)))
                     else '{"outcome": "closed"}' end
       end
from born cross join generate_series(1, 5) seq
