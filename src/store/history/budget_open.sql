select r.effect_key, r.turn, r.attempt, r.tokens, r.micro_dollars, r.reserved_at,
       exists (select 1 from job j
               where j.run_id = r.run_id and j.turn = r.turn and j.attempts = r.attempt
                 and j.lease_token is not null and j.visible_at > now()) as "in_flight!"
from reservation r
where r.run_id = $1 and r.settled_at is null
order by r.reserved_at, r.effect_key, r.turn, r.attempt
