-- The events of runs, as far as figures need them. The bounds choose the partitions.
select run_id, seq, at, began_at, step, kind, body->>'outcome' as outcome, body->'park'->>'awaited' as awaited,
       body->>'cause' as cause, body->'progress'->>'pull' is not null as "has_pull!",
       body->'progress'->>'head' as head,
       left(coalesce(body->>'provider', body->>'error', body->'park'->>'reason',
                     case when body->>'outcome' in ('unfixable', 'refused') then body->>'note' end), 300) as detail,
       (body->'progress'->>'merged' is not null or body->'progress'->>'unjudged' is not null
        or coalesce(kind = 'pull_changed' and body->>'state' = 'merged', false)) as "has_merged!"
from event
where run_id = any($1) and run_id between $2 and $3
order by run_id, seq
