-- The newest requirements of a product between two cursors.
select q.id, q.product, q.title, '' as "body!", q.priority, q.requested_by, q.created_at,
       r.id as run_id, r.status, r.step, r.ended_as, r.repository, r.pull, q.created_at as listed_at
from requirement q
join lateral (
    -- A fork is another run of the same requirement; the newest run is shown.
    select id, status, step, ended_as, repository, pull from run
    where run.requirement_id = q.id order by created_at desc, id desc limit 1
) r on true
where q.product = $6
  and ($1::text is null or position(lower($1) in lower(q.title)) > 0)
  and (q.created_at, q.id) < ($2::timestamptz, $3::uuid)
  and (q.created_at, q.id) >= ($4::timestamptz, $5::uuid)
order by q.created_at desc, q.id desc
limit 101
