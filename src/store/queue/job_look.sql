-- What a worker must know from time to time: the queues with due jobs, those that several products use, and
-- whether a timer or a schedule is due.
select array(
           select queue from unnest($1::text[]) as queue
           where exists (select from job where job.queue = queue.queue and visible_at <= now() and not paused)
       ) as "queues!",
       array(
           select queue from unnest($1::text[]) as queue
           where (select min(product) from job where job.queue = queue.queue)
              <> (select max(product) from job where job.queue = queue.queue)
       ) as "shared!",
       exists (select from timer where due_at <= now()) as "timers!",
       exists (select from schedule where next_at <= now()) as "ticks!"
