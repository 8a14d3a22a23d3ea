-- How many requests a key may make in a minute; null: the default of `core::access`.
alter table api_key add column requests_per_minute integer check (requests_per_minute > 0);
