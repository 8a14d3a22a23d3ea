//! The runs that revert the merge of another run.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// A run that reverts the merge of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The requirement that it is about.
    pub requirement_id: Uuid,
    /// The newest run about it.
    pub run_id: Uuid,
    /// `active`, `waiting`, `paused` or `ended`.
    pub status: String,
    /// How it ended.
    pub ended_as: Option<String>,
    /// The run whose merge it reverts.
    pub of_run: Uuid,
    /// The commit on the base that it reverts.
    pub of_sha: String,
    /// Who asked for it.
    pub asked_by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// What to revert.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// The requirement that the run is about.
    pub requirement: Uuid,
    /// The run.
    pub run: Uuid,
    /// The run whose merge it reverts.
    pub of_run: Uuid,
    /// The commit on the base.
    pub of_sha: &'a str,
    /// What broke, if that is why.
    pub incident: Option<Uuid>,
    /// Who asks for it.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// Stores that a run reverts the merge of another.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(connection: &mut Connection, new: New<'_>) -> Result<()> {
    sqlx::query!(
        "insert into revert (requirement_id, run_id, of_run, of_sha, incident_id, asked_by, reason)
         values ($1, $2, $3, $4, $5, $6, $7)",
        new.requirement,
        new.run,
        new.of_run,
        new.of_sha,
        new.incident,
        new.by,
        new.reason
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// The runs that revert the merge of a run, the newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn of(executor: impl sqlx::PgExecutor<'_>, run: Uuid) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select v.requirement_id, its.id as "run_id!", its.status as "status!", its.ended_as, v.of_run, v.of_sha,
                  v.asked_by, v.reason, v.created_at
           from revert v
           join lateral (select id, status, ended_as from run where requirement_id = v.requirement_id
                         order by created_at desc, id desc limit 1) its on true
           where v.of_run = $1 order by v.created_at desc limit 20"#,
        run
    )
    .fetch_all(executor)
    .await
}

/// What the runs about a requirement revert, if they do.
///
/// # Errors
/// When the database does not answer.
pub async fn by(pool: &Pool, requirement: Uuid) -> Result<Option<Reverted>> {
    sqlx::query_as!(
        Reverted,
        "select of_run, of_sha, reason from revert where requirement_id = $1",
        requirement
    )
    .fetch_optional(pool)
    .await
}

/// What is reverted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverted {
    /// The run.
    pub of_run: Uuid,
    /// The commit on the base.
    pub of_sha: String,
    /// Why.
    pub reason: String,
}

/// The title of what a run is about.
///
/// # Errors
/// When the database does not answer.
pub async fn title(connection: &mut Connection, run: Uuid) -> Result<String> {
    sqlx::query_scalar!(
        r#"select coalesce(q.title, t.title, '') as "title!"
           from run r left join requirement q on q.id = r.requirement_id left join pull t on t.id = r.subject_id
           where r.id = $1"#,
        run
    )
    .fetch_one(connection)
    .await
}
