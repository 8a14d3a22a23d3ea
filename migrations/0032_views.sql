-- The list of what a person asked for, newest first. Expands only.
create index requirement_of_caller on requirement (requested_by, created_at desc, id desc);
