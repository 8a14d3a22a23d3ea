-- Webhooks of the App that GitHub could not deliver: GitHub never sends one again by itself, but may be asked to.
-- Expands only.

-- The readings of GitHub's list of deliveries; one row.
create table delivery_reading (
    single    boolean primary key default true check (single),
    -- When a reading is due; a claim moves it, so that two workers do not read at once.
    due_at    timestamptz not null default now(),
    -- When the last complete reading began.
    read_at   timestamptz
);
insert into delivery_reading default values;

create table lost_delivery (
    -- What GitHub calls the GUID; a redelivery keeps it.
    guid       text primary key,
    -- The attempt that failed last, by GitHub's number: what GitHub is asked to repeat.
    attempt    bigint not null,
    -- How often GitHub was asked to.
    asked      integer not null default 0,
    -- When it is asked next.
    due_at     timestamptz not null default now(),
    noticed_at timestamptz not null default now()
);
create index lost_delivery_due on lost_delivery (due_at);
