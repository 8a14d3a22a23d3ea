-- What an ended run still owes the forge, and since when: a last word that cannot be said for a day is given up, and the
-- row stays, due never, with the reason. A pull request that people merge, close or reopen later is owed another look.
-- Expands only: an earlier release leaves the new column to its default.
alter table epilogue add column owed_at timestamptz not null default now();

create or replace function run_owes_epilogue() returns trigger language plpgsql as $$
begin
    if new.status = 'ended' then
        insert into epilogue (run_id) values (new.id)
        on conflict (run_id) do update set due_at = now(), attempts = 0, error = null, owed_at = now();
    else
        delete from epilogue where run_id = new.id;
    end if;
    return null;
end $$;
