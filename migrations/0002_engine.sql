-- The queue at its limit: fair, paused, limited by key, and with nothing in a claim's or a finish's way.
-- Expands only: what release 1 reads and writes is still there and still means the same.

-- Whoever finishes a step writes these rows by the thousand; a look at `run` for each of them would be
-- the dearest part of it. The engine inserts them in the transaction in which it holds the run.
alter table job drop constraint job_run_id_fkey;
alter table event drop constraint event_run_id_fkey;
alter table attempt drop constraint attempt_run_id_fkey;

alter table job
    -- Whose turn it is: products share a queue fairly.
    add column product  text not null default '',
    -- Strict limits: no more than `key_limit.most` held jobs for each of these.
    add column keys     text[] not null default '{}',
    -- The place among the jobs of its product: due time plus five minutes for each step of priority
    -- below the first, so that what waits long enough overtakes what is more urgent.
    add column rank     timestamptz not null default now(),
    -- Nobody claims it, whatever its time.
    add column paused   boolean not null default false,
    -- Who holds it or held it last, and since when.
    add column worker   text,
    add column began_at timestamptz;

update job set product = run.product,
               rank = greatest(job.visible_at, job.created_at) + (job.priority - 1) * interval '5 minutes'
from run where run.id = job.run_id;

-- No index holds `visible_at`: a claim, a renewal and a step that follows at once change a row in place.
drop index job_due;
create index job_turn on job (queue, product, rank, id);
-- Small and busy: room on every page, and dead rows swept by number, not by share.
alter table job set (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 5000
);

-- How many jobs with this key may be held at once. A merge's key needs no row: it is 1.
create table key_limit (
    key        text primary key check (length(key) between 1 and 300),
    most       integer not null check (most > 0),
    updated_at timestamptz not null default now()
);

-- Which attempt brought an event, and when that began: an attempt that answered needs no row of its own.
alter table event
    add column attempt  integer check (attempt > 0),
    add column began_at timestamptz;

-- Stops a statement that would otherwise commit half of what it says.
create function must(holds boolean, what text) returns boolean language plpgsql immutable as $$
begin
    if holds is not true then
        raise exception '%', what using errcode = 'assert_failure';
    end if;
    return true;
end $$;

alter table job
    -- How many attempts in a row were lost with their worker. After two, a worker runs it beside no
    -- other such job, so that one that kills its worker cannot wear its neighbours out.
    add column lost    integer not null default 0,
    -- One of its keys has a limit: claims that may hand it out take turns.
    add column guarded boolean not null default false;
create index job_guarded on job (queue, rank) where guarded;
create index job_suspect on job (queue, rank) where lost > 0;

-- Which jobs were claimed under which limited keys. A row whose job is gone, or no longer held, or
-- no longer has the key, counts for nothing and is swept by the next claim.
create table key_hold (
    key text not null,
    job bigint not null,
    primary key (key, job)
);
