-- What the factory remembers. All clocks that decide something are this database's.

-- A product and the one repository that it may write to.
create table product (
    name         text primary key check (name ~ '^[a-z][a-z0-9-]{0,39}$'),
    repository   text not null check (repository ~ '^[^/]+/[^/]+$'),
    base_branch  text not null default 'main' check (base_branch <> ''),
    -- The command that runs the product's tests in the sandbox; empty: it has none.
    test_command text[] not null default '{}',
    created_at   timestamptz not null default now()
);

create table requirement (
    id           uuid primary key,
    product      text not null references product,
    title        text not null check (char_length(title) between 1 and 200),
    body         text not null check (octet_length(body) between 1 and 65536),
    priority     smallint not null check (priority between 1 and 5),
    requested_by text,
    created_at   timestamptz not null default now()
);
create index requirement_newest on requirement (created_at desc, id desc);

-- The graphs that runs began with, by content hash: a run keeps its own.
create table workflow (
    hash       text primary key check (length(hash) = 64),
    name       text not null,
    source     text not null,
    created_at timestamptz not null default now()
);

create table run (
    id             uuid primary key,
    requirement_id uuid not null references requirement,
    workflow_hash  text not null references workflow,
    -- Bound when the run begins, so that no later edit of a product leads a run elsewhere.
    product        text not null references product,
    repository     text not null,
    base_branch    text not null,
    branch         text not null,
    -- The number of events: the next one is version + 1, and whoever read an older one is too late.
    version        integer not null check (version > 0),
    status         text not null check (status in ('active', 'waiting', 'ended')),
    step           text,
    ended_as       text check (ended_as in ('succeeded', 'failed', 'blocked', 'cancelled')),
    -- The folded history (core::run::Run).
    state          jsonb not null,
    pull           bigint,
    priority       smallint not null,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    ended_at       timestamptz,
    constraint one_branch_one_run unique (repository, branch),
    constraint ended_means_over check (
        (status = 'ended') = (ended_at is not null)
        and (status = 'ended') = (ended_as is not null)
        and (status = 'ended') = (step is null)
    )
);
create index run_of_requirement on run (requirement_id);
create index run_of_pull on run (repository, pull) where pull is not null;

-- A run's history: appended, never changed.
create table event (
    run_id uuid not null references run,
    seq    integer not null check (seq > 0),
    at     timestamptz not null default clock_timestamp(),
    actor  text not null,
    step   text,
    kind   text not null,
    body   jsonb not null,
    primary key (run_id, seq)
);

create function event_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the history is append-only';
end $$;

create trigger event_is_append_only before update or delete on event
    for each row execute function event_is_append_only();

-- The row that asks a worker for an attempt; gone once it is answered. At most one a run.
create table job (
    id           bigint generated always as identity primary key,
    run_id       uuid not null unique references run,
    step         text not null,
    turn         integer not null check (turn > 0),
    queue        text not null check (queue in ('default', 'llm', 'github')),
    priority     smallint not null,
    -- When it may be claimed: its due time, or while a worker holds it, the end of the lease.
    visible_at   timestamptz not null default now(),
    attempts     integer not null default 0,
    max_attempts integer not null check (max_attempts > 0),
    -- The lease: whoever does not know the token does not hold the job.
    lease_token  uuid,
    created_at   timestamptz not null default now()
) with (fillfactor = 70);
create index job_due on job (queue, priority, visible_at, id);

-- Every try of every job, also the ones whose worker died.
create table attempt (
    run_id     uuid not null references run,
    turn       integer not null,
    attempt    integer not null check (attempt > 0),
    step       text not null,
    worker     text not null,
    started_at timestamptz not null default now(),
    ended_at   timestamptz,
    ended_as   text check (ended_as in ('answered', 'parked', 'failed', 'lost')),
    error      text,
    primary key (run_id, turn, attempt),
    constraint ended_means_how check ((ended_at is null) = (ended_as is null))
);

-- A job that used up its attempts.
create table dead_letter (
    id       bigint generated always as identity primary key,
    run_id   uuid not null references run,
    step     text not null,
    turn     integer not null,
    attempts integer not null,
    error    text not null,
    died_at  timestamptz not null default now(),
    unique (run_id, turn)
);

-- News from outside, stored before anything else happens with them.
create table signal (
    id          bigint generated always as identity primary key,
    -- The sender's own name of the delivery: the second one is the same news.
    delivery    text not null unique,
    topic       text not null check (topic in ('checks', 'reviews', 'pull', 'push')),
    repository  text not null,
    branch      text,
    pull        bigint,
    sha         text,
    run_id      uuid references run,
    received_at timestamptz not null default now(),
    -- When an attempt began that reads the world afresh, or woke by it.
    taken_at    timestamptz
);
create index signal_untaken on signal (run_id) where taken_at is null;

-- The wake-up of a waiting run.
create table timer (
    run_id uuid primary key references run,
    due_at timestamptz not null
);
create index timer_due on timer (due_at);

-- One act on the outside world: what was meant, before it is done, and what came of it.
create table effect (
    run_id      uuid not null references run,
    key         text not null check (length(key) between 1 and 200),
    kind        text not null,
    request     jsonb not null,
    attempts    integer not null default 1,
    intended_at timestamptz not null default now(),
    result      jsonb,
    done_at     timestamptz,
    primary key (run_id, key),
    constraint done_means_known check ((done_at is null) = (result is null))
);

-- A review of one head is complete or it is not here.
create table review (
    run_id      uuid not null references run,
    head_sha    text not null,
    turn        integer not null,
    summary     text not null,
    reviewed_at timestamptz not null default now(),
    primary key (run_id, head_sha)
);

create table finding (
    run_id      uuid not null references run,
    head_sha    text not null,
    fingerprint text not null,
    severity    text not null check (severity in ('info', 'low', 'medium', 'high', 'critical')),
    path        text not null,
    line        integer,
    message     text not null,
    state       text not null default 'open' check (state in ('open', 'fixed', 'gone', 'dismissed')),
    -- The head on which it was seen to be fixed or gone.
    state_sha   text,
    state_note  text,
    primary key (run_id, head_sha, fingerprint),
    foreign key (run_id, head_sha) references review
);

-- What the policy said of one head, with every fact it rests on, so that it can be judged again.
create table assessment (
    id            bigint generated always as identity primary key,
    run_id        uuid not null references run,
    stage         text not null check (stage in ('preflight', 'verdict')),
    head_sha      text not null,
    tier          text not null check (tier in ('low', 'medium', 'high', 'critical')),
    decision      text not null,
    facts         jsonb not null,
    report        jsonb not null,
    assessed_at   timestamptz not null default now()
);
create index assessment_of_run on assessment (run_id, id desc);

-- What was answered to a caller's Idempotency-Key; kept for a day.
create table idempotency (
    key            text not null,
    route          text not null,
    request_digest text not null,
    status         smallint not null,
    location       text,
    response       jsonb not null,
    created_at     timestamptz not null default now(),
    primary key (key, route)
);
