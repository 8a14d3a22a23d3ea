//! What each reviewer said of one head. The review of the head is made of these parts; they are kept for the report, and
//! while one of them is awaited.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::{
    core::{finding::Finding, sha::Sha},
    store::{Pool, Result, job::Lease},
};

/// What one reviewer said of one head.
#[derive(Debug, Clone)]
pub struct Row {
    /// The reviewer, by its name.
    pub reviewer: String,
    /// Since when it is awaited.
    pub since: DateTime<Utc>,
    /// `awaited`, `complete` or `failed`.
    pub state: String,
    /// Why it failed, or who took over.
    pub note: String,
    /// Whether it is only shown.
    pub advisory: bool,
    /// What it found.
    pub findings: Json<Vec<Finding>>,
}

/// Which reviewer, of which head, by which edition of the requirement's text.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// The head.
    pub head: &'a Sha,
    /// The reviewer, by its name.
    pub reviewer: &'a str,
    /// The edition.
    pub edition: i32,
}

/// Begins to await a reviewer, once: one that is awaited or has ended stays as it is, unless it is from before
/// `not_before`, when the head was pushed again.
///
/// # Errors
/// When the database does not answer.
pub async fn begin(
    pool: &Pool,
    lease: &Lease,
    key: Key<'_>,
    advisory: bool,
    not_before: Option<DateTime<Utc>>,
) -> Result<Row> {
    sqlx::query!(
        "insert into review_part (run_id, head_sha, reviewer, edition, advisory) values ($1, $2, $3, $4, $5)
         on conflict (run_id, head_sha, reviewer, edition) do update
         set since = now(), state = 'awaited', note = '', findings = '[]', ended_at = null,
             advisory = excluded.advisory
         where review_part.since < $6",
        lease.run,
        key.head.as_str(),
        key.reviewer,
        key.edition,
        advisory,
        not_before
    )
    .execute(pool)
    .await?;
    sqlx::query_as!(
        Row,
        r#"select reviewer, since, state, note, advisory, findings as "findings: _" from review_part
           where run_id = $1 and head_sha = $2 and reviewer = $3 and edition = $4"#,
        lease.run,
        key.head.as_str(),
        key.reviewer,
        key.edition
    )
    .fetch_one(pool)
    .await
}

/// Records that a reviewer has reviewed, with what it found.
///
/// # Errors
/// When the database does not answer.
pub async fn complete(
    pool: &Pool,
    lease: &Lease,
    key: Key<'_>,
    findings: &[Finding],
    note: &str,
) -> Result<()> {
    end(pool, lease, key, "complete", findings, note).await
}

/// Records that a reviewer has not reviewed, and why. A review that comes later takes its place.
///
/// # Errors
/// When the database does not answer.
pub async fn fail(pool: &Pool, lease: &Lease, key: Key<'_>, why: &str) -> Result<()> {
    end(pool, lease, key, "failed", &[], why).await
}

async fn end(
    pool: &Pool,
    lease: &Lease,
    key: Key<'_>,
    state: &str,
    findings: &[Finding],
    note: &str,
) -> Result<()> {
    sqlx::query!(
        "update review_part set state = $5, findings = $6, note = $7, ended_at = now()
         where run_id = $1 and head_sha = $2 and reviewer = $3 and edition = $4",
        lease.run,
        key.head.as_str(),
        key.reviewer,
        key.edition,
        state,
        Json(findings) as _,
        note
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// What the reviewers said of a head, of this run and of earlier runs on the same branch; of one reviewer the newest.
///
/// # Errors
/// When the database does not answer.
pub async fn of_head(pool: &Pool, run: uuid::Uuid, head: &Sha, edition: i32) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select distinct on (reviewer) reviewer, since, state, note, advisory, findings as "findings: _"
           from review_part where run_id = any(lineage($1)) and head_sha = $2 and edition = $3
           order by reviewer, since desc"#,
        run,
        head.as_str(),
        edition
    )
    .fetch_all(pool)
    .await
}
