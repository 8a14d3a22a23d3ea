select attempt.run_id as "run_id?", 'attempt ' || attempt.attempt || ' of job ' || attempt.turn || ' is open' as "what!",
       count(*) over () as "count!"
from attempt
left join job on job.run_id = attempt.run_id and job.turn = attempt.turn and job.attempts = attempt.attempt
where attempt.ended_at is null and job.id is null
order by attempt.run_id, attempt.turn, attempt.attempt limit $1
