select d.id, d.run_id, r.product, d.step, d.turn, d.attempts, d.error, d.died_at
from dead_letter d
join run r on r.id = d.run_id
where d.redriven_at is null
  and ($1::text is null or r.product = $1)
  and ($2::text is null or d.step = $2)
  and ($3::text is null or position(lower($3) in lower(d.error)) > 0)
  and ($4::timestamptz is null or d.died_at < $4)
  and ($5::bigint is null or d.id < $5)
order by d.id desc
limit $6
