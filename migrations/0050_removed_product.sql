-- A product that was removed takes no requirement any more; what was recorded of it stays, so its row does too.
alter table product add column removed_at timestamptz;
