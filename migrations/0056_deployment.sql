-- What follows a merge: which commit on the base a run became, and where people and programs deployed it. The forge
-- announces deployments by webhook; they are stored as they are announced, each delivery once. Expands only.

-- The commits on base branches that runs became. A trigger makes the rows, whatever merges: a step, or people after the end.
create table merged (
    run_id      uuid primary key,
    product     text not null,
    repository  text not null,
    base_branch text not null,
    sha         text not null check (length(sha) = 40),
    merged_at   timestamptz not null default now(),
    -- Whether a worker has had the newest deployments looked at again: one may have been announced before the run knew of
    -- its merge. The trigger does not do that itself, since two runs would wait for each other's rows.
    is_settled  boolean not null default false
);
create index merged_unsettled on merged (run_id) where not is_settled;
create index merged_as on merged (repository, sha);
create index merged_newest on merged (repository, merged_at desc);

create table deployment (
    -- The forge's number, which is unique among all repositories.
    id            bigint primary key,
    repository    text not null,
    sha           text not null check (length(sha) = 40),
    reference     text not null,
    task          text not null,
    environment   text not null,
    description   text not null,
    creator       text,
    is_production boolean not null,
    -- By the forge's clock.
    created_at    timestamptz not null,
    received_at   timestamptz not null default now(),
    -- When a worker looks which merged changes it contains, or looks again: a claim moves it. Infinity: it has looked.
    look_at       timestamptz not null default now(),
    attempts      integer not null default 0,
    -- Why the last look failed.
    error         text
);
create index deployment_due on deployment (look_at) where look_at < 'infinity';
create index deployment_newest on deployment (repository, received_at desc);

create table deployment_status (
    deployment_id   bigint not null references deployment on delete cascade,
    id              bigint not null,
    state           text not null,
    description     text not null,
    environment     text,
    creator         text,
    log_url         text,
    environment_url text,
    created_at      timestamptz not null,
    primary key (deployment_id, id)
);

-- Which runs' changes a deployment contains.
create table deployment_run (
    deployment_id bigint not null references deployment on delete cascade,
    run_id        uuid not null,
    primary key (run_id, deployment_id)
);
create index deployment_run_of on deployment_run (deployment_id);

-- The deliveries that were stored, so that none counts twice.
create table deployment_delivery (
    delivery    text primary key,
    received_at timestamptz not null default now()
);

create function run_is_merged() returns trigger language plpgsql as $$
begin
    insert into merged (run_id, product, repository, base_branch, sha)
    values (new.id, new.product, new.repository, new.base_branch, new.state->'progress'->>'merged')
    on conflict (run_id) do nothing;
    return null;
end $$;

create trigger run_is_merged after update on run
    for each row when (new.status = 'ended' and new.state->'progress'->>'merged' is not null
                       and (old.status <> 'ended' or old.state->'progress'->>'merged' is null))
    execute function run_is_merged();
