//! The commits on base branches that runs became. A trigger makes the rows.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// A run that was merged, and as which commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The run.
    pub run_id: Uuid,
    /// The branch that it was merged into.
    pub base_branch: String,
    /// The commit.
    pub sha: String,
}

/// The newest runs of a repository that were merged within 90 days before `at`, at most `most`.
///
/// # Errors
/// When the database does not answer.
pub async fn newest(pool: &Pool, repository: &str, at: DateTime<Utc>, most: i64) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "select run_id, base_branch, sha from merged
         where repository = $1 and merged_at > $2::timestamptz - interval '90 days'
         order by merged_at desc limit $3",
        repository,
        at,
        most
    )
    .fetch_all(pool)
    .await
}

/// Has the deployments of the last hour looked at again in the repositories where runs were merged since the last call.
///
/// # Errors
/// When the database does not answer.
pub async fn settle(connection: &mut Connection) -> Result<()> {
    let repositories = sqlx::query_scalar!(
        "update merged set is_settled = true
         where run_id in (select run_id from merged where not is_settled order by run_id limit 100
                          for update skip locked)
         returning repository"
    )
    .fetch_all(&mut *connection)
    .await?;
    if repositories.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update deployment set look_at = now(), attempts = 0
         where id in (select id from deployment
                      where repository = any($1) and received_at > now() - interval '1 hour'
                      order by id for update)",
        &repositories
    )
    .execute(connection)
    .await
    .map(|_| ())
}
