-- What the factory does and how well, as figures that its own facts maintain: a row a run that has ended, and sums by day
-- and month. Expands only: an earlier release leaves the triggers to do their part.

-- Runs that are to be counted, or counted again. Rows are only appended, so that a transaction which moves a run never
-- waits for the one that counts, and none of them can deadlock.
create table measure_due (
    id     bigint generated always as identity primary key,
    run_id uuid not null,
    at     timestamptz not null default clock_timestamp()
);

-- What a run counts. It stays when retention deletes the run, so its column is not called `run_id`.
create table run_measure (
    run        uuid primary key,
    -- When it counts: at the merge, else at the end.
    counted_at timestamptz not null,
    -- The day of that, in UTC.
    day        date not null,
    product    text not null,
    -- `none`: it was never judged.
    tier       text not null check (tier in ('low', 'medium', 'high', 'critical', 'none')),
    -- From the submission of the requirement to the merge, and to the first pull request.
    cycle_ms      bigint check (cycle_ms >= 0),
    first_pull_ms bigint check (first_pull_ms >= 0),
    -- The same as `core::measure::bucket` numbers spans of time.
    cycle_bucket      smallint,
    first_pull_bucket smallint,
    -- The objectives of its product when it was counted first.
    loop_minutes       integer not null,
    first_pull_minutes integer not null,
    -- Each figure that it adds to, with what it adds.
    figures    jsonb not null
);
-- The newest of a day, and the spans of a range without a look at the rows.
create index run_measure_place on run_measure (day, product, tier, counted_at, run) include (cycle_ms, first_pull_ms);

-- The sums. Months are kept beside the days, so that a year is a few thousand rows.
create table measure_sum (
    span    text not null check (span in ('day', 'month')),
    -- The day, or the first of the month.
    period  date not null,
    figure  text not null,
    product text not null,
    tier    text not null,
    -- How many runs add to the figure, and what they add.
    runs    bigint not null,
    amount  bigint not null,
    primary key (span, period, figure, product, tier)
) with (fillfactor = 70);
-- The days on which a figure has runs, newest first.
create index measure_sum_days on measure_sum (figure, period) where span = 'day';

-- How many runs took how long, by bucket.
create table measure_spread (
    span    text not null check (span in ('day', 'month')),
    period  date not null,
    what    text not null check (what in ('cycle', 'first_pull')),
    bucket  smallint not null,
    product text not null,
    tier    text not null,
    runs    bigint not null,
    primary key (span, period, what, bucket, product, tier)
) with (fillfactor = 70);

-- What the loop should take, for a product: minutes to the first pull request, and to the merge. Null: the defaults.
alter table product
    add column first_pull_minutes integer check (first_pull_minutes between 1 and 525600),
    add column loop_minutes       integer check (loop_minutes between 1 and 525600);

create function run_is_measured() returns trigger language plpgsql as $$
begin
    insert into measure_due (run_id) values (new.id);
    return null;
end $$;

-- It ends, is retried, or learns something after its end. Every other move costs a comparison.
create trigger run_is_measured after update of status, state on run
    for each row when ('ended' in (old.status, new.status)
                       and (old.status is distinct from new.status or old.state is distinct from new.state))
    execute function run_is_measured();

-- A fact about a run that may come after its end. Whether the run has ended is looked at when it is counted: a look here
-- could miss an end that is being committed.
create function fact_is_measured() returns trigger language plpgsql as $$
begin
    if new.run_id is not null then
        insert into measure_due (run_id) values (new.run_id);
    end if;
    if tg_op = 'UPDATE' and old.run_id is distinct from new.run_id and old.run_id is not null then
        insert into measure_due (run_id) values (old.run_id);
    end if;
    return null;
end $$;

create trigger finding_is_measured after insert on finding for each row execute function fact_is_measured();
create trigger finding_is_measured_again after update of state on finding
    for each row when (old.state is distinct from new.state) execute function fact_is_measured();
create trigger incident_is_measured after insert on incident
    for each row when (new.run_id is not null) execute function fact_is_measured();
create trigger incident_is_measured_again after update of run_id on incident
    for each row when (old.run_id is distinct from new.run_id) execute function fact_is_measured();
create trigger usage_is_measured after update of settled_tokens, settled_micro_dollars on reservation
    for each row when ((old.settled_tokens, old.settled_micro_dollars)
                       is distinct from (new.settled_tokens, new.settled_micro_dollars))
    execute function fact_is_measured();
create trigger tests_are_measured after insert on run_test
    for each row when (new.purpose = 'head') execute function fact_is_measured();
create trigger tests_are_measured_again after update of tested on run_test
    for each row when (new.purpose = 'head') execute function fact_is_measured();

-- The runs that have ended before.
insert into measure_due (run_id) select id from run where status = 'ended';
