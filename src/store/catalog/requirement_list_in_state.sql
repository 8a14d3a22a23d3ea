-- The newest requirements whose runs are in these states, between two cursors. An index has each state of each product
-- in order: the newest of each are taken, and of those the newest.
select q.id as "id!", q.product as "product!", q.title as "title!", '' as "body!", q.priority as "priority!",
       q.requested_by, q.created_at as "created_at!", r.id as "run_id!", r.status as "status!", r.step, r.ended_as,
       r.repository as "repository!", r.pull, r.created_at as "listed_at!"
from unnest($7::text[]) wanted
cross join (select name from product where $6::text is null or name = $6) p
cross join lateral (
    select r.id, r.status, r.step, r.ended_as, r.repository, r.pull, r.created_at, r.requirement_id
    from run r
    join requirement w on w.id = r.requirement_id
    where coalesce(r.ended_as, r.status) = wanted and r.product = p.name
      -- A fork is another run of the same requirement; the newest run is shown.
      and not exists (
          select from run other
          where other.requirement_id = r.requirement_id and (other.created_at, other.id) > (r.created_at, r.id)
      )
      and ($1::text is null or position(lower($1) in lower(w.title)) > 0)
      and (r.created_at, r.requirement_id) < ($2::timestamptz, $3::uuid)
      and (r.created_at, r.requirement_id) >= ($4::timestamptz, $5::uuid)
    order by r.created_at desc, r.requirement_id desc
    limit 101
) r
join requirement q on q.id = r.requirement_id
order by r.created_at desc, r.requirement_id desc
limit 101
