-- What each run that has ended teaches, and what is proposed once the same comes again and again. Expands only: an earlier
-- release counts runs without looking back at them, and they are looked back at when they are counted again.
create table run_look_back (
    run_id    uuid primary key,
    product   text not null,
    looked_at timestamptz not null default now(),
    -- core::retro::LookBack.
    body      jsonb not null
);

-- One cause of one run, so that causes are counted without a look into the bodies.
create table lesson (
    run_id  uuid not null,
    cause   text not null check (length(cause) between 1 and 200),
    product text not null,
    at      timestamptz not null,
    -- What is proposed for it; null: nothing.
    kind    text check (kind in ('policy_pattern', 'harness_case', 'prompt_note')),
    primary key (run_id, cause)
);
create index lesson_of_cause on lesson (product, cause, at desc) where kind is not null;

-- What is proposed to a product's people. It stays when retention deletes the runs behind it, so their column has another
-- name than `run_id`.
create table proposal (
    id          uuid primary key,
    product     text not null references product,
    cause       text not null check (length(cause) between 1 and 200),
    kind        text not null check (kind in ('policy_pattern', 'harness_case', 'prompt_note')),
    title       text not null check (length(title) between 1 and 300),
    body        text not null check (length(body) between 1 and 400),
    -- The runs behind it when it was filed, the newest first.
    runs        uuid[] not null check (cardinality(runs) > 0),
    state       text not null default 'open' check (state in ('open', 'accepted', 'dismissed')),
    filed_at    timestamptz not null default now(),
    -- As what it was accepted, and the text that people made of it.
    accepted_as text check (accepted_as in ('policy_pattern', 'harness_case', 'prompt_note')),
    note        text check (length(note) between 1 and 400),
    decided_by  text,
    reason      text check (length(reason) between 1 and 500),
    decided_at  timestamptz,
    -- When its notice was made; null: it is due.
    noticed_at  timestamptz,
    constraint decided_means_by_whom check (
        (state = 'open') = (decided_at is null) and (state = 'open') = (decided_by is null)
        and (state = 'open') = (reason is null)),
    constraint accepted_means_as_what check (
        (accepted_as is null) = (note is null) and (state <> 'accepted' or accepted_as is not null)
        and (state <> 'open' or accepted_as is null))
);
-- Filed once while it is open; the transaction that files looks at what was decided before.
create unique index proposal_open on proposal (product, cause) where state = 'open';
create index proposal_of_cause on proposal (product, cause, decided_at desc);
create index proposal_newest on proposal (product, id desc);
create index proposal_notes on proposal (product, decided_at desc) where state = 'accepted' and accepted_as = 'prompt_note';
create index proposal_unnoticed on proposal (id) where noticed_at is null;

-- The runs that have ended before.
insert into measure_due (run_id) select id from run where status = 'ended';
