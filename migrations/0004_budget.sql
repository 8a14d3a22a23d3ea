-- What model calls may use, what is held for those under way, and what they have used.

-- A limit; a scope without a row has none.
create table budget (
    scope         text not null check (scope in ('run', 'product', 'product_day')),
    -- A run's id, or a product's name: a daily limit is the same every day.
    key           text not null,
    tokens        bigint check (tokens >= 0),
    micro_dollars bigint check (micro_dollars >= 0),
    reason        text not null,
    updated_by    text not null,
    updated_at    timestamptz not null default now(),
    primary key (scope, key)
);

-- Running totals, so that nobody adds up a history. Whoever changes some locks them in the order run,
-- product, product_day.
create table budget_use (
    scope                  text not null check (scope in ('run', 'product', 'product_day')),
    -- A run's id, a product's name, or a product's name and a day as `wealth/2026-01-31`.
    key                    text not null,
    reserved_tokens        bigint not null default 0 check (reserved_tokens >= 0),
    reserved_micro_dollars bigint not null default 0 check (reserved_micro_dollars >= 0),
    settled_tokens         bigint not null default 0 check (settled_tokens >= 0),
    settled_micro_dollars  bigint not null default 0 check (settled_micro_dollars >= 0),
    primary key (scope, key)
) with (fillfactor = 50);

-- What one attempt at a call may use at most, and what it used once that is known.
create table reservation (
    run_id                uuid not null references run,
    effect_key            text not null,
    turn                  integer not null check (turn > 0),
    attempt               integer not null check (attempt > 0),
    product               text not null,
    -- The database's date in UTC when it was reserved: it is settled on that day too.
    day                   date not null,
    tokens                bigint not null check (tokens >= 0),
    -- 0 where no prices were known.
    micro_dollars         bigint not null check (micro_dollars >= 0),
    reserved_at           timestamptz not null default now(),
    settled_tokens        bigint check (settled_tokens >= 0),
    settled_micro_dollars bigint check (settled_micro_dollars >= 0),
    settled_at            timestamptz,
    -- known: the call told; assumed: a later attempt at the call told what such a call uses;
    -- released: a person says that it was not paid.
    settled_as            text check (settled_as in ('known', 'assumed', 'released')),
    -- Who released it, and why.
    note                  text,
    primary key (run_id, effect_key, turn, attempt),
    constraint settled_means_how check (
        (settled_at is null) = (settled_as is null)
        and (settled_at is null) = (settled_tokens is null)
        and (settled_at is null) = (settled_micro_dollars is null)
    )
);
create index reservation_open on reservation (run_id) where settled_at is null;

-- What a run that was refused wanted, so that it goes on as soon as that fits.
create table budget_want (
    run_id        uuid primary key references run,
    product       text not null,
    tokens        bigint not null check (tokens >= 0),
    -- Nothing where no prices are known.
    micro_dollars bigint check (micro_dollars >= 0),
    since         timestamptz not null default now()
);
