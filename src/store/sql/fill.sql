-- Finished runs in bulk: numbers $1 to $2 of $3, born one after the other within the last $4 days.
-- $5 products, $6 the graph, $12 the format of a branch's name. The ends of their kinds: $7 the states, $8 the last events.
with born as materialized (
    select i, f.product, f.at, f.kind,
           (lpad(to_hex((extract(epoch from f.at) * 1000)::bigint), 12, '0') || '7' || left(f.tail, 3)
            || '8' || right(f.tail, 15))::uuid as id,
           (lpad(to_hex((extract(epoch from f.at) * 1000)::bigint), 12, '0') || '7' || right(f.tail, 3)
            || '9' || left(f.tail, 15))::uuid as requirement
    from generate_series($1::bigint, $2::bigint) i
    cross join lateral (
        select 'filled-' || i % $5 as product,
               now() - make_interval(secs => $4::float8 * 86400 * (1 - i::float8 / ($3::bigint + 1))) as at,
               case when i % 10000 = 7 then 3 when i % 10 = 3 then 2 else 1 end as kind,
               md5(i::text) as tail
    ) f
),
asked as (
    insert into requirement (id, product, title, body, priority, requested_by, created_at)
    select requirement, product, 'Filled requirement ' || i, 'Made in bulk to measure with.', 3, 'fill', at
    from born
),
began as (
    insert into run (id, requirement_id, workflow_hash, product, repository, base_branch, branch, version, status,
                     ended_as, state, priority, created_at, updated_at, ended_at)
    select id, requirement, $6, product, 'acme/' || product, 'main', format($12, product, id), $9, 'ended',
           ($7::jsonb[])[kind]->'state'->>'end', ($7::jsonb[])[kind], 3, at,
           at + interval '1 minute', at + interval '1 minute'
    from born
),
buried as (
    insert into dead_letter (run_id, step, turn, attempts, error, died_at)
    select id, $10, 1, (($8::jsonb[])[kind]->>'attempts')::integer, 'made in bulk', at
    from born where kind = 3
)
insert into event (run_id, seq, at, actor, step, kind, body)
select id, seq, at + seq * interval '1 second', 'fill', $10,
       case seq when 1 then 'started' when $9 then ($8::jsonb[])[kind]->>'kind' else 'failed' end,
       case seq when 1 then '{"kind": "started"}' when $9 then ($8::jsonb[])[kind]
                else $11::jsonb || jsonb_build_object('attempt', seq - 1) end
from born cross join generate_series(1, $9::integer) seq
