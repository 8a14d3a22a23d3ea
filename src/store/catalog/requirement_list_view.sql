-- The newest requirements of a view, between two cursors: an index has each state of each product in order, and of each
-- run that the view can show its reader's part is looked at.
select q.id as "id!", q.product as "product!", q.title as "title!", '' as "body!", q.priority as "priority!",
       q.requested_by, q.created_at as "created_at!", r.id as "run_id!", r.status as "status!", r.step, r.ended_as,
       r.repository as "repository!", r.pull, r.created_at as "listed_at!"
from unnest($7::text[]) wanted
cross join (select name from product where $6::text is null or name = $6) p
cross join lateral (
    select r.id, r.status, r.step, r.ended_as, r.repository, r.pull, r.created_at, r.requirement_id
    from run r
    join requirement w on w.id = r.requirement_id
    cross join lateral (
        select coalesce(w.requested_by = $9::text or w.requester_name = $9
                        or lower(w.requester_login) = lower($10::text), false) as mine,
               coalesce(r.state->'state'->'park'->>'awaited', 'machines') as awaited
    ) its
    where coalesce(r.ended_as, r.status) = wanted and r.product = p.name
      -- A fork is another run of the same requirement; the newest run is shown.
      and not exists (
          select from run other
          where other.requirement_id = r.requirement_id and (other.created_at, other.id) > (r.created_at, r.id)
      )
      and case $8::text
          when 'mine' then its.mine
          when 'over-budget' then r.state->'state'->>'cause' = 'budget'
          when 'needs-me' then case r.status
              when 'waiting' then case its.awaited
                  when 'requester' then its.mine
                  when 'approvers' then
                      $11::boolean and not (its.mine and coalesce(r.state->'progress'->>'tier', '') = 'critical')
                  when 'keepers' then $11
                  else false
              end
              when 'paused' then case r.state->'state'->>'cause'
                  when 'budget' then $11 or its.mine
                  when 'breaker' then $11
                  else false
              end
              else ($11 or its.mine) and coalesce(r.state->'progress'->>'after_end', 'open') = 'open'
          end
          when 'stuck' then case r.status
              when 'ended' then exists (
                  select from dead_letter d where d.run_id = r.id and d.redriven_at is null)
              when 'waiting' then its.awaited = 'machines' and r.updated_at < now() - interval '1 hour'
              else r.updated_at < now() - interval '1 hour' or exists (
                  select from job j join hold h on h.scope in ('all', 'product:' || j.product, 'queue:' || j.queue)
                  where j.run_id = r.id and j.lease_token is null)
          end
          else true
      end
      and ($1::text is null or position(lower($1) in lower(w.title)) > 0)
      and (r.created_at, r.requirement_id) < ($2::timestamptz, $3::uuid)
      and (r.created_at, r.requirement_id) >= ($4::timestamptz, $5::uuid)
    order by r.created_at desc, r.requirement_id desc
    limit 101
) r
join requirement q on q.id = r.requirement_id
order by r.created_at desc, r.requirement_id desc
limit 101
