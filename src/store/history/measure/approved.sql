-- Whether people approved, or had to approve, the head that the newest verdict of each run cleared.
select distinct on (run_id) run_id,
       (coalesce((report->'approvals'->>'human')::boolean and (report->'approvals'->>'needed')::integer > 0, false)
        or exists (select from jsonb_array_elements(coalesce(report->'approvals'->'people', '[]')) person
                   where person->>'state' = 'approved' and (person->>'counts')::boolean)) as "by_people!"
from assessment
where run_id = any($1) and stage = 'verdict' and decision = 'clear'
order by run_id, id desc
