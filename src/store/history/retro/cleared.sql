-- The newest verdict that cleared each run, with what gave the change its tier.
select distinct on (run_id) run_id, tier,
       coalesce((report->'approvals'->>'human')::boolean and (report->'approvals'->>'needed')::integer > 0, false) as "needs_people!",
       (select count(*) from jsonb_array_elements(coalesce(report->'approvals'->'people', '[]')) person
        where person->>'state' = 'approved' and (person->>'counts')::boolean) as "approved_by!",
       (select coalesce(jsonb_agg(distinct jsonb_build_object('rule', reason->>'rule',
                                                              'is_ours', reason->>'product' is not null)), '[]')
        from (select path->'reasons' as reasons
              from jsonb_array_elements(coalesce(report->'classification'->'paths', '[]')) path
              union all select coalesce(report->'classification'->'whole', '[]')) its
        cross join lateral jsonb_array_elements(its.reasons) reason
        where reason->>'tier' = assessment.tier) as "raised!: Json<Vec<Raised>>"
from assessment
where run_id = any($1) and stage = 'verdict' and decision = 'clear'
order by run_id, id desc
