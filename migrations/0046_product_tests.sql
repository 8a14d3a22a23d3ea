-- Who says whether a product's tests pass: our own run (`ours`) or the forge's checks alone (`forge`). Null: ours where the
-- product says how it is tested. Expands only.
alter table product add column tests text check (tests in ('ours', 'forge'));
