-- Each finding of the newest runs once, in its last state, counted by reviewer and severity.
with last_seen as (
    select distinct on (finding.run_id, finding.fingerprint)
           coalesce(finding.source, 'builtin') as reviewer, finding.severity, finding.state
    from finding join review using (run_id, head_sha)
    where finding.run_id in (select id from run
                             where product = $1 and created_at > now() - make_interval(days => $2)
                             order by created_at desc limit $3)
    order by finding.run_id, finding.fingerprint, (finding.state = 'dismissed') desc, review.reviewed_at desc
)
select reviewer as "reviewer!",
       severity,
       count(*) as "found!",
       count(*) filter (where state = 'fixed') as "fixed!",
       count(*) filter (where state = 'dismissed') as "dismissed!",
       count(*) filter (where state = 'gone') as "gone!",
       count(*) filter (where state = 'open') as "open!"
from last_seen
group by reviewer, severity
order by reviewer, array_position(array['critical', 'high', 'medium', 'low', 'info'], severity)
