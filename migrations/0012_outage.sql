-- The breakers of the servers that we call, one for all workers: `forge api.github.com`, `git github.com`,
-- `model api.openai.com/gpt-5`. `core::outage` decides when one opens and when it is probed.
create table outage (
    provider        text primary key check (length(provider) between 1 and 400),
    -- Failures since it answered last.
    failures        integer not null default 0 check (failures >= 0),
    first_failed_at timestamptz,
    last_failed_at  timestamptz,
    -- What failed last, in a sentence for people.
    error           text not null default '',
    -- When the outage began; kept after its end, as a relapse is the same outage.
    since           timestamptz,
    -- Null: closed.
    opened_at       timestamptz,
    closed_at       timestamptz,
    -- Failed probes of the outage.
    probes          integer not null default 0 check (probes >= 0),
    next_probe_at   timestamptz,
    -- The one probe under way, and when the next may begin although it has not ended.
    probe_token     uuid,
    probe_until     timestamptz,
    constraint an_open_one_is_probed check (opened_at is null or (since is not null and next_probe_at is not null))
) with (fillfactor = 50);
