-- A whole transition of each claimed job: fenced delete, versioned state, history, next job.
with ended as (
    delete from limit_job using unnest($1::bigint[], $2::uuid[]) as held (id, token)
    where limit_job.id = held.id and limit_job.token = held.token
    returning limit_job.run
),
saved as (
    update limit_run
    set version = version + 1, state = jsonb_build_object('state', 'at', 'turn', version + 1)
    from ended where limit_run.id = ended.run
    returning limit_run.id, limit_run.version
),
written as (
    insert into limit_event (run, seq, kind, body)
    select id, version, 'answered',
           jsonb_build_object('kind', 'answered', 'turn', version, 'outcome', 'clean', 'note', 'clean')
    from saved
)
insert into limit_job (run) select id from saved
