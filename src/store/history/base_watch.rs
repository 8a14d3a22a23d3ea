//! Watches over the base's own checks after merges. A trigger makes the rows.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use crate::core::aftermath::Check;
use crate::store::{Connection, Pool, Result};

/// A claimed watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// The run that was merged.
    pub run_id: Uuid,
    /// How often it failed to look, this time included.
    pub attempts: i32,
    /// How much news there was when it was claimed.
    pub news: i32,
    /// Whether a run is to be begun that reverts the merge.
    pub wants_revert: bool,
}

/// A watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The run that was merged.
    pub run_id: Uuid,
    /// The commit on the base.
    pub sha: String,
    /// The branch.
    pub base_branch: String,
    /// When it was merged.
    pub merged_at: DateTime<Utc>,
    /// Until when it is watched.
    pub until_at: DateTime<Utc>,
    /// Whether it is watched no more.
    pub is_over: bool,
    /// What the last look came to.
    pub checks: Json<Vec<Check>>,
    /// When that was.
    pub looked_at: Option<DateTime<Utc>>,
    /// What was recorded of what broke.
    pub incident_id: Option<Uuid>,
    /// Whether a run is to be begun that reverts the merge.
    pub wants_revert: bool,
    /// Why the last look failed.
    pub error: Option<String>,
}

/// What a look came to.
#[derive(Debug, Clone, Copy)]
pub struct Looked<'a> {
    /// The checks.
    pub checks: &'a [Check],
    /// What was recorded of what broke.
    pub incident: Option<Uuid>,
    /// Whether a run is to be begun that reverts the merge.
    pub wants_revert: bool,
    /// When to look again; `None`: the watch is over.
    pub next: Option<Duration>,
}

/// Claims the watch that is due longest. It is due again after two minutes, unless it is done by then.
///
/// # Errors
/// When the database does not answer.
pub async fn claim(pool: &Pool) -> Result<Option<Due>> {
    sqlx::query_as!(
        Due,
        "update base_watch set attempts = attempts + 1, due_at = now() + interval '2 minutes'
         where run_id = (select run_id from base_watch
                         where due_at <= now() and due_at < 'infinity'
                           and not exists (select from hold where scope = 'all')
                         order by due_at limit 1
                         for update skip locked)
         returning run_id, attempts, news, wants_revert"
    )
    .fetch_optional(pool)
    .await
}

/// The watch over a run's merge.
///
/// # Errors
/// When the database does not answer.
pub async fn get(executor: impl sqlx::PgExecutor<'_>, run: Uuid) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select w.run_id, m.sha, m.base_branch, m.merged_at, w.until_at, w.is_over, w.checks as "checks: _",
                  w.looked_at, w.incident_id, w.wants_revert, w.error
           from base_watch w join merged m on m.run_id = w.run_id where w.run_id = $1"#,
        run
    )
    .fetch_optional(executor)
    .await
}

/// Locks the watch over a run's merge until the transaction ends.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(connection: &mut Connection, run: Uuid) -> Result<()> {
    sqlx::query!("select from base_watch where run_id = $1 for update", run)
        .fetch_optional(connection)
        .await
        .map(|_| ())
}

/// Stores what a look came to. News that came meanwhile keep the watch due.
///
/// # Errors
/// When the database does not answer; it is then claimed again.
pub async fn looked(connection: &mut Connection, due: Due, looked: Looked<'_>) -> Result<()> {
    sqlx::query!(
        "update base_watch
         set checks = $2, looked_at = now(), incident_id = $3, wants_revert = $4, error = null, attempts = 0,
             is_over = $5::float8 is null and not $4 and news = $6,
             due_at = case when news <> $6 or $4 then now()
                           else coalesce(now() + make_interval(secs => $5), 'infinity') end
         where run_id = $1",
        due.run_id,
        Json(looked.checks) as _,
        looked.incident,
        looked.wants_revert,
        looked.next.map(|next| next.as_secs_f64()),
        due.news
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Records why a look failed, and when the next one is due; `None`: the watch is over, and what it would have shown is not
/// known.
///
/// # Errors
/// When the database does not answer; it is then claimed again.
pub async fn postpone(pool: &Pool, due: Due, wait: Option<Duration>, error: &str) -> Result<()> {
    sqlx::query!(
        "update base_watch
         set due_at = coalesce(now() + make_interval(secs => $3), 'infinity'), is_over = $3::float8 is null, error = $4
         where run_id = $1 and news = $2",
        due.run_id,
        due.news,
        wait.map(|wait| wait.as_secs_f64()),
        error
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// No run that reverts the merge is to be begun any more; the watch goes on.
///
/// # Errors
/// When the database does not answer.
pub async fn revert_settled(connection: &mut Connection, run: Uuid) -> Result<()> {
    sqlx::query!(
        "update base_watch set wants_revert = false, due_at = now() where run_id = $1 and wants_revert",
        run
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Has the watches over a commit looked at now, because a check of it moved.
///
/// # Errors
/// When the database does not answer.
pub async fn wake(connection: &mut Connection, repositories: &[String], sha: &str) -> Result<()> {
    sqlx::query!(
        "update base_watch w set due_at = now(), news = news + 1, attempts = 0
         from merged m
         where m.run_id = w.run_id and m.repository = any($1) and m.sha = $2 and not w.is_over",
        repositories,
        sha
    )
    .execute(connection)
    .await
    .map(|_| ())
}
