-- When the open pull requests of a repository are listed, which makes up for lost webhooks: one listing a repository, and not
-- a call for each pull request. A worker claims the row. Expands only.
create table listing (
    repository text primary key,
    due_at     timestamptz not null default now(),
    -- When the last complete one began.
    listed_at  timestamptz
);
create index listing_due on listing (due_at);
