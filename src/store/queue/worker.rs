//! The worker processes that run, and what is queued for them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::core::workflow::Queue;
use crate::store::{Connection, Pool, Result};

/// A process that has not been seen for a day has no row any more.
const FORGOTTEN_HOURS: i32 = 24;

/// A worker process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The process.
    pub id: Uuid,
    /// Its name in attempts and events.
    pub name: String,
    /// Its release.
    pub version: String,
    /// The queues that it serves.
    pub queues: Vec<String>,
    /// How many jobs of each of these it does at once.
    pub slots: Vec<i32>,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it was last seen.
    pub seen_at: DateTime<Utc>,
    /// Whether it was seen lately: otherwise it has stopped answering.
    pub is_alive: bool,
    /// Who asked it to stop, if anybody did.
    pub drained_by: Option<String>,
    /// Why.
    pub drain_reason: Option<String>,
    /// How many jobs are leased to workers of this name.
    pub running: i64,
}

/// What is queued in one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// The queue.
    pub queue: String,
    /// Jobs that may be claimed now.
    pub due: i64,
    /// Jobs that a worker has.
    pub running: i64,
    /// Jobs that are due later: retries, and what a limit or an outage holds back.
    pub scheduled: i64,
    /// Jobs of paused runs.
    pub paused: i64,
    /// Since when the job that has waited longest is due.
    pub oldest_due: Option<DateTime<Utc>>,
    /// Worker processes that serve it and were seen lately.
    pub workers: i64,
}

/// Records that a process works, and forgets those that have not been seen for a day. `slots` are of its queues.
///
/// # Errors
/// When the database does not answer.
pub async fn register(
    pool: &Pool,
    id: Uuid,
    name: &str,
    version: &str,
    slots: &[(Queue, usize)],
) -> Result<()> {
    let queues: Vec<String> = slots.iter().map(|(queue, _)| queue.as_str().to_owned()).collect();
    let slots: Vec<i32> = slots.iter().map(|(_, many)| i32::try_from(*many).unwrap_or(i32::MAX)).collect();
    sqlx::query!(
        "with forgotten as (delete from worker where seen_at < now() - make_interval(hours => $6))
         insert into worker (id, name, version, queues, slots) values ($1, $2, $3, $4, $5)
         on conflict (id) do update set seen_at = now()",
        id,
        name,
        version,
        &queues,
        &slots,
        FORGOTTEN_HOURS
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// Records that a process still works; whether it was asked to drain, or `None` if its row is gone.
///
/// # Errors
/// When the database does not answer.
pub async fn seen(pool: &Pool, id: Uuid) -> Result<Option<bool>> {
    sqlx::query_scalar!(
        r#"update worker set seen_at = now() where id = $1 returning drained_at is not null as "drained!""#,
        id
    )
    .fetch_optional(pool)
    .await
}

/// Forgets a process that ends.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(pool: &Pool, id: Uuid) -> Result<()> {
    sqlx::query!("delete from worker where id = $1", id).execute(pool).await.map(|_| ())
}

/// Asks the processes of this name to end their jobs and stop. How many were asked now, and how many had been before;
/// none of both where no such process was seen lately.
///
/// # Errors
/// When the database does not answer.
pub async fn drain(
    connection: &mut Connection,
    name: &str,
    by: &str,
    reason: &str,
    alive: Duration,
) -> Result<(i64, i64)> {
    let row = sqlx::query!(
        r#"with alive as (
               select id, drained_at from worker
               where name = $1 and seen_at > now() - make_interval(secs => $4) for update
           ), asked as (
               update worker set drained_by = $2, drain_reason = $3, drained_at = now()
               where id in (select id from alive where drained_at is null) returning id
           )
           select (select count(*) from asked) as "now!",
                  (select count(*) from alive where drained_at is not null) as "before!""#,
        name,
        by,
        reason,
        alive.as_secs_f64()
    )
    .fetch_one(connection)
    .await?;
    Ok((row.now, row.before))
}

/// The processes, by name. One that was seen within `alive` is alive.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool, alive: Duration) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id, name, version, queues, slots, started_at, seen_at,
                  seen_at > now() - make_interval(secs => $1) as "is_alive!", drained_by, drain_reason,
                  (select count(*) from job
                   where job.worker = worker.name and lease_token is not null and visible_at > now()) as "running!"
           from worker order by name, started_at"#,
        alive.as_secs_f64()
    )
    .fetch_all(pool)
    .await
}

/// What is queued, for each queue. Of `products` only, unless that is `None`.
///
/// # Errors
/// When the database does not answer.
pub async fn backlogs(pool: &Pool, products: Option<&[String]>, alive: Duration) -> Result<Vec<Backlog>> {
    let queues: Vec<String> = Queue::ALL.iter().map(|queue| queue.as_str().to_owned()).collect();
    sqlx::query_as!(
        Backlog,
        r#"select wanted.queue as "queue!",
                  count(job.id) filter (where lease_token is null and not paused and visible_at <= now()) as "due!",
                  count(job.id) filter (where lease_token is not null and visible_at > now()) as "running!",
                  count(job.id) filter (where lease_token is null and not paused and visible_at > now())
                      as "scheduled!",
                  count(job.id) filter (where lease_token is null and paused) as "paused!",
                  min(visible_at) filter (where lease_token is null and not paused and visible_at <= now())
                      as oldest_due,
                  (select count(*) from worker
                   where wanted.queue = any (queues) and seen_at > now() - make_interval(secs => $3)) as "workers!"
           from unnest($1::text[]) with ordinality as wanted (queue, place)
           left join job on job.queue = wanted.queue and ($2::text[] is null or job.product = any ($2))
           group by wanted.queue, place order by place"#,
        &queues,
        products,
        alive.as_secs_f64()
    )
    .fetch_all(pool)
    .await
}
