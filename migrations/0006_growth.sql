-- Room to grow: the big tables lie in months, so that an old month goes by dropping a table and the months
-- in use stay small. Expands only: what the releases before read and write is still there and means the same.
--
-- A run's id is a UUIDv7: its first 48 bits are the Unix time in ms, and Postgres compares uuids bytewise.
-- A month is therefore a range of ids; all rows of a run lie in the month of its birth, and whoever asks
-- by a run's id looks into one partition.

-- The conversion may take longer than a statement of the product may.
set local statement_timeout = 0;

-- The least id that a run born at this moment or later can have.
create function run_id_floor(born timestamptz) returns uuid language sql immutable strict parallel safe as $$
    select (lpad(to_hex(greatest(0, floor(extract(epoch from born) * 1000))::bigint), 12, '0')
            || repeat('0', 20))::uuid
$$;

-- Makes the partition of one month, unless it is there; false if it is. Rows that came before their month
-- was made lie in the table's `_rest` and are moved.
create function make_month(parent text, month date) returns boolean language plpgsql as $$
declare
    name constant text := parent || to_char(month, '_YYYY_MM');
    rest constant text := parent || '_rest';
    key  constant text := case parent when 'run' then 'id' else 'run_id' end;
    low  constant uuid := run_id_floor(month::timestamp at time zone 'utc');
    high constant uuid := run_id_floor((month + interval '1 month') at time zone 'utc');
    room constant text := case when parent in ('run', 'effect') then ' with (fillfactor = 80)' else '' end;
    strays boolean;
begin
    if to_regclass(name) is not null then
        return false;
    end if;
    -- Two that make the same month: the second finds it made.
    perform pg_advisory_xact_lock(hashtext('aspora make_month'));
    if to_regclass(name) is not null then
        return false;
    end if;
    execute format('select exists (select from %I where %I >= $1 and %I < $2)', rest, key, key)
        into strays using low, high;
    if not strays then
        execute format('create table %I partition of %I for values from (%L) to (%L)%s',
                       name, parent, low, high, room);
        return true;
    end if;
    execute format('lock table %I in access exclusive mode', parent);
    execute format('create table %I (like %I including all)%s', name, parent, room);
    execute format('insert into %I select * from %I where %I >= $1 and %I < $2', name, rest, key, key)
        using low, high;
    -- The history is append-only; here it only moves.
    execute format('alter table %I disable trigger user', rest);
    execute format('delete from %I where %I >= $1 and %I < $2', rest, key, key) using low, high;
    execute format('alter table %I enable trigger user', rest);
    execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, name, low, high);
    return true;
end $$;

-- Makes the months from the one of `since` to the one of `until`, of all four tables; tells how many tables.
create function make_months(since timestamptz, until timestamptz) returns integer language sql as $$
    select count(*) filter (where make_month(parent, month::date))::integer
    from generate_series(date_trunc('month', since at time zone 'utc'),
                         date_trunc('month', until at time zone 'utc'), interval '1 month') month,
         unnest(array['run', 'event', 'attempt', 'effect']) parent
$$;

-- Everything at once and in one order, before anything is looked at.
lock table run, event, attempt, effect, job, dead_letter, signal, timer, review, finding, assessment
    in access exclusive mode;

-- A branch's name holds its run's id, and a unique constraint would have to hold the partition's key.
alter table run drop constraint if exists one_branch_one_run;

do $$
declare
    parent text;
    line   text;
    after  text[];
    month  date;
begin
    -- A table that others refer to could be dropped only after a look at every row of theirs. The engine
    -- writes such rows while it holds the run, and retention takes them with it.
    for line in
        select format('alter table %s drop constraint %I', conrelid::regclass, conname)
        from pg_constraint
        where contype = 'f' and confrelid = any (array['run', 'event', 'attempt', 'effect']::regclass[])
    loop
        execute line;
    end loop;

    foreach parent in array array['run', 'event', 'attempt', 'effect'] loop
        -- Whatever keys, references, indexes and triggers the table has by now, it will have again.
        select coalesce(array_agg(l), '{}') into after from (
            select format('alter table %I add constraint %I %s', parent, conname, pg_get_constraintdef(oid)) as l
            from pg_constraint where conrelid = parent::regclass and contype in ('p', 'u', 'f')
            union all
            select pg_get_indexdef(indexrelid) from pg_index
            where indrelid = parent::regclass
              and not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u', 'x'))
            union all
            select pg_get_triggerdef(oid) from pg_trigger where tgrelid = parent::regclass and not tgisinternal
        ) lines;
        execute format('alter table %I rename to %I', parent, parent || '_whole');
        execute format(
            'create table %I (like %I including defaults including constraints including generated
                              including identity including storage including comments)
             partition by range (%I)',
            parent, parent || '_whole', case parent when 'run' then 'id' else 'run_id' end);
        execute format('create table %I partition of %I default', parent || '_rest', parent);
        for month in
            execute format(
                $months$select distinct date_trunc('month', to_timestamp(
                            ('x' || left(replace(%I::text, '-', ''), 12))::bit(48)::bigint / 1000.0) at time zone 'utc')
                        from %I where %I between run_id_floor('2024-01-01') and run_id_floor(now() + interval '2 months')$months$,
                case parent when 'run' then 'id' else 'run_id' end, parent || '_whole',
                case parent when 'run' then 'id' else 'run_id' end)
        loop
            perform make_month(parent, month);
        end loop;
        execute format('insert into %I select * from %I', parent, parent || '_whole');
        execute format('drop table %I', parent || '_whole');
        foreach line in array after loop
            execute line;
        end loop;
    end loop;
end $$;
alter table run_rest set (fillfactor = 80);
alter table effect_rest set (fillfactor = 80);
select make_months(now(), now() + interval '2 months');

-- News look for the run they are for among those that are not over.
create index run_alive on run (repository, branch) where status <> 'ended';
-- A list of one state, newest first, with or without a product.
create index run_standing on run ((coalesce(ended_as, status)), product, created_at desc, requirement_id desc);
create index requirement_of_product on requirement (product, created_at desc, id desc);
create index signal_of_run on signal (run_id, id) where run_id is not null;
-- What is swept by age; the rows lie in that order.
create index signal_age on signal using brin (received_at);
create index idempotency_age on idempotency using brin (created_at);

-- Long texts, once for each content: in their place stands `{"$blob": hash, "size": bytes}`.
create table blob (
    hash       bytea primary key check (octet_length(hash) = 32),
    body       bytea not null,
    created_at timestamptz not null default now(),
    -- When somebody last kept this content, to an hour.
    used_at    timestamptz not null default now()
);
-- Who refers to a blob; one without a use is swept after a while.
create table blob_use (
    run_id uuid not null,
    place  text not null check (place in ('event', 'effect', 'assessment')),
    hash   bytea not null,
    primary key (run_id, place, hash)
);
create index blob_use_of_hash on blob_use (hash);

-- How long each class of rows is kept; null: for ever.
create table retention (
    class      text primary key
               check (class in ('runs', 'history', 'effects', 'signals', 'answers', 'blobs')),
    keep       interval check (keep >= interval '1 day'),
    updated_at timestamptz not null default now()
);
insert into retention (class, keep) values
    ('runs', null), ('history', null), ('effects', null), ('signals', null),
    -- What an Idempotency-Key promises.
    ('answers', interval '1 day'),
    -- Only those that nothing refers to.
    ('blobs', interval '7 days');

-- When the daily upkeep was last done, by whichever process came first.
create table upkeep (
    task    text primary key,
    done_at timestamptz not null default now()
);
