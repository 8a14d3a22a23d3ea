-- Many answers in one commit. Each row is fenced by its lease: an answer whose lease was lost drops out alone, and
-- so does one whose job was paused or noted meanwhile, or with which a worker would continue although it is held (both take the
-- slow path). A transaction that moves a run with a job
-- changes the job first, so a lease that is current means a version that is current; `must` checks that.
with brought as (
    select * from unnest(
        $1::bigint[], $2::uuid[], $3::uuid[], $4::integer[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::bigint[], $10::text[], $11::text[], $12::timestamptz[], $13::integer[], $14::timestamptz[],
        $15::text[], $16::text[], $17::text[], $18::integer[], $19::integer[], $20::text[], $21::uuid[]
    ) as brought (
        job, token, run, version, state, status, step, ended_as,
        pull, kind, body, at, attempt, began_at,
        came_from, next_step, next_queue, next_turn, next_most, next_keys, next_token
    )
),
ended as (
    delete from job using brought
    where job.id = brought.job and job.lease_token = brought.token and not job.paused and not job.noted
      and brought.next_step is null
    returning brought.run
),
-- The next step takes the same row: kept by this worker (a new token), or free for the next claim.
moved as (
    update job
    set step = next_step, turn = next_turn, queue = next_queue, max_attempts = next_most,
        keys = next_keys.keys, guarded = next_keys.guarded, lost = 0,
        delayed_by = null, delayed_tries = null,
        lease_token = next_token,
        attempts = case when next_token is null then 0 else 1 end,
        began_at = case when next_token is null then null else brought.at end,
        visible_at = case when next_token is null then now() else now() + make_interval(secs => $22) end,
        rank = case when next_token is null then now() + (priority - 1) * interval '5 minutes' else rank end
    from brought, lateral (
        select keys, coalesce(keys[1] like 'merge:%', false)
                     or keys && (select coalesce(array_agg(key), '{}') from key_limit)
        from coalesce(string_to_array(brought.next_keys, e'\n'), '{}') as keys
    ) as next_keys (keys, guarded)
    where job.id = brought.job and job.lease_token = brought.token and not job.paused and not job.noted
      and brought.next_step is not null
      and (brought.next_token is null
           or not exists (select from hold
                          where scope in ('all', 'product:' || job.product, 'queue:' || brought.next_queue,
                                          'worker:' || $23)))
    returning brought.run
),
fenced as (
    select run from ended union all select run from moved
),
saved as (
    update run
    set version = run.version + 1, state = brought.state::jsonb, status = brought.status, step = brought.step,
        ended_as = brought.ended_as, pull = brought.pull, updated_at = brought.at,
        ended_at = case when brought.ended_as is null then null else brought.at end
    from brought join fenced using (run)
    where run.id = brought.run and run.version = brought.version
    returning run.id
),
written as (
    insert into event (run_id, seq, at, actor, step, kind, body, attempt, began_at)
    select run, version + 1, at, $23, came_from, kind, body::jsonb, attempt, began_at
    from brought join fenced using (run)
),
notified as (
    select pg_notify('aspora_job', queue) from unnest($24::text[]) as queue
)
select (select array_agg(id) from saved) as saved,
       must((select count(*) from saved) = (select count(*) from fenced), 'a run moved without its job') as "sound!",
       (select count(*) from notified) as "notified!",
       clock_timestamp() as "now!"
