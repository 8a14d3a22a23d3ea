-- What each run may use that has no limits of its own: the row `default` among the limits of runs, whose other keys are ids.
-- A run of the usual size uses about a tenth of it.
insert into budget (scope, key, tokens, reason, updated_by)
values ('run', 'default', 5000000, 'the default of a new installation', 'aspora')
on conflict do nothing;
