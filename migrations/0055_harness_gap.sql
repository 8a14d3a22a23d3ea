-- Harness gaps: incidents that no case of the harness would have caught, each with a clock that runs until a case is merged.
-- Subjects of runs, as requirements are. Expands only: an earlier release leaves runs about a subject that it does not know.
create table harness_gap (
    id            uuid primary key,
    incident      uuid not null unique references incident,
    product       text not null references product,
    repository    text not null,
    -- The rule of the policy that gives the time and the label of the issue; its default until a worker has read the policy.
    kind          text not null,
    label         text not null check (length(label) between 1 and 100),
    limit_minutes integer not null check (limit_minutes > 0),
    -- The digest of the policy that says so; null for the default.
    policy_digest text,
    started_at    timestamptz not null,
    -- The issue of the forge, once it is known or made.
    issue         bigint check (issue > 0),
    state         text not null default 'open' check (state in ('open', 'converted', 'dismissed')),
    stopped_at    timestamptz,
    -- The merged pull request with the case, its commit on the base, and the files of cases that it added or changed.
    case_pull     bigint,
    case_sha      text,
    case_files    text[] not null default '{}',
    -- Who opened it, and who said that it is none and why.
    opened_by     text not null,
    dismissed_by  text,
    dismissed_for text check (length(dismissed_for) <= 2000),
    created_at    timestamptz not null default now(),
    -- When a worker looks at it next: for a reminder, for a comment that is owed, or because the forge has news of it.
    look_at       timestamptz not null default now(),
    -- Counts the news, so that none is lost that comes while a worker looks.
    news          integer not null default 1,
    looked        integer not null default 0,
    attempts      integer not null default 0,
    -- Why the last look failed.
    error         text,
    constraint stopped_clocks_have_a_time check ((state = 'open') = (stopped_at is null))
);
create unique index one_gap_an_issue on harness_gap (lower(repository), issue) where issue is not null;
create index harness_gap_due on harness_gap (look_at) where look_at < 'infinity';
create index harness_gap_board on harness_gap (product, state, started_at);

-- What happened to a gap, for people; `once` is what may happen once, such as a reminder.
create table harness_gap_event (
    gap  uuid not null references harness_gap on delete cascade,
    id   bigint generated always as identity,
    at   timestamptz not null default now(),
    -- A person, `webhook`, or `aspora`.
    actor text not null,
    kind text not null check (kind in ('opened', 'timed', 'issue', 'reminder', 'overdue', 'converted', 'reopened', 'dismissed',
                                       'blamed', 'unproven')),
    note text not null,
    once text,
    primary key (gap, id)
);
create unique index once_a_gap on harness_gap_event (gap, once) where once is not null;

-- Comments that a gap owes its issue, each once: found again by its marker if the response of the forge was lost.
create table harness_gap_comment (
    gap     uuid not null references harness_gap on delete cascade,
    key     text not null,
    body    text not null,
    owed_at timestamptz not null default now(),
    -- The forge's number of it, once it is there.
    comment bigint,
    primary key (gap, key)
);

-- The rule for harness gaps of a product's policy, as a worker read it last at the base: what a new gap begins with, and by
-- which label an issue opens one.
create table harness_gap_rule (
    product       text primary key references product,
    kind          text not null,
    label         text not null,
    limit_minutes integer not null check (limit_minutes > 0),
    policy_digest text not null,
    read_at       timestamptz not null default now()
);

-- Runs of the tests for the proof of a case.
alter table run_test drop constraint run_test_purpose_check;
alter table run_test add constraint run_test_purpose_check
    check (purpose in ('draft', 'head', 'fork', 'fork_tests', 'case'));
