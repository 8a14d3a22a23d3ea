-- What the row of each run says. The bounds choose the partitions.
select r.id as "id!", r.product as "product!", r.subject_kind = 'pull' as "is_theirs!", r.status as "status!", r.ended_as, r.ended_at,
       coalesce(q.created_at, r.created_at) as "submitted_at!",
       r.state->'progress'->>'tier' as tier,
       (r.state->'progress'->>'merged' is not null or r.state->'progress'->>'unjudged' is not null
        or coalesce(r.state->'progress'->>'after_end' = 'merged', false)) as "is_merged!",
       r.state->'progress'->>'unjudged' is not null as "is_unjudged!",
       p.first_pull_minutes, p.loop_minutes
from run r
join product p on p.name = r.product
left join requirement q on q.id = r.requirement_id
where r.id = any($1) and r.id between $2 and $3
