-- The jobs of runs, and what may keep each from being claimed.
select j.run_id as "run_id!", j.queue as "queue!", j.visible_at as "visible_at!", j.attempts as "attempts!",
       j.max_attempts as "max_attempts!", j.lost as "lost!", j.began_at,
       case when j.attempts > 0 then j.worker end as worker,
       j.lease_token is not null as "leased!", j.paused as "paused!", coalesce(j.delayed_tries = j.attempts, false) as "snoozed!",
       now() as "now!",
       (select body->>'error' from event
        where event.run_id = j.run_id and kind = 'failed' and (body->>'turn')::integer = j.turn
        order by seq desc limit 1) as last_error,
       -- No attempt has begun since a rate limit snoozed it.
       case when j.delayed_tries = j.attempts and j.visible_at > now() then j.delayed_by end as delayed_by,
       (select why from rate where key = j.delayed_by and closed_until > now()) as delayed_why,
       outage.opened_at is not null as "is_down!", outage.since as "down_since?",
       outage.next_probe_at as "next_probe_at?", case
           when outage.opened_at is not null then outage.error
           -- What met this job alone, which no breaker knows of.
           else coalesce((select body->>'error' from event
                          where event.run_id = j.run_id and kind = 'held' and body->>'provider' = j.delayed_by
                          order by seq desc limit 1), outage.error)
       end as outage_error,
       beside.provider as "beside?", beside.since as "beside_since?",
       full_key.key as "full_key?", full_key.held as "full_held?", full_key.most as "full_most?",
       hold.scope as "hold_scope?", hold.reason as "hold_reason?", hold.held_by as "held_by?", hold.since as "held_since?",
       -- A worker of the queue is seen by its LISTEN connection, or by a job that it holds.
       exists (
           select from pg_stat_activity
           where datname = current_database() and application_name like 'aspora worker %'
             and j.queue = any (string_to_array(substr(application_name, 15), ','))
       ) or exists (
           select from job
           where job.queue = j.queue and job.lease_token is not null and job.visible_at > now()
       ) as "served!"
from job j
left join outage on outage.provider = j.delayed_by
left join outage beside on beside.provider = j.delayed_beside and beside.opened_at is not null
left join lateral (
    select * from hold where scope in ('all', 'product:' || j.product, 'queue:' || j.queue) order by since limit 1
) hold on true
left join lateral (
    select key, most, held
    from (
        select key, case when key like 'merge:%' then 1 else key_limit.most end as most,
               (select count(*)::integer from key_hold join job on job.id = key_hold.job
                where key_hold.key = asked.key and job.id <> j.id and asked.key = any (job.keys)
                  and job.lease_token is not null and job.visible_at > now()) as held
        from unnest(j.keys) as asked (key) left join key_limit using (key)
    ) limited
    where held >= most
    limit 1
) full_key on true
where j.run_id = any ($1)
