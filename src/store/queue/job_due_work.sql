-- What is due: the queues with due jobs, those that several products use, and whether a timer, a schedule, the last word of
-- an ended run, a look at a conversation, a harness gap, a deployment or a base, or a count of runs is due.
select array(
           select queue from unnest($1::text[]) as queue
           where exists (select from job where job.queue = queue.queue and visible_at <= now() and not paused)
             and not exists (select from hold where scope in ('all', 'queue:' || queue.queue))
       ) as "queues!",
       array(
           select queue from unnest($1::text[]) as queue
           where (select min(product) from job where job.queue = queue.queue)
              <> (select max(product) from job where job.queue = queue.queue)
       ) as "shared!",
       exists (select from timer where due_at <= now()) as "timers!",
       exists (select from schedule where next_at <= now()) as "ticks!",
       exists (select from epilogue where due_at <= now())
           and not exists (select from hold where scope = 'all') as "epilogues!",
       -- A held factory notifies too.
       exists (select from notice_due where due_at <= now())
           or exists (select from delivery where state = 'due' and due_at <= now()) as "notices!",
       exists (select from conversation where due_at <= now() and claimed_until <= now())
           and not exists (select from hold where scope = 'all') as "conversations!",
       exists (select from harness_gap where look_at <= now())
           and not exists (select from hold where scope = 'all') as "gaps!",
       (exists (select from deployment where look_at <= now() and look_at < 'infinity')
        or exists (select from merged where not is_settled))
           and not exists (select from hold where scope = 'all') as "deployments!",
       exists (select from base_watch where due_at <= now() and due_at < 'infinity')
           and not exists (select from hold where scope = 'all') as "watches!",
       exists (select from measure_due) as "measures!"
