-- The worker processes that run: a row each, renewed while the process lives and deleted when it ends in good order. Names
-- need not be unique. Nothing but lists and drains depends on it: leases say who may do what.
create table worker (
    id           uuid primary key,
    name         text not null check (name <> ''),
    version      text not null,
    -- The queues that it serves, and how many jobs of each it does at once.
    queues       text[] not null,
    slots        integer[] not null,
    started_at   timestamptz not null default now(),
    seen_at      timestamptz not null default now(),
    -- Who asked it to end its jobs and stop, and why.
    drained_by   text,
    drain_reason text,
    drained_at   timestamptz,
    check (num_nulls(drained_by, drain_reason, drained_at) in (0, 3))
);
