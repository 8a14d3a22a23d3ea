//! What the policy said of a head, with every fact it rests on.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::store::{
    Connection, Pool, Result,
    blob::{self, Place},
};

/// One judgement.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its number; later ones are higher.
    pub id: i64,
    /// `preflight` or `verdict`.
    pub stage: String,
    /// The head that was judged.
    pub head_sha: String,
    /// The tier of its change.
    pub tier: String,
    /// What was decided, in one word.
    pub decision: String,
    /// Every fact it rests on.
    pub facts: Value,
    /// The judgement, which explains itself.
    pub report: Value,
    /// When.
    pub assessed_at: DateTime<Utc>,
}

/// What is to be recorded.
#[derive(Debug, Clone)]
pub struct New<'a> {
    /// `preflight` or `verdict`.
    pub stage: &'a str,
    /// The head that was judged.
    pub head_sha: &'a str,
    /// The tier of its change, in lower case.
    pub tier: &'a str,
    /// What was decided, in one word.
    pub decision: &'a str,
    /// Every fact it rests on.
    pub facts: &'a Value,
    /// The judgement.
    pub report: &'a Value,
}

/// Records a judgement; one that says the same of the same head as the last of its stage is not kept twice.
///
/// # Errors
/// When the database does not answer.
pub async fn record(pool: &Pool, run_id: Uuid, new: &New<'_>) -> Result<()> {
    let (facts, report) = (blob::part(new.facts), blob::part(new.report));
    let stored = New { facts: &facts.document, report: &report.document, ..*new };
    if facts.is_whole() && report.is_whole() {
        return record_in(&mut *pool.acquire().await?, run_id, &stored).await;
    }
    let mut tx = pool.begin().await?;
    blob::keep(&mut tx, run_id, Place::Assessment, &facts).await?;
    blob::keep(&mut tx, run_id, Place::Assessment, &report).await?;
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

/// The last judgement of a stage.
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
    whole(pool, row.as_mut_slice()).await?;
    Ok(row)
}

/// All judgements of a run and of those before it on the same branch, newest first, at most 100.
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
    whole(pool, &mut rows).await?;
    Ok(rows)
}

async fn whole(pool: &Pool, rows: &mut [Row]) -> Result<()> {
    blob::fill(pool, rows.iter_mut().flat_map(|row| [&mut row.facts, &mut row.report]).collect()).await
}
