-- People are notified: who subscribed to what, which notices there were, and what became of each delivery. Expands only:
-- an earlier release leaves the trigger to do its part.

create table subscription (
    id         uuid primary key,
    -- Who made it. A personal one reaches its owner with what concerns them; one of the factory reaches a place with
    -- everything of its products.
    owner      text not null references person,
    personal   boolean not null,
    target     text not null check (target in ('webhook', 'slack', 'email')),
    -- The whole URL or the address. URLs hold secrets, so that only `shown` is ever shown.
    address    text not null check (length(address) between 3 and 2000),
    shown      text not null,
    -- What webhooks are signed with.
    secret     bytea check (length(secret) between 24 and 64),
    -- Null: all products; all kinds.
    products   text[],
    kinds      text[],
    created_at timestamptz not null default now(),
    -- One delivery at a time, and none before this time: after a failure, or because the target said so.
    busy_until  timestamptz,
    busy_with   uuid,
    quiet_until timestamptz,
    -- The target said that it is gone: nothing is sent until somebody tries it again.
    gone_at     timestamptz,
    constraint webhooks_are_signed check ((target = 'webhook') = (secret is not null))
);
create index subscription_of_owner on subscription (owner);

-- Runs whose state may be worth a notice; `core::notice` decides. The trigger records them in the transaction that moves
-- the run, whichever statement or release does.
create table notice_due (
    run_id uuid primary key,
    due_at timestamptz not null default now(),
    -- Counts the moves, so that one during a derivation is not lost.
    moves  integer not null default 1
);
create index notice_due_due on notice_due (due_at);

create function run_may_give_notice() returns trigger language plpgsql as $$
begin
    if exists (select from subscription) then
        insert into notice_due (run_id) values (new.id)
        on conflict (run_id) do update set due_at = now(), moves = notice_due.moves + 1;
    end if;
    return null;
end $$;

-- The moves between steps, which are nearly all, and waits for machines cost one comparison.
create trigger run_may_give_notice after update of status, state on run
    for each row when (new.status <> 'active'
                       and (new.status <> 'waiting'
                            or coalesce(new.state->'state'->'park'->>'awaited', 'machines') <> 'machines'))
    execute function run_may_give_notice();

create table notice (
    id         uuid primary key,
    -- Null for one that only tries a subscription.
    run_id     uuid,
    -- The run, the kind and what it is about: the same notice is there once.
    key        text not null unique,
    kind       text not null,
    -- Since when it is so.
    at         timestamptz not null,
    content    jsonb not null,
    created_at timestamptz not null default now()
);
create index notice_of_run on notice (run_id) where run_id is not null;
create index notice_age on notice using brin (created_at);

create table delivery (
    -- Also the id of the message, the same in every attempt.
    id           uuid primary key,
    run_id       uuid,
    notice       uuid not null references notice on delete cascade,
    subscription uuid not null references subscription on delete cascade,
    -- What it reaches: two subscriptions of one place are one delivery.
    reaches      text not null,
    state        text not null default 'due' check (state in ('due', 'delivered', 'dead')),
    due_at       timestamptz not null default now(),
    -- Since when it is owed: after a day it is a dead letter.
    owed_at      timestamptz not null default now(),
    attempts     integer not null default 0,
    -- What the target answered last, and what went wrong.
    status       integer,
    error        text,
    ended_at     timestamptz,
    unique (notice, reaches)
);
create index delivery_due on delivery (subscription, due_at, id) where state = 'due';
create index delivery_due_at on delivery (due_at) where state = 'due';
create index delivery_newest on delivery (subscription, id desc);
create index delivery_of_run on delivery (run_id) where run_id is not null;

-- For how many hours a run may wait for people before they are notified again; null: 24.
alter table product add column answer_hours smallint check (answer_hours between 1 and 720);

-- Notices and deliveries of runs that have ended.
alter table retention drop constraint retention_class_check;
alter table retention add constraint retention_class_check
    check (class in ('runs', 'history', 'effects', 'signals', 'answers', 'blobs', 'deliveries'));
insert into retention (class, keep) values ('deliveries', interval '90 days');
