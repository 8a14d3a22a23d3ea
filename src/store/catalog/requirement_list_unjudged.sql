-- The newest requirements whose pull request was merged although no verdict had cleared it, between two cursors.
select q.id as "id!", q.product as "product!", q.title as "title!", '' as "body!", q.priority as "priority!",
       q.requested_by, q.created_at as "created_at!", r.id as "run_id!", r.status as "status!", r.step, r.ended_as,
       r.repository as "repository!", r.pull, r.created_at as "listed_at!"
from run r
join requirement q on q.id = r.requirement_id
where r.state->'progress'->>'unjudged' is not null
  and ($6::text is null or r.product = $6)
  and ($1::text is null or position(lower($1) in lower(q.title)) > 0)
  and (r.created_at, r.requirement_id) < ($2::timestamptz, $3::uuid)
  and (r.created_at, r.requirement_id) >= ($4::timestamptz, $5::uuid)
order by r.created_at desc, r.requirement_id desc
limit 101
