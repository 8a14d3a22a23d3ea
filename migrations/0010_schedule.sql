-- Requirements that are submitted again and again, by a cron expression in UTC.
create table schedule (
    name       text primary key check (length(name) between 1 and 40),
    cron       text not null check (length(cron) between 9 and 100),
    product    text not null references product,
    title      text not null,
    body       text not null,
    priority   smallint not null check (priority between 1 and 5),
    -- When it ticks next; nothing while it is paused.
    next_at    timestamptz,
    -- Who last set, paused or resumed it, and why.
    updated_by text not null,
    reason     text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
create index schedule_due on schedule (next_at);

-- What became of each tick.
create table tick (
    schedule       text not null references schedule on delete cascade,
    at             timestamptz not null,
    fired_at       timestamptz not null default now(),
    -- Ticks before this one that came while nobody was there: they are made up for by this one.
    missed         integer not null default 0 check (missed >= 0),
    requirement_id uuid,
    run_id         uuid,
    -- Why nothing was submitted.
    error          text,
    primary key (schedule, at),
    constraint submitted_or_told check ((run_id is null) = (error is not null))
);
