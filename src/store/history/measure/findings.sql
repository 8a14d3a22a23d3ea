-- Each finding of runs once, in its last state: the same rule as on the page of a product.
with last_seen as (
    select distinct on (finding.run_id, finding.fingerprint)
           finding.run_id, coalesce(finding.source, 'builtin') as reviewer, finding.severity, finding.state
    from finding join review using (run_id, head_sha)
    where finding.run_id = any($1)
    order by finding.run_id, finding.fingerprint, (finding.state = 'dismissed') desc, review.reviewed_at desc
)
select run_id, reviewer as "reviewer!", severity, state, count(*) as "count!"
from last_seen
group by run_id, reviewer, severity, state
order by run_id, reviewer, severity, state
