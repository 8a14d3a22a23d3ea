-- Pull requests that were merged although no verdict had cleared them are counted and listed; there are few, so that the
-- index is small. Expands only.
create index run_unjudged on run (created_at desc, requirement_id desc)
    where state->'progress'->>'unjudged' is not null;
