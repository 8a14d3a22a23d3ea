-- The reviews of the newest runs by reviewer. One from before reviewers had names is the built-in one's.
with newest as (
    select id from run
    where product = $1 and created_at > now() - make_interval(days => $2)
    order by created_at desc limit $3
),
ended as (
    select reviewer, state = 'complete' as is_complete
    from review_part where run_id in (select id from newest) and state <> 'awaited'
    union all
    select 'builtin', failed is null
    from review
    where run_id in (select id from newest)
      and not exists (select from review_part part
                      where part.run_id = review.run_id and part.head_sha = review.head_sha)
)
select reviewer as "reviewer!",
       count(*) filter (where is_complete) as "complete!",
       count(*) filter (where not is_complete) as "failed!"
from ended
group by reviewer
order by reviewer
