-- What reviews found, on each head.
select f.run_id, f.head_sha, f.path,
       f.severity in ('critical', 'high', 'medium') and not f.advisory as "is_actionable!",
       left(f.message, 200) as "message!"
from finding f
where f.run_id = any($1)
