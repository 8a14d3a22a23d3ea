-- The runs that add to a figure on some days, newest first, before a place.
select m.run as "run!", m.product as "product!", m.tier as "tier!", m.counted_at as "counted_at!", (m.figures->>$1)::bigint as "amount!",
       coalesce(q.title, t.title) as "title?", r.id is not null as "exists!"
from run_measure m
left join run r on r.id = m.run
left join requirement q on q.id = r.requirement_id
left join pull t on t.id = r.subject_id
where m.day = any($2) and m.figures ? $1
  and ($3::text[] is null or m.product = any($3)) and ($4::text is null or m.tier = $4)
  and (m.counted_at, m.run) < ($5, $6)
order by m.counted_at desc, m.run desc
limit $7
