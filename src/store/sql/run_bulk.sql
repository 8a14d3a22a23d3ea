-- Many runs that begin alike: requirement, run, first event and job of each.
with asked as (
    select * from unnest($1::uuid[], $2::uuid[], $22::text[]) as asked (requirement, run, branch)
),
required as (
    insert into requirement (id, product, title, body, priority, requested_by)
    select requirement, $3, $4, $5, $6, $7 from asked
),
begun as (
    insert into run (id, requirement_id, workflow_hash, product, repository, base_branch, branch,
                     version, status, step, state, priority)
    select run, requirement, $8, $3, $9, $10, branch, 1, $11, $12, $13, $6 from asked
),
written as (
    insert into event (run_id, seq, at, actor, step, kind, body)
    select run, 1, $14, $7, $12, $15, $16 from asked
)
insert into job (run_id, step, turn, queue, priority, max_attempts, product, keys, rank, guarded)
select run, $17, $18, $19, $6, $20, $3, $21, now() + ($6 - 1) * interval '5 minutes',
       coalesce(($21::text[])[1] like 'merge:%', false)
       or $21 && (select coalesce(array_agg(key), '{}') from key_limit)
from asked
