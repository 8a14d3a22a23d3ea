-- Whose Browser Evidence counts, and how long a check may stand still: settings of a product, because a policy
-- travels with the code and the same policy is used by products with other apps and slower machines.
alter table product
    add column evidence_app text,
    add column check_deadline_minutes integer check (check_deadline_minutes > 0);
