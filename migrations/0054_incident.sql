-- What went wrong with merged code, however it was learnt of; and the harness gap that it may open: the case that was
-- missing, with its clock. Expands only.
create table incident (
    id          uuid primary key,
    product     text not null references product,
    -- Who reported it: a person, an issue of the forge, Sentry, another sender, or the base's own checks after a merge.
    source      text not null check (source in ('person', 'issue', 'sentry', 'sender', 'checks')),
    -- What the sender knows it by, so that the same news twice is one incident.
    key         text not null check (length(key) between 1 and 200),
    title       text not null check (length(title) between 1 and 300),
    -- What was reported, for people and for the model: data, never an order. At most 64 KiB.
    body        text not null default '',
    -- Where it is reported in full.
    url         text check (length(url) <= 2000),
    happened_at timestamptz not null,
    recorded_at timestamptz not null default now(),
    -- The run whose merged change caused it, as far as that is known, and how it is known.
    run_id      uuid,
    blame       jsonb,
    constraint reported_once unique (product, source, key)
);
create index incident_of_run on incident (run_id, id) where run_id is not null;
create index incident_newest on incident (product, happened_at desc, id desc);
