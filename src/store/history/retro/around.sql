-- What else happened around runs, one row each: what it is, from when to when, a text, texts, a count and a flag. The
-- bounds choose the partitions.
select run_id as "run_id!", 'tried' as "what!", at as "at!", null::timestamptz as until, '' as "text!", '{}'::text[] as "texts!",
       0::bigint as "count!", purpose = 'case' as "flag!"
from run_test where run_id = any($1) and purpose in ('draft', 'case')
union all
select run_id, 'remark', recorded_at, null, path, array[split_part(visit, '/', 2)], 0, false
from remark where run_id = any($1) and visit is not null and not withdrawn
union all
select run_id, 'asked', asked_at, coalesce(answered_at, withdrawn_at), '', '{}', cardinality(questions), false
from question_round where run_id = any($1)
union all
select run_id, 'consent', asked_at, coalesce(answered_at, withdrawn_at), '', '{}', 0, answer is not distinct from 'no'
from consent where run_id = any($1)
union all
select run_id, 'captured', arrived_at, null, head_sha,
       array(select distinct manifest->>'flow' from jsonb_array_elements(manifests) manifest where manifest ? 'flow'), 0,
       conclusion = 'success'
from evidence where run_id = any($1)
union all
select run_id, 'lost', started_at, ended_at, '', '{}', 0, false
from attempt where run_id = any($1) and run_id between $2 and $3 and ended_as = 'lost' and ended_at is not null
union all
-- An incident with the files that the fix of its harness gap pushed.
select i.run_id, 'incident', i.recorded_at, null, i.title,
       array(select distinct file from harness_gap g
             join run r on r.subject_id = g.id and r.subject_kind = 'harness_gap'
             join effect e on e.run_id = r.id and e.kind = 'push'
             cross join lateral jsonb_array_elements_text(coalesce(e.request->'files', '[]')) file
             where g.incident = i.id), 0, false
from incident i where i.run_id = any($1)
union all
-- The files of the change, where an incident is to be laid to one of them.
select distinct e.run_id, 'file', timestamptz 'epoch', null::timestamptz, file, '{}'::text[], 0::bigint, false
from effect e cross join lateral jsonb_array_elements_text(coalesce(e.request->'files', '[]')) file
where e.run_id = any($1) and e.run_id between $2 and $3 and e.kind = 'push'
  and exists (select from incident i where i.run_id = e.run_id)
