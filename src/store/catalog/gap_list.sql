-- Harness gaps with their incidents, newest first: one, or those of products and in a state.
select gap.id, gap.incident, gap.product, gap.repository, gap.kind, gap.label, gap.limit_minutes, gap.policy_digest,
       gap.started_at, gap.issue, gap.state, gap.stopped_at, gap.case_pull, gap.case_sha, gap.case_files, gap.opened_by,
       gap.dismissed_by, gap.dismissed_for, gap.created_at, gap.error, incident.title, incident.body, incident.url,
       incident.source, incident.key, incident.happened_at, incident.run_id as caused_by,
       (select run.id from run where run.subject_kind = 'harness_gap' and run.subject_id = gap.id
        order by run.created_at desc, run.id desc limit 1) as run
from harness_gap gap join incident on incident.id = gap.incident
where ($1::uuid is null or gap.id = $1)
  and ($2::text[] is null or gap.product = any($2))
  and case $3::text
          when 'overdue' then gap.state = 'open' and gap.started_at + gap.limit_minutes * interval '1 minute' <= now()
          else $3 is null or gap.state = $3
      end
  and ($4::uuid is null or gap.id < $4)
order by gap.id desc
limit $5
