-- What people hold: while a row is here, no job of its scope is claimed and nothing of it is merged. `core::hold` names the
-- scopes: `all`, `product:<name>`, `queue:<name>`, `worker:<name>`.
create table hold (
    scope  text primary key check (scope = 'all' or scope ~ '^(product|queue|worker):.{1,200}$'),
    reason text not null check (reason <> ''),
    held_by text not null check (held_by <> ''),
    since  timestamptz not null default now()
);
