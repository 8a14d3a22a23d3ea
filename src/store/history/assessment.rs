//! Assessments of heads by the policy, with the facts that they are based on.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::store::{
    Connection, Pool, Result,
    blob::{self, Referrer},
};

/// A stored assessment.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its number, in ascending order.
    pub id: i64,
    /// `preflight` or `verdict`.
    pub stage: String,
    /// The head that was assessed.
    pub head_sha: String,
    /// The risk tier of the change.
    pub tier: String,
    /// The decision.
    pub decision: String,
    /// The facts.
    pub facts: Value,
    /// The assessment with its reasons.
    pub report: Value,
    /// When it was assessed.
    pub assessed_at: DateTime<Utc>,
}

/// An assessment to be stored.
#[derive(Debug, Clone)]
pub struct New<'a> {
    /// `preflight` or `verdict`.
    pub stage: &'a str,
    /// The head that was assessed.
    pub head_sha: &'a str,
    /// The risk tier of the change, in lower case.
    pub tier: &'a str,
    /// The decision.
    pub decision: &'a str,
    /// The facts.
    pub facts: &'a Value,
    /// The assessment with its reasons.
    pub report: &'a Value,
}

/// Stores an assessment, unless the last one of its stage has the same head and report.
///
/// # Errors
/// When the database does not answer.
pub async fn record(pool: &Pool, run_id: Uuid, new: &New<'_>) -> Result<()> {
    let (facts, report) = (blob::extract(new.facts), blob::extract(new.report));
    let stored = New { facts: &facts.document, report: &report.document, ..*new };
    if facts.has_no_blobs() && report.has_no_blobs() {
        return record_in(&mut *pool.acquire().await?, run_id, &stored).await;
    }
    let mut tx = pool.begin().await?;
    blob::insert(&mut tx, run_id, Referrer::Assessment, &facts).await?;
    blob::insert(&mut tx, run_id, Referrer::Assessment, &report).await?;
    record_in(&mut tx, run_id, &stored).await?;
    tx.commit().await
}

async fn record_in(connection: &mut Connection, run_id: Uuid, new: &New<'_>) -> Result<()> {
    sqlx::query!(
        "insert into assessment (run_id, stage, head_sha, tier, decision, facts, report)
         select $1, $2, $3, $4, $5, $6, $7
         where not exists (
             select 1 from (select head_sha, report from assessment where run_id = $1 and stage = $2
                            order by id desc limit 1) last
             where last.head_sha = $3 and last.report = $7)",
        run_id,
        new.stage,
        new.head_sha,
        new.tier,
        new.decision,
        new.facts,
        new.report
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// The last assessment of a stage.
///
/// # Errors
/// When the database does not answer.
pub async fn last(pool: &Pool, run_id: Uuid, stage: &str) -> Result<Option<Row>> {
    let mut row = sqlx::query_as!(
        Row,
        "select id, stage, head_sha, tier, decision, facts, report, assessed_at
         from assessment where run_id = $1 and stage = $2 order by id desc limit 1",
        run_id,
        stage
    )
    .fetch_optional(pool)
    .await?;
    restore(pool, row.as_mut_slice()).await?;
    Ok(row)
}

/// The assessments of a run and of earlier runs on the same branch, newest first, at most 100.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run_id: Uuid) -> Result<Vec<Row>> {
    let mut rows = sqlx::query_as!(
        Row,
        "select id, stage, head_sha, tier, decision, facts, report, assessed_at
         from assessment where run_id = any(lineage($1)) order by id desc limit 100",
        run_id
    )
    .fetch_all(pool)
    .await?;
    restore(pool, &mut rows).await?;
    Ok(rows)
}

/// The newest assessment of a run, or else of an earlier run on the same branch.
///
/// # Errors
/// When the database does not answer.
pub async fn newest(pool: &Pool, run_id: Uuid) -> Result<Option<Row>> {
    let mut row = sqlx::query_as!(
        Row,
        "select id, stage, head_sha, tier, decision, facts, report, assessed_at
         from assessment where run_id = any(lineage($1)) order by id desc limit 1",
        run_id
    )
    .fetch_optional(pool)
    .await?;
    restore(pool, row.as_mut_slice()).await?;
    Ok(row)
}

/// The newest assessment of this head, of a run or of an earlier run on the same branch.
///
/// # Errors
/// When the database does not answer.
pub async fn newest_of_head(pool: &Pool, run_id: Uuid, head: &str) -> Result<Option<Row>> {
    let mut row = sqlx::query_as!(
        Row,
        "select id, stage, head_sha, tier, decision, facts, report, assessed_at
         from assessment where run_id = any(lineage($1)) and head_sha = $2 order by id desc limit 1",
        run_id,
        head
    )
    .fetch_optional(pool)
    .await?;
    restore(pool, row.as_mut_slice()).await?;
    Ok(row)
}

/// When a run judged a head first.
///
/// # Errors
/// When the database does not answer.
pub async fn first_of_head(pool: &Pool, run: Uuid, head: &str) -> Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        "select min(assessed_at) from assessment where run_id = $1 and head_sha = $2",
        run,
        head
    )
    .fetch_one(pool)
    .await
}

/// Whether the newest verdict about a pull request, of any run, has cleared this head of it.
///
/// # Errors
/// When the database does not answer.
pub async fn has_cleared(pool: &Pool, repository: &str, pull: i64, head: &str) -> Result<bool> {
    sqlx::query_file_scalar!("src/store/history/cleared.sql", repository, pull, head).fetch_one(pool).await
}

/// A stored assessment, and what it is of.
#[derive(Debug, Clone)]
pub struct Decided {
    /// Its number, in ascending order.
    pub id: i64,
    /// The run.
    pub run_id: Uuid,
    /// `preflight` or `verdict`.
    pub stage: String,
    /// The head that was assessed.
    pub head_sha: String,
    /// The risk tier of the change.
    pub tier: String,
    /// The decision.
    pub decision: String,
    /// The facts.
    pub facts: Value,
    /// The assessment with its reasons.
    pub report: Value,
    /// When it was assessed.
    pub assessed_at: DateTime<Utc>,
}

/// The assessments before a number, newest first, at most `limit`: of all products or of one, since a time or from the
/// first.
///
/// # Errors
/// When the database does not answer.
pub async fn before(
    pool: &Pool,
    before: i64,
    product: Option<&str>,
    since: Option<DateTime<Utc>>,
    limit: i64,
) -> Result<Vec<Decided>> {
    let mut rows = sqlx::query_as!(
        Decided,
        "select id, run_id, stage, head_sha, tier, decision, facts, report, assessed_at
         from assessment
         where id < $1 and ($2::text is null or facts ->> 'product' = $2)
           and ($3::timestamptz is null or assessed_at >= $3)
         order by id desc limit $4",
        before,
        product,
        since,
        limit
    )
    .fetch_all(pool)
    .await?;
    blob::restore(pool, rows.iter_mut().flat_map(|row| [&mut row.facts, &mut row.report]).collect()).await?;
    Ok(rows)
}

async fn restore(pool: &Pool, rows: &mut [Row]) -> Result<()> {
    blob::restore(pool, rows.iter_mut().flat_map(|row| [&mut row.facts, &mut row.report]).collect()).await
}
