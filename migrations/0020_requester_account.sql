-- The forge's number of the account that a requirement's caller named: a login can be given up and taken by another account,
-- and the person who asked for a critical change may not approve it under another name. Null until a run has asked the forge.
-- Expands only.
alter table requirement add column requester_account bigint;
