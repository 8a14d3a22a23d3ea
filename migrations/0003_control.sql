-- People control runs: pauses, forks, dead letters that get another chance. Expands only.

alter table run
    drop constraint run_status_check,
    add constraint run_status_check check (status in ('active', 'waiting', 'paused', 'ended')),
    -- A fork takes over the branch of a run that has ended; that no two live runs have one branch is
    -- checked by the engine, under a lock named by the branch.
    drop constraint one_branch_one_run,
    -- The run of the same requirement that this one was forked from.
    add column parent uuid check (parent <> id);
create index run_of_branch on run (repository, branch);

alter table dead_letter
    -- When the run was given another chance, and by whom: once.
    add column redriven_at timestamptz,
    add column redriven_by text,
    add constraint redriven_by_somebody check ((redriven_at is null) = (redriven_by is null));
create index dead_letter_open on dead_letter (id) where redriven_at is null;

-- A run and those before it that worked on the same branch: what they pushed, judged and reviewed there
-- is also its own.
create function lineage(of uuid) returns uuid[] language sql stable as $$
    with recursive line as (
        select id, parent, repository, branch from run where id = $1
        union all
        select run.id, run.parent, run.repository, run.branch
        from run join line on run.id = line.parent
        where run.repository = line.repository and run.branch = line.branch
    )
    select coalesce(array_agg(id), array[$1]) from line
$$;
