//! What Postgres itself does on this machine with plain statements: the baseline beside which our own figures
//! are set.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use sqlx::postgres::PgListener;
use uuid::Uuid;

use crate::store::{Error, Pool, Result};

/// Jobs in the table while [`transitions`] runs; many more than are claimed at once.
const RING: i64 = 4_000;
/// Jobs in a batch.
const BATCH: i64 = 100;

/// Creates the tables of the baseline in an empty database.
///
/// # Errors
/// When the database does not do it.
pub(super) async fn prepare(pool: &Pool) -> Result<()> {
    sqlx::raw_sql(include_str!("sql/baseline_tables.sql")).execute(pool).await.map(|_| ())
}

/// Commits of one inserted row a second, over `clients` connections at once.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn inserts(pool: &Pool, clients: usize, span: Duration) -> Result<f64> {
    rate(clients, span, async || {
        sqlx::query("insert into limit_row (body) values ('as short as a short event')")
            .execute(pool)
            .await?;
        Ok(1)
    })
    .await
}

/// Jobs a second that `clients` claim one by one and finish one by one, each in a commit of its own.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn one_by_one(pool: &Pool, clients: usize, span: Duration) -> Result<f64> {
    stock(pool, jobs_for(span, 6_000.0)).await?;
    rate(clients, span, async || claim_and_finish(pool, 1).await).await
}

/// Jobs a second that `clients` claim and finish in batches of 100, with one commit to claim and one to finish.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn batches(pool: &Pool, clients: usize, span: Duration) -> Result<f64> {
    stock(pool, jobs_for(span, 80_000.0)).await?;
    rate(clients, span, async || claim_and_finish(pool, BATCH).await).await
}

/// Whole transitions a second, by `clients` in batches of 100: claim; then fenced delete, versioned state,
/// history row and next job, with one commit to claim and one for the rest.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn transitions(pool: &Pool, clients: usize, span: Duration) -> Result<f64> {
    stock(pool, RING).await?;
    sqlx::query("truncate limit_run, limit_event").execute(pool).await?;
    sqlx::query("insert into limit_run select run, 0, '{}' from limit_job").execute(pool).await?;
    sqlx::query("analyze limit_run").execute(pool).await?;
    rate(clients, span, async || {
        let (ids, tokens) = claim(pool, BATCH).await?;
        let transition = sqlx::query(include_str!("sql/baseline_transition.sql"));
        transition.bind(&ids).bind(&tokens).execute(pool).await?;
        Ok(ids.len())
    })
    .await
}

/// Milliseconds from the return of a notifying commit to the moment a bare listener wakes, for `count`
/// notifications 20 ms apart; negative where the listener was first.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn notify_latency(pool: &Pool, count: usize) -> Result<Vec<f64>> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen("limit").await?;
    let received = tokio::spawn(async move {
        let mut at = Vec::with_capacity(count);
        while at.len() < count {
            listener.recv().await?;
            at.push(Instant::now());
        }
        Ok::<_, Error>(at)
    });
    let mut sent = Vec::with_capacity(count);
    let mut interval = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..count {
        interval.tick().await;
        sqlx::query("select pg_notify('limit', '')").execute(pool).await?;
        sent.push(Instant::now());
    }
    let received = received.await.map_err(|_| Error::WorkerCrashed)??;
    Ok(received.iter().zip(&sent).map(|(received, sent)| signed_millis(*received, *sent)).collect())
}

/// How long after `from` it was at `to`, in milliseconds; negative where `to` came first.
pub(super) fn signed_millis(to: Instant, from: Instant) -> f64 {
    let ahead = to.saturating_duration_since(from).as_secs_f64();
    (ahead - from.saturating_duration_since(to).as_secs_f64()) * 1_000.0
}

/// What `clients` do in a second, each calling `act` for `span` or until it does nothing more.
async fn rate<F>(clients: usize, span: Duration, act: impl Fn() -> F) -> Result<f64>
where
    F: Future<Output = Result<usize>>,
{
    let (began, done) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let client = || async {
        while began.elapsed() < span {
            let count = act().await?;
            if count == 0 {
                break;
            }
            done.fetch_add(count as u64, Ordering::Relaxed);
        }
        Ok::<_, Error>(())
    };
    try_join_all((0..clients).map(|_| client())).await?;
    let count = u32::try_from(done.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

/// Replaces all jobs by `count` due ones.
async fn stock(pool: &Pool, count: i64) -> Result<()> {
    sqlx::query("truncate limit_job").execute(pool).await?;
    sqlx::query("insert into limit_job (run) select generate_series(1, $1::bigint)")
        .bind(count)
        .execute(pool)
        .await?;
    sqlx::query("vacuum (analyze) limit_job").execute(pool).await.map(|_| ())
}

/// As many jobs as last for `span` at `most` a second.
fn jobs_for(span: Duration, most: f64) -> i64 {
    let jobs = (span.as_secs_f64() * most) as i64;
    jobs.max(BATCH)
}

async fn claim(pool: &Pool, count: i64) -> Result<(Vec<i64>, Vec<Uuid>)> {
    let claimed: Vec<(i64, Uuid)> = sqlx::query_as(
        "with due as (
             select id from limit_job where visible_at <= now() order by id limit $1 for update skip locked
         )
         update limit_job set token = gen_random_uuid(), visible_at = now() + interval '30 seconds'
         from due where limit_job.id = due.id
         returning limit_job.id, limit_job.token",
    )
    .bind(count)
    .fetch_all(pool)
    .await?;
    Ok(claimed.into_iter().unzip())
}

async fn claim_and_finish(pool: &Pool, count: i64) -> Result<usize> {
    let (ids, tokens) = claim(pool, count).await?;
    sqlx::query(
        "delete from limit_job using unnest($1::bigint[], $2::uuid[]) as held (id, token)
         where limit_job.id = held.id and limit_job.token = held.token",
    )
    .bind(&ids)
    .bind(&tokens)
    .execute(pool)
    .await?;
    Ok(ids.len())
}
