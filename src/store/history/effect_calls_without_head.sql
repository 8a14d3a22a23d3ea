select count(*) as "calls!" from effect e
where e.run_id = $1 and e.kind = 'llm_call'
  and e.done_at > greatest(
      '-infinity'::timestamptz,
      (select max(done_at) from effect where run_id = $1 and kind = 'push'),
      -- A resume counts if the breaker caused the pause.
      (select max(r.at) from event r where r.run_id = $1 and r.kind = 'resumed'
       and (select p.body->>'cause' from event p
            where p.run_id = r.run_id and p.kind = 'paused' and p.seq < r.seq
            order by p.seq desc limit 1) = 'breaker')
  )
