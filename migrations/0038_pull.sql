-- Pull requests that others opened are judged: the subject of their runs, and what a product wants of it. Expands only: a
-- product judges none unless it says so, and an earlier release leaves runs about a subject that it does not know alone.
create table pull (
    id             uuid primary key,
    product        text not null references product,
    repository     text not null,
    number         bigint not null check (number > 0),
    -- As the last look at the forge found them, for people; a payload gives the first ones.
    title          text not null default '',
    body           text not null default '',
    author_login   text,
    author_account bigint,
    -- Whether its branch is in another repository, which nothing of ours can be pushed to.
    from_fork      boolean not null,
    -- The head that a person asked to have merged, and who asked: another head needs another request.
    merge_head     text,
    merge_by       text,
    -- A look from before this time was made by an older policy.
    stale_at       timestamptz,
    created_at     timestamptz not null default now(),
    constraint one_pull unique (repository, number),
    constraint merge_asked_by_somebody check ((merge_head is null) = (merge_by is null))
);
create index run_of_subject on run (subject_id, created_at desc) where subject_id is not null;
create index run_about_pull on run (id desc) where subject_kind = 'pull';

alter table product
    -- Whether the pull requests of others are judged: `shadow` judges and says nothing on the forge.
    add column judging text not null default 'off' check (judging in ('off', 'shadow', 'on')),
    -- Whether theirs are merged by us as soon as they are cleared, or only when a person asks.
    add column merges_theirs boolean not null default false,
    -- Whether the product's own tests run here on their heads too; else the forge's checks alone say so.
    add column tests_theirs boolean not null default false;
