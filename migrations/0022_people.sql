-- People, their API keys, and the sessions of their browsers. Keys and tokens are stored as SHA-256 digests: who reads
-- this table cannot make a request. Expands only.

create table person (
    -- As histories and the audit log name them.
    name        text primary key check (length(name) between 1 and 64),
    -- Their login on the forge: as reviewers they cannot approve what they asked for themselves.
    forge_login text,
    created_at  timestamptz not null default now()
);
create unique index person_of_login on person (lower(forge_login)) where forge_login is not null;

create table api_key (
    id           uuid primary key,
    person       text not null references person,
    role         text not null check (role in ('viewer', 'pm', 'engineer', 'admin', 'agent')),
    -- The products that it may touch; null: all of them.
    products     text[],
    -- The part of the key that is no secret.
    prefix       text not null,
    digest       bytea not null unique check (length(digest) = 32),
    created_at   timestamptz not null default now(),
    created_by   text not null,
    expires_at   timestamptz,
    revoked_at   timestamptz,
    revoked_by   text,
    -- Written at most once a minute.
    last_used_at timestamptz,
    constraint revoked_by_one check ((revoked_at is null) = (revoked_by is null))
);
create index api_key_of_person on api_key (person);

create table session (
    digest     bytea primary key check (length(digest) = 32),
    -- It may do what its key may, and ends with it.
    key_id     uuid not null references api_key,
    created_at timestamptz not null default now(),
    seen_at    timestamptz not null default now(),
    expires_at timestamptz not null
);
create index session_expires on session (expires_at);
create index session_of_key on session (key_id);
