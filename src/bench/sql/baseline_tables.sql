-- The tables of the limits: as narrow as the real ones allow.
create table limit_row (
    id   bigint generated always as identity primary key,
    at   timestamptz not null default now(),
    body text not null
);
create table limit_job (
    id         bigint generated always as identity primary key,
    run        bigint not null,
    visible_at timestamptz not null default now(),
    token      uuid
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
create table limit_run (
    id      bigint primary key,
    version integer not null,
    state   jsonb not null
) with (fillfactor = 50);
create table limit_event (
    run  bigint not null,
    seq  integer not null,
    at   timestamptz not null default now(),
    kind text not null,
    body jsonb not null,
    primary key (run, seq)
);
