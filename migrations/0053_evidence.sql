-- Browser evidence of heads: what captures said, and what was found in it. Rows are appended; the newest of a head counts.
-- Pictures are blobs, once for each content, kept as long as the rows of the run. Expands only.
create table evidence (
    id         bigint generated always as identity,
    run_id     uuid not null,
    head_sha   text not null check (length(head_sha) = 40),
    -- SHA-256 of manifests and pictures: the same evidence again is known by it.
    digest     text not null check (length(digest) = 64),
    -- Under the policy of the base as it was when the evidence came.
    conclusion text not null check (conclusion in ('success', 'failure')),
    -- core::evidence::Manifest, one each flow.
    manifests  jsonb not null,
    -- core::evidence::Evidence: what holds whatever a policy demands.
    found      jsonb not null,
    -- core::evidence::Verified.
    verified   jsonb not null,
    person     text not null,
    -- The key that it was sent with.
    key_id     uuid,
    arrived_at timestamptz not null,
    primary key (run_id, id)
);

alter table blob_use drop constraint blob_use_place_check;
alter table blob_use add constraint blob_use_place_check
    check (place in ('event', 'effect', 'assessment', 'evidence'));
