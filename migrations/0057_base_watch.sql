-- After a merge the base's own checks are watched for a while: one that fails there and had succeeded before is an incident,
-- which a product may have reverted. Expands only.
alter table product
    -- For how many minutes; 0: not at all, null: the default.
    add column watch_minutes smallint check (watch_minutes between 0 and 1440),
    -- What follows when a check has broken.
    add column revert_on_red text not null default 'off' check (revert_on_red in ('off', 'ask', 'open'));

create table base_watch (
    run_id        uuid primary key,
    until_at      timestamptz not null,
    -- When a worker looks, or looks again: a claim moves it, and news of a check. Infinity: the watch is over. The checks of a
    -- commit do not begin in the second of its merge.
    due_at        timestamptz not null default now() + interval '30 seconds',
    -- How often it failed to look since it last did.
    attempts      integer not null default 0,
    -- Counts the news, so that what comes during a look is looked at.
    news          integer not null default 0,
    is_over       boolean not null default false,
    -- core::aftermath::Check, one each check.
    checks        jsonb not null default '[]',
    looked_at     timestamptz,
    incident_id   uuid,
    -- Whether a run is to be begun that reverts the merge.
    wants_revert  boolean not null default false,
    -- Why the last look failed.
    error         text
);
create index base_watch_due on base_watch (due_at) where due_at < 'infinity';

-- The runs that revert the merge of another run, by the requirement that each is about.
create table revert (
    requirement_id uuid primary key,
    run_id         uuid not null,
    of_run         uuid not null,
    of_sha         text not null check (length(of_sha) = 40),
    incident_id    uuid,
    asked_by       text not null,
    reason         text not null,
    created_at     timestamptz not null default now()
);
create index revert_of on revert (of_run);
create index revert_by on revert (run_id);

-- What people watch for others only where its product judges their pull requests.
create function merged_is_watched() returns trigger language plpgsql as $$
begin
    insert into base_watch (run_id, until_at)
    select r.id, now() + make_interval(mins => coalesce(p.watch_minutes, 60))
    from run r join product p on p.name = new.product
    where r.id = new.run_id and coalesce(p.watch_minutes, 60) > 0
      and (r.subject_kind = 'requirement' or p.judging = 'on')
    on conflict (run_id) do nothing;
    return null;
end $$;

create trigger merged_is_watched after insert on merged
    for each row execute function merged_is_watched();
