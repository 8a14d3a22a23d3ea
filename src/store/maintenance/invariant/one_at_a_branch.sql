select run_id as "run_id?", what as "what!", count(*) over () as "count!"
from (
    select run_id, key || ' is held by ' || count(*) over (partition by key) || ' jobs' as what,
           count(*) over (partition by key) as holders
    from job cross join unnest(keys) as key
    where key like 'merge:%' and lease_token is not null and visible_at > now()
    union all
    select id, repository || ' ' || branch || ' has ' || count(*) over (partition by repository, branch) || ' runs',
           count(*) over (partition by repository, branch)
    from run where status <> 'ended' and subject_kind <> 'pull'
    union all
    select id, 'pull request ' || subject_id || ' has ' || count(*) over (partition by subject_id) || ' runs',
           count(*) over (partition by subject_id)
    from run where status <> 'ended' and subject_kind = 'pull'
) held
where holders > 1
order by run_id limit $1
