-- Our own runs of products' tests. What a tree came to with a way of testing it is shared between runs: the base is run
-- once. What a run had run is kept with it, log included. Expands only.
create table test_run (
    repository text not null,
    tree_sha   text not null,
    -- The digest of how the product is tested.
    plan       text not null,
    -- core::tested::Tested.
    tested     jsonb not null,
    at         timestamptz not null default now(),
    primary key (repository, tree_sha, plan)
);
create index test_run_by_age on test_run (at);

create table run_test (
    run_id     uuid not null,
    commit_sha text not null,
    -- `draft`: an answer of the model that was never pushed; `head`; `fork`: where the head forked from the base;
    -- `fork_tests`: the tests of that commit over the head's code.
    purpose    text not null check (purpose in ('draft', 'head', 'fork', 'fork_tests')),
    tested     jsonb not null,
    at         timestamptz not null default now(),
    primary key (run_id, commit_sha, purpose)
);
