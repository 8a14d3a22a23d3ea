-- Claims due jobs for the free slots of some queues. The jobs of one product come by rank; among products the
-- slots are drawn at random, place by place, so that each gets the same share however many jobs it has.
with recursive wanted as (
    select * from unnest($1::text[], $2::bigint[]) as wanted (queue, slots)
    where not exists (select from hold where scope in ('all', 'queue:' || wanted.queue, 'worker:' || $4))
),
-- The products that have jobs, with one probe of the index for each.
share (queue, slots, product) as (
    select queue, slots, (select min(product) from job where job.queue = wanted.queue) from wanted
    union all
    select queue, slots, (select min(product) from job where job.queue = share.queue and job.product > share.product)
    from share where product is not null
),
due as (
    select share.queue, share.slots, share.product, job.id, job.keys, job.guarded,
           row_number() over (partition by share.queue, share.product order by job.rank, job.id) as place
    from share, lateral (
        select id, rank, keys, guarded from job
        where job.queue = share.queue and job.product = share.product
          and visible_at <= now() and not paused and lost = 0 and ($6 or not guarded)
        order by rank, id limit share.slots
    ) job
    where not exists (select from hold where scope = 'product:' || share.product)
    union all
    -- Jobs that lost a worker come first, but only one at a time.
    (
        select wanted.queue, wanted.slots, job.product, job.id, job.keys, job.guarded, 0
        from wanted join job using (queue)
        where $5 and lost > 0 and visible_at <= now() and not paused and ($6 or not guarded)
          and not exists (select from hold where scope = 'product:' || job.product)
        order by rank limit 1
    )
),
-- How many more jobs the limited keys of these jobs allow.
asked as (
    select due.id, due.place, key, case when key like 'merge:%' then 1 else key_limit.most end as most
    from due cross join unnest(due.keys) as key left join key_limit using (key)
    where due.guarded and (key like 'merge:%' or key_limit.most is not null)
),
open as (
    select key, min(most) - (
        select count(*) from key_hold, lateral (
            select from job
            where id = key_hold.job and lease_token is not null and visible_at > now() and asked.key = any (keys)
            offset 0
        ) held
        where key_hold.key = asked.key
    ) as free
    from asked group by key
),
admitted as (
    select asked.id, bool_and(open.free >= asked.nth) as fits
    from (
        select id, key, row_number() over (partition by key order by place, id) as nth
        from asked
        where id not in (select asked.id from asked join open using (key) where open.free <= 0)
    ) asked join open using (key)
    group by asked.id
),
chosen as (
    select id, queue from (
        select id, queue, slots, row_number() over (partition by queue order by place, random()) as nth
        from due left join admitted using (id)
        where case when guarded then coalesce(fits, id not in (select id from asked)) else true end
    ) drawn
    where nth <= slots
),
-- By arrays (or row by row, which `offset 0` enforces), not joins: the planner cannot estimate how many rows these
-- are, and if it expects many it joins them by reading all of `job` and of `run`.
locked as (
    select job.id, job.run_id, job.turn, job.attempts, job.max_attempts, job.step, job.worker, job.began_at,
           job.lease_token is not null as was_held
    from job
    where job.id = any (array(select id from chosen)) and job.visible_at <= now() and not job.paused
    for update of job skip locked
),
claimed as (
    update job
    set attempts = attempts + 1,
        lost = lost + (lease_token is not null)::integer,
        lease_token = gen_random_uuid(),
        visible_at = now() + make_interval(secs => $3),
        worker = $4,
        began_at = now()
    where id = any (array(select id from locked))
    returning job.*
),
lost as (
    insert into attempt (run_id, turn, attempt, step, worker, started_at, ended_at, ended_as, error)
    select run_id, turn, attempts, step, coalesce(worker, 'unknown'), coalesce(began_at, now()), now(), 'lost',
           'the worker stopped answering'
    from locked where was_held and attempts <= max_attempts
    on conflict (run_id, turn, attempt) do update
    set ended_at = excluded.ended_at, ended_as = excluded.ended_as, error = excluded.error
    where attempt.ended_at is null
),
signals_taken as (
    update signal set taken_at = now() from claimed
    where signal.run_id = claimed.run_id and signal.taken_at is null
),
keys_held as (
    insert into key_hold (key, job)
    select asked.key, claimed.id from asked join claimed using (id)
    on conflict do nothing
),
keys_freed as (
    delete from key_hold
    where $6 and key = any (array(select key from asked))
      and not exists (select from job where job.id = key_hold.job offset 0)
)
select clock_timestamp() as "now!",
       exists (
           select from wanted, lateral (
               select from job
               where job.queue = wanted.queue and guarded and visible_at <= now() and not paused
               order by rank limit 1
           ) job
       ) as "guarded_due!",
       array(select queue from due group by queue having count(distinct product) > 1) as "shared!",
       claimed.id as "id?", claimed.queue as "queue?", claimed.run_id as "run_id?", claimed.step as "step?",
       claimed.turn as "turn?", claimed.attempts as "attempts?", claimed.max_attempts as "max_attempts?",
       claimed.lost as "lost?", claimed.keys as "keys?", claimed.guarded as "guarded?", claimed.lease_token as "token?",
       claimed.began_at as "began_at?",
       run.subject_kind as "subject_kind?", coalesce(run.requirement_id, run.subject_id) as "subject_id?", run.workflow_hash as "workflow_hash?",
       run.product as "product?", run.repository as "repository?", run.base_branch as "base_branch?",
       run.branch as "branch?", run.parent, run.version as "version?", run.state::text as "state?",
       run.priority as "priority?", run.created_at as "created_at?", run.updated_at as "updated_at?"
from (select) as one
left join claimed on true
left join run on run.id = claimed.run_id
order by claimed.rank, claimed.id
