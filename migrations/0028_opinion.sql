-- What people say of heads through Aspora: approvals and refusals, under the rules of reviews on the forge. Rows are
-- appended; the latest of a person counts. Expands only.

create table opinion (
    id            bigint generated always as identity primary key,
    run_id        uuid not null,
    head_sha      text not null check (length(head_sha) = 40),
    -- As histories name them.
    person        text not null,
    -- The key; null for who spoke on the forge, in a comment.
    key_id        uuid,
    forge_login   text not null,
    -- The forge's number of that account, once it was asked for: the login may go to another account later.
    forge_account bigint,
    via           text not null check (via in ('aspora', 'comment')),
    opinion       text not null check (opinion in ('approve', 'reject', 'withdraw')),
    reason        text,
    at            timestamptz not null default clock_timestamp()
);
create index opinion_of_run on opinion (run_id, id);
create index opinion_without_account on opinion (lower(forge_login)) where forge_account is null;

create function opinion_is_append_only() returns trigger language plpgsql as $$
begin
    if old.forge_account is null and new is not distinct from jsonb_populate_record(
        old, jsonb_build_object('forge_account', new.forge_account)) then
        return new;
    end if;
    raise exception 'opinions are append-only';
end $$;
create trigger opinion_is_append_only before update on opinion
    for each row execute function opinion_is_append_only();

-- The forge's number of a person's login, kept from when it was first asked for.
alter table person add column forge_account bigint;

-- An event was appended while a worker runs the step: the answer of this attempt is recorded by itself, at the version
-- that the run has then. An older release fails its batch and then does the same.
alter table job add column noted boolean not null default false;
