-- What users entered. An amount is in the smallest unit of the currency; a negative one was taken out.
create table entry (
    id bigint generated always as identity primary key,
    user_id text not null,
    amount bigint not null check (amount <> 0),
    note text not null default '',
    entered_at timestamptz not null default now()
);

create index entry_by_user on entry (user_id, id);
