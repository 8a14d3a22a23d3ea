-- Whether a month is there is asked of the catalog as it is now. A name is looked up in this session's cache,
-- and one that waited for another session to make the month may still hold there that it does not exist.
create or replace function make_month(parent text, month date) returns boolean language plpgsql as $$
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
    if exists (
        select from pg_inherits join pg_class on pg_class.oid = inhrelid
        where inhparent = parent::regclass and relname = name
    ) then
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
