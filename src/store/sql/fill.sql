-- Finished runs of the past year: $2 of $3 after the first $1, the oldest first, each with $4 events.
with old as (
    select gen_random_uuid() as requirement, gen_random_uuid() as run, n,
           now() - interval '365 days' * ((1 + $3::bigint - n)::float8 / $3::bigint) as at,
           (select hash from workflow order by created_at, hash limit 1) as hash,
           case when n % 20 = 0 then 'blocked' when n % 50 = 1 then 'failed' else 'succeeded' end as ended_as
    from generate_series($1::bigint + 1, $1::bigint + $2::bigint) as n
),
required as (
    insert into requirement (id, product, title, body, priority, requested_by, created_at)
    select requirement, 'bench', 'Old wish number ' || n, 'It was wished for, made, judged and merged.', 3, 'bench', at
    from old
),
ended as (
    insert into run (id, requirement_id, workflow_hash, product, repository, base_branch, branch, version, status,
                     step, ended_as, state, pull, priority, created_at, updated_at, ended_at)
    select run, requirement, hash, 'bench', 'aspora/bench', 'main', 'aspora/bench/' || run, $4::integer, 'ended',
           null, ended_as,
           jsonb_build_object(
               'state', jsonb_build_object('is', 'ended', 'name', 'done', 'end', ended_as, 'reason', 'clean'),
               'turn', $4::integer - 1, 'visits', jsonb_build_object('a', $4::integer - 1),
               'progress', jsonb_build_object('pull', n)
           ),
           n, 3, at, at + interval '20 minutes', at + interval '20 minutes'
    from old
)
insert into event (run_id, seq, at, actor, step, kind, body)
select run, seq, at + seq * interval '1 minute', 'bench', 'a',
       case when seq = 1 then 'started' else 'answered' end,
       case when seq = 1 then jsonb_build_object('kind', 'started')
            else jsonb_build_object('kind', 'answered', 'turn', seq - 1, 'outcome', 'clean', 'note', 'clean',
                                    'progress', jsonb_build_object())
       end
from old, generate_series(1, $4::integer) as seq
