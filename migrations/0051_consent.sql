-- What people say to the dependencies that a head brings, before anything of them is installed. A row is one time that
-- they are asked; the newest of a run and its set counts. Expands only.

create table consent (
    id           bigint generated always as identity,
    run_id       uuid not null,
    -- The step that waits.
    step         text not null,
    -- SHA-256 of the files that set-up reads: a yes is for exactly these.
    digest       text not null check (length(digest) = 64),
    -- The head that brings them; null for what the model wrote and nobody has pushed.
    head_sha     text check (length(head_sha) = 40),
    -- What is asked about: packages and files.
    list         jsonb not null,
    asked_at     timestamptz not null default clock_timestamp(),
    answer       text check (answer in ('yes', 'no')),
    answered_by  text,
    -- The key that it was said with.
    key_id       uuid,
    forge_login  text,
    -- The forge's number of that account, if it was known.
    forge_account bigint,
    reason       text,
    answered_at  timestamptz,
    -- Another set took its place before anybody had answered.
    withdrawn_at timestamptz,
    primary key (run_id, id),
    check ((answer is null) = (answered_at is null) and (answer is null) = (answered_by is null)),
    check (answer is null or withdrawn_at is null)
);
-- A run asks about one set at a time.
create unique index consent_open on consent (run_id) where answer is null and withdrawn_at is null;
