-- The delivery that is due longest. The row of its subscription is locked and marked, so that one target gets one
-- message at a time; a claim that found it marked meanwhile looks at the next.
with picked as (
    select s.id as subscription, s.target, s.address, s.secret, d.id
    from subscription s
    cross join lateral (
        select id, due_at from delivery
        where subscription = s.id and state = 'due' and due_at <= now()
        order by due_at, id limit 1
    ) d
    where s.gone_at is null and coalesce(s.busy_until <= now(), true) and coalesce(s.quiet_until <= now(), true)
    order by d.due_at limit 1
    for update of s skip locked
),
marked as (
    update subscription set busy_until = now() + interval '30 seconds', busy_with = picked.id
    from picked where subscription.id = picked.subscription
),
claimed as (
    update delivery set attempts = attempts + 1, due_at = now() + interval '30 seconds'
    from picked where delivery.id = picked.id and delivery.state = 'due'
    returning delivery.id, delivery.notice, delivery.attempts, delivery.owed_at
)
select claimed.id, picked.subscription, claimed.attempts,
       extract(epoch from now() - claimed.owed_at)::float8 as "age_s!",
       picked.target, picked.address, picked.secret, notice.content as "content: Json<Content>", now() as "now!"
from claimed
join picked on picked.id = claimed.id
join notice on notice.id = claimed.notice
