-- Who reviews a product's pull requests, and what each reviewer said of a head.
--
-- Expands only: an earlier release leaves the new columns to their defaults, and reviews by our own agent alone.

-- The reviewers as they were given, checked; none: the built-in one alone.
alter table product add column reviewers jsonb not null default '[]';

-- The reviewer that found it; null: the built-in one, where it is the only one.
alter table finding add column source text;
-- Whether it is only shown.
alter table finding add column advisory boolean not null default false;

-- What one reviewer said of one head. It is awaited from its first look on, across crashes and deployments.
create table review_part (
    run_id     uuid not null,
    head_sha   text not null,
    -- The name that the product gives the reviewer.
    reviewer   text not null,
    -- The edition of the requirement's text.
    edition    int not null default 0,
    since      timestamptz not null default now(),
    state      text not null default 'awaited' check (state in ('awaited', 'complete', 'failed')),
    -- Why it failed, or who took over.
    note       text not null default '',
    advisory   boolean not null default false,
    -- What it found, once it is complete.
    findings   jsonb not null default '[]',
    ended_at   timestamptz,
    primary key (run_id, head_sha, reviewer, edition)
);
