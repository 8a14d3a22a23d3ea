-- Whether the newest verdict about a pull request has cleared this head of it.
select coalesce((
    select assessment.decision = 'clear' and assessment.head_sha = $3
    from assessment join run on run.id = assessment.run_id
    where run.repository = $1 and run.pull = $2 and assessment.stage = 'verdict'
    order by assessment.id desc limit 1
), false) as "cleared!"
