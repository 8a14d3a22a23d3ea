-- What each person and key did. A row's digest covers the row and the digest before it, so that a row that is changed,
-- removed or put in breaks the chain from there on. Rows are appended, never changed: by right and by trigger.
-- Expands only.

create table audit (
    -- 1, 2, 3 … without a gap.
    seq        bigint primary key check (seq > 0),
    at         timestamptz not null,
    person     text not null,
    -- The key; null for who acts at the database or on the forge.
    key_id     uuid,
    act        text not null,
    subject    text not null,
    run_id     uuid,
    product    text,
    -- As json, not jsonb: the digest is over the text as it was written.
    before     json,
    after      json,
    reason     text,
    request_id text,
    digest     bytea not null check (length(digest) = 32)
);
create index audit_of_run on audit (run_id, seq) where run_id is not null;
create index audit_of_person on audit (person, seq);

-- The end of the chain; one row. Its lock puts concurrent acts into an order, from the act's last statement to its commit.
create table audit_head (
    single boolean primary key default true check (single),
    seq    bigint not null default 0,
    digest bytea not null default decode(repeat('00', 32), 'hex')
);
insert into audit_head default values;

create function audit_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only';
end $$;
create trigger audit_is_append_only before update or delete on audit
    for each row execute function audit_is_append_only();
create trigger audit_is_never_emptied before truncate on audit
    for each statement execute function audit_is_append_only();

revoke update, delete, truncate on audit from public;
-- The owner as well; only a superuser, or an owner who grants it to itself first, can try.
revoke update, delete, truncate on audit from current_user;
