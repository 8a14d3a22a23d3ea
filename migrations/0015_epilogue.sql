-- A run that has ended owes the forge a last word: the gate's check on its last head is completed, so that nobody
-- waits for it. The trigger records the debt in the transaction of the end, whichever statement or release makes
-- it, and forgives it when the run is retried. Expands only.
create table epilogue (
    run_id   uuid primary key,
    -- When it is due, or due again: a claim moves it, so that two workers do not speak at once.
    due_at   timestamptz not null default now(),
    attempts integer not null default 0,
    -- Why the last attempt failed.
    error    text
);
create index epilogue_due on epilogue (due_at);

create function run_owes_epilogue() returns trigger language plpgsql as $$
begin
    if new.status = 'ended' then
        insert into epilogue (run_id) values (new.id)
        on conflict (run_id) do update set due_at = now(), attempts = 0, error = null;
    else
        delete from epilogue where run_id = new.id;
    end if;
    return null;
end $$;

-- A run without a pull request has nothing to complete.
create trigger run_owes_epilogue after update of status on run
    for each row when (old.status is distinct from new.status and new.pull is not null
                       and 'ended' in (old.status, new.status))
    execute function run_owes_epilogue();

-- A review may fail, for example when the change could not be shown whole; then it is no clean review.
alter table review add column failed text;
-- Who dismissed a finding.
alter table finding add column state_by text;

-- Who asked for a requirement, as its caller says.
alter table requirement
    add column requester_name  text,
    add column requester_login text;
