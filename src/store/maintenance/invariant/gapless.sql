-- Retention may have deleted the histories of a month and kept its runs.
select run.id as "run_id?",
       'version ' || version || ', but ' || past.count || ' events from ' || coalesce(least_seq, 0) || ' to '
           || coalesce(last_seq, 0) as "what!",
       count(*) over () as "count!"
from run, lateral (
    select count(*) as count, min(seq) as least_seq, max(seq) as last_seq from event where run_id = run.id
) past
where (past.count, least_seq, last_seq) is distinct from (version::bigint, 1, version)
  and (past.count > 0 or to_regclass('event_' || to_char(
          to_timestamp(('x' || left(replace(run.id::text, '-', ''), 12))::bit(48)::bigint / 1000.0) at time zone 'utc',
          'YYYY_MM')) is not null)
order by run.id limit $1
