-- A pull request of others is judged by the settings of the products whose folder it touches. Expands only: an earlier release
-- judges by one product, and does not read these.

alter table pull
    -- The names of the products of its repository and base that its head touches, as the last look found them, whether they
    -- judge or not. Null before the first look: then all of them count.
    add column products text[];

-- Products may spell one repository in several ways, of which letter case does not count.
create index pull_of_any_spelling on pull (number, lower(repository));
create index run_judging_now on run (pull, lower(repository)) where subject_kind = 'pull' and status <> 'ended';

-- The newest decision of a run for a product; what differs from it is recorded.
create index shadow_of_run on shadow_decision (run_id, product, id desc);
