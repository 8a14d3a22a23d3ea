-- The heads that the gate blocked, with what an agent could fix.
select run_id, assessed_at, head_sha, report->'decision'->'remediable' as "remediable: Json<Vec<Reported>>"
from assessment
where run_id = any($1) and decision = 'blocked'
