-- An active run has its job, a waiting one its timer, a paused one neither or a paused job, and an ended one nothing.
-- The job is the one that the run enqueued.
select r.id as "run_id?",
       case when r.status = 'active' and j.id is null then 'it is active and has no job'
            when r.status = 'waiting' and t.run_id is null then 'it waits and has no timer'
            when r.status <> 'waiting' and t.run_id is not null then 'it is ' || r.status || ' and has a timer'
            when j.id is not null and (j.turn, j.step) is distinct from ((r.state->>'turn')::integer, r.step)
                 then 'its job is not the one that it enqueued'
            when j.paused <> (r.status = 'paused') then 'it is ' || r.status || ' and its job says otherwise'
            else 'it is ' || r.status || ' and has a job, or lacks the one that its state names' end as "what!",
       count(*) over () as "count!"
from run r
left join job j on j.run_id = r.id
left join timer t on t.run_id = r.id
where (r.status = 'active' or coalesce((r.state->'state'->>'queued')::boolean, false)) <> (j.id is not null)
   or (r.status = 'waiting') <> (t.run_id is not null)
   or j.paused <> (r.status = 'paused')
   or j.turn <> (r.state->>'turn')::integer or j.step <> r.step
order by r.id limit $1
