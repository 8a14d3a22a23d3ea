select w.run_id, w.product, w.tokens, w.micro_dollars
from budget_want w
join run r on r.id = w.run_id
where r.status = 'paused' and r.state->'state'->>'cause' = 'budget'
order by r.priority, w.since, w.run_id
limit $1
