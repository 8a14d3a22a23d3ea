select q.id, q.product, q.title, q.body, q.priority, q.requested_by, q.created_at,
       r.id as run_id, r.status, r.step, r.ended_as, r.repository, r.pull
from requirement q
join lateral (
    select id, status, step, ended_as, repository, pull from run
    where run.requirement_id = q.id order by created_at desc, id desc limit 1
) r on true
where ($1::text is null or q.product = $1)
  and ($2::text is null or r.status = $2 or r.ended_as = $2)
  and ($3::text is null or position(lower($3) in lower(q.title)) > 0)
  and ($4::timestamptz is null or (q.created_at, q.id) < ($4, $5::uuid))
order by q.created_at desc, q.id desc
limit $6
