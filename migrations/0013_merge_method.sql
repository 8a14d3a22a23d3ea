-- How a product's pull requests are merged. Every product so far was merged by a merge commit where the
-- repository allowed it.
alter table product add column merge_method text not null default 'merge'
    check (merge_method in ('merge', 'squash', 'rebase'));
