//! What product managers asked for.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Connection, Pool, Result};
use crate::core::requirement::Requirement;

/// A requirement and how its run stands, as lists show it.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its id.
    pub id: Uuid,
    /// The product that shall have it.
    pub product: String,
    /// One line.
    pub title: String,
    /// All the rest.
    pub body: String,
    /// 1 (first) to 5 (last).
    pub priority: i16,
    /// Who asked, if known.
    pub requested_by: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Its run.
    pub run_id: Uuid,
    /// `active`, `waiting` or `ended`.
    pub status: String,
    /// The step its run is at.
    pub step: Option<String>,
    /// How its run ended.
    pub ended_as: Option<String>,
    /// The repository its run works in, `owner/name`.
    pub repository: String,
    /// The pull request's number.
    pub pull: Option<i64>,
}

/// What a list of requirements is narrowed to, and where it goes on.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this product.
    pub product: Option<String>,
    /// Only this status or end.
    pub state: Option<String>,
    /// Only titles that hold this text, whatever its case.
    pub text: Option<String>,
    /// Only what is older than this one, as an earlier page ended.
    pub before: Option<(DateTime<Utc>, Uuid)>,
    /// The most rows, 1 to 100.
    pub limit: i64,
}

/// Stores a requirement.
///
/// # Errors
/// A foreign key violation for a product that does not exist.
pub async fn insert(
    connection: &mut Connection,
    id: Uuid,
    requirement: &Requirement,
    requested_by: Option<&str>,
) -> Result<()> {
    sqlx::query!(
        "insert into requirement (id, product, title, body, priority, requested_by)
         values ($1, $2, $3, $4, $5, $6)",
        id,
        requirement.product.as_str(),
        requirement.title,
        requirement.body,
        i16::from(requirement.priority),
        requested_by
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// One requirement.
///
/// # Errors
/// When the database does not answer.
pub async fn get(pool: &Pool, id: Uuid) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select q.id, q.product, q.title, q.body, q.priority, q.requested_by, q.created_at,
                  r.id as run_id, r.status, r.step, r.ended_as, r.repository, r.pull
           from requirement q join run r on r.requirement_id = q.id
           where q.id = $1
           order by r.created_at desc, r.id desc limit 1"#,
        id
    )
    .fetch_optional(pool)
    .await
}

/// A page of requirements, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool, filter: &Filter) -> Result<Vec<Row>> {
    let (before_at, before_id) = filter.before.unzip();
    sqlx::query_file_as!(
        Row,
        "src/store/sql/requirement_list.sql",
        filter.product,
        filter.state,
        filter.text,
        before_at,
        before_id,
        filter.limit
    )
    .fetch_all(pool)
    .await
}
