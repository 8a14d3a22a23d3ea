-- One row a figure. The states of a job are those of core::job::JobState.
select 'aspora_jobs' as "name!", array['queue', queue, 'state', state] as "labels!", count(*)::float8 as "value!"
from (select queue,
             case when lease_token is not null and visible_at > now() then 'running'
                  when paused then 'paused'
                  when visible_at > now() and delayed_tries = attempts then 'rate_limited'
                  when visible_at > now() then 'scheduled'
                  when lost > 0 then 'suspect'
                  when lease_token is not null then 'expired'
                  else 'available' end as state
      from job) its
group by queue, state
union all
select 'aspora_oldest_due_job_seconds', array['queue', queue], extract(epoch from now() - min(visible_at))::float8
from job where lease_token is null and not paused and visible_at <= now()
group by queue
union all
select 'aspora_runs',
       array['state', status, 'awaited',
             case status when 'waiting' then coalesce(state->'state'->'park'->>'awaited', 'machines') else '' end],
       count(*)::float8
from run where status <> 'ended'
group by 2
union all
select 'aspora_dead_letters', '{}', count(*)::float8 from dead_letter where redriven_at is null
union all
select 'aspora_outages', array['provider', provider], 1 from outage where opened_at is not null
union all
select 'aspora_rate_limit_remaining', array['key', key], rate_level(rate, clock_timestamp())
from rate where capacity is not null
union all
select 'aspora_workers', array['state', case when drained_at is null then 'working' else 'draining' end], count(*)::float8
from worker where seen_at > now() - interval '1 minute'
group by 2
union all
select 'aspora_model_tokens', array['product', key], settled_tokens::float8 from budget_use where scope = 'product'
union all
select 'aspora_model_cost_micro_dollars', array['product', key], settled_micro_dollars::float8
from budget_use where scope = 'product'
union all
select 'aspora_harness_gaps',
       array['product', product, 'clock',
             case when started_at + limit_minutes * interval '1 minute' <= now() then 'overdue' else 'running' end],
       count(*)::float8
from harness_gap where state = 'open'
group by 2
union all
select 'aspora_harness_gap_seconds_left', array['product', product],
       extract(epoch from min(started_at + limit_minutes * interval '1 minute') - now())::float8
from harness_gap where state = 'open'
group by product
