-- The forge's number of a product's repository: it stays when the repository is renamed or moved, so the product
-- can follow it, and a repository that is given the old name is not mistaken for it. Null until the forge has named it.
-- Expands only.
alter table product add column repository_id bigint;
