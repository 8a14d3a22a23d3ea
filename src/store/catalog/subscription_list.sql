-- Subscriptions, with how their deliveries stand.
select s.id, s.owner, s.personal, s.target, s.shown, s.products, s.kinds, s.created_at, s.gone_at,
       (select count(*) from delivery d where d.subscription = s.id and d.state = 'due') as "due!",
       (select count(*) from delivery d where d.subscription = s.id and d.state = 'dead') as "dead!",
       (select d.error from delivery d where d.subscription = s.id and d.attempts > 0
        order by d.id desc limit 1) as error
from subscription s
where ($1::uuid is null or s.id = $1) and ($2::text is null or s.owner = $2)
order by s.created_at, s.id
limit 1000
