-- How many pull requests of ours may be open in the repository of a product at once; null: 50. A run takes a place before its
-- model is asked for a change, so that nothing is paid for a change that would only wait.
alter table product add column open_pulls integer check (open_pulls between 1 and 10000);
alter table run add column may_open_pull boolean not null default false;
create index run_about_to_open on run (repository) where may_open_pull and pull is null and status <> 'ended';
