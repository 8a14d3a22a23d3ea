-- Limits that all workers share: how fast the outside is called, and how much may be open at once.

-- One bucket of tokens for each limit of somebody else's. A row without a capacity limits nothing, but
-- may be closed.
create table rate (
    key          text primary key check (length(key) between 1 and 300),
    -- The most tokens at once; null as long as nobody has named a limit.
    capacity     double precision check (capacity > 0),
    refill_per_s double precision not null default 0 check (refill_per_s >= 0),
    -- What was left at `refilled_at`.
    tokens       double precision not null default 0,
    refilled_at  timestamptz not null default clock_timestamp(),
    -- When it is full again whatever was taken: the end of a window that the other side counts in.
    full_at      timestamptz,
    -- Nobody calls before this moment, for this reason.
    closed_until timestamptz,
    why          text,
    updated_at   timestamptz not null default clock_timestamp(),
    constraint refills_somehow check (capacity is null or refill_per_s > 0 or full_at is not null)
) with (fillfactor = 50);

-- What a bucket holds at a moment.
create function rate_level(r rate, at timestamptz) returns double precision language sql immutable as $$
    select case when r.full_at <= at then r.capacity
                else least(r.capacity, r.tokens
                     + r.refill_per_s * greatest(extract(epoch from at - r.refilled_at)::float8, 0)) end
$$;

-- Takes `costs` from the buckets `asked`, from all or from none. One row: the longest wait, its bucket and
-- its reason, all null if the tokens were taken, the reason also if only the budget is spent.
-- `complete` is false, and nothing is taken, if one of the buckets does not exist.
--
-- Buckets are locked in the order of their keys, and the clock is read once they are: whoever waited for
-- them sees what the others left. A bucket without a capacity is only read, so that nobody waits for it.
-- What costs more than a bucket can hold takes a full one.
create function rate_take(asked text[], costs double precision[])
returns table (wait_s double precision, of_key text, reason text, complete boolean) language plpgsql as $$
declare
    at timestamptz;
begin
    perform 1 from rate r where r.key = any (asked) and r.capacity is not null order by r.key for update;
    at := clock_timestamp();
    select count(*) = cardinality(asked) into complete from rate r where r.key = any (asked);
    if not complete then
        return next;
        return;
    end if;
    select extract(epoch from greatest(w.closed, w.filled) - at), w.key,
           case when w.closed >= w.filled then coalesce(w.why, '') end
    into wait_s, of_key, reason
    from (
        select r.key, r.why,
               case when r.closed_until > at then r.closed_until else at end as closed,
               case when r.capacity is null or rate_level(r, at) >= least(a.cost, r.capacity) then at
                    else least(r.full_at, case when r.refill_per_s > 0 then at + make_interval(secs =>
                         least((least(a.cost, r.capacity) - rate_level(r, at)) / r.refill_per_s, 86400)) end)
               end as filled
        from rate r join unnest(asked, costs) as a (key, cost) using (key)
    ) w
    where greatest(w.closed, w.filled) > at
    order by greatest(w.closed, w.filled) desc, w.key
    limit 1;
    if not found then
        update rate r
        set tokens = rate_level(r, at) - least(a.cost, r.capacity), refilled_at = at, updated_at = at,
            full_at = case when r.full_at > at then r.full_at
                           when r.refill_per_s > 0 then null
                           -- The next window of the same length; the other side will say better.
                           else at + interval '1 hour' end
        from unnest(asked, costs) as a (key, cost)
        where r.key = a.key and r.capacity is not null;
    end if;
    return next;
end $$;

-- Which bucket an attempt was put off for; it says so as long as `attempts` is still `delayed_tries`.
alter table job
    add column delayed_by    text,
    add column delayed_tries integer;

-- The most runs of a product that may be open at once; null: any number.
alter table product add column backlog integer check (backlog > 0);
create index run_open on run (product) where status <> 'ended';
