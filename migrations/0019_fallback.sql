-- A job can wait for two providers: for a model, and for the fallback that would be asked instead of it.
-- Null: it waits for `delayed_by` alone.
alter table job add column delayed_beside text;
