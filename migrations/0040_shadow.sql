-- What a product in shadow mode would have done, beside what became of the pull request. One row for each decision that
-- differs from the one before it. Expands only.
create table shadow_decision (
    id         bigint generated always as identity primary key,
    run_id     uuid not null,
    product    text not null,
    repository text not null,
    pull       bigint not null,
    head_sha   text not null,
    tier       text not null,
    -- As core::policy::Decision names it: clear, waiting, behind, blocked or stopped.
    decision   text not null,
    sentence   text not null,
    decided_at timestamptz not null default clock_timestamp(),
    -- What became of the pull request at this head: `merged`, `closed`, or `pushed` where another head came.
    became     text check (became in ('merged', 'closed', 'pushed')),
    became_by  text,
    became_at  timestamptz,
    constraint became_means_when check ((became is null) = (became_at is null))
);
create index shadow_of_product on shadow_decision (product, id desc);
create index shadow_open on shadow_decision (run_id) where became is null;
