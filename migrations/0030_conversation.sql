-- The conversation on a run's pull request: our one comment, the commands of people, and what their reviews ask for.
-- Expands only.

-- What a worker owes a pull request: to read its comments and to say where the run stands. A trigger makes it due in the
-- transaction that changes what people care about, whichever statement or release makes the change.
create table conversation (
    run_id        uuid primary key,
    due_at        timestamptz not null default now(),
    -- While a worker speaks, no other does.
    claimed_until timestamptz not null default '-infinity',
    -- Grows with each change, so that one which comes while a worker speaks is spoken of too.
    turn          bigint not null default 1,
    -- Comments up to this time are read, by the forge's clock.
    read_to       timestamptz,
    -- When the pull request had last changed as all its comments were read; null where it may have changed since.
    seen          timestamptz,
    failures      integer not null default 0,
    -- Why the last attempt failed.
    error         text
);
create index conversation_due on conversation (due_at);

create function run_owes_conversation() returns trigger language plpgsql as $$
begin
    insert into conversation (run_id) values (new.id)
    on conflict (run_id) do update set due_at = now(), turn = conversation.turn + 1, failures = 0;
    return null;
end $$;
create trigger run_owes_conversation after update on run
    for each row when (new.pull is not null
                       and (old.pull is null
                            or (old.status is distinct from new.status and new.status <> 'active')
                            or old.state->'progress'->'head' is distinct from new.state->'progress'->'head'))
    execute function run_owes_conversation();
create trigger fork_owes_conversation after insert on run
    for each row when (new.pull is not null) execute function run_owes_conversation();

-- Runs from before: comments from before are nobody's commands.
insert into conversation (run_id, read_to) select id, now() from run where pull is not null and status <> 'ended';

-- A comment that was read as a command: once, however often it is announced or read.
create table command (
    comment_id  bigint primary key,
    run_id      uuid not null,
    -- Who wrote it, as the forge calls them now.
    login       text not null,
    account     bigint not null,
    verb        text not null,
    outcome     text not null check (outcome in ('done', 'refused', 'not_permitted', 'unknown')),
    -- What is answered; nothing to somebody who may not give commands and gives many.
    reaction    text,
    reply       text,
    at          timestamptz not null default now(),
    answered_at timestamptz
);
create index command_of_run on command (run_id);

-- What people who may write ask for: a review, a comment on a line, or the command `fix`.
create table remark (
    source        text not null check (source in ('review', 'line', 'command')),
    -- The forge's number of the review or the comment.
    source_id     bigint not null,
    run_id        uuid not null,
    login         text not null,
    account       bigint,
    severity      text not null,
    path          text not null,
    line          integer,
    message       text not null,
    -- The visit of the step that was asked to answer it, and the commit that did.
    visit         text,
    addressed_sha text,
    -- Whether it was dismissed, deleted, or replaced by an approval.
    withdrawn     boolean not null default false,
    recorded_at   timestamptz not null default now(),
    primary key (source, source_id)
);
create index remark_of_run on remark (run_id);
