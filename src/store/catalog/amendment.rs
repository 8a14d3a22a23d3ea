//! How the texts of requirements changed, and which requirement took the place of which.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// The text of a requirement as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// The product.
    pub product: String,
    /// The title.
    pub title: String,
    /// The body.
    pub body: String,
    /// The priority, 1 (first) to 5 (last).
    pub priority: i16,
    /// How often it was amended.
    pub edition: i32,
}

/// An amendment of a requirement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The edition that it made, from 1.
    pub edition: i32,
    /// The title before.
    pub title_before: String,
    /// The body before.
    pub body_before: String,
    /// The title after.
    pub title_after: String,
    /// The body after.
    pub body_after: String,
    /// Who amended it.
    pub amended_by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub amended_at: DateTime<Utc>,
}

/// An amendment to store.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// The newest run of the requirement.
    pub run: Uuid,
    /// The requirement.
    pub requirement: Uuid,
    /// Its text before.
    pub before: &'a Text,
    /// The new title.
    pub title: &'a str,
    /// The new body.
    pub body: &'a str,
    /// Who amends it.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// The requirements beside one in the order of submission.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Links {
    /// The one that it took the place of.
    pub supersedes: Option<Uuid>,
    /// The newest one that took its place.
    pub superseded_by: Option<Uuid>,
}

/// The text of a requirement.
///
/// # Errors
/// When the database does not answer.
pub async fn text(executor: impl PgExecutor<'_>, requirement: Uuid) -> Result<Option<Text>> {
    sqlx::query_as!(
        Text,
        "select product, title, body, priority, edition from requirement where id = $1",
        requirement
    )
    .fetch_optional(executor)
    .await
}

/// The text of a requirement, which is locked until the transaction ends.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(connection: &mut Connection, requirement: Uuid) -> Result<Option<Text>> {
    sqlx::query_as!(
        Text,
        "select product, title, body, priority, edition from requirement where id = $1 for no key update",
        requirement
    )
    .fetch_optional(connection)
    .await
}

/// Gives a locked requirement its new text.
///
/// # Errors
/// When the database does not answer.
pub async fn amend(connection: &mut Connection, new: New<'_>) -> Result<()> {
    let edition = new.before.edition + 1;
    sqlx::query!(
        "insert into amendment (run_id, requirement_id, edition, title_before, body_before, title_after, body_after,
                                amended_by, reason)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        new.run,
        new.requirement,
        edition,
        new.before.title,
        new.before.body,
        new.title,
        new.body,
        new.by,
        new.reason
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update requirement set title = $2, body = $3, edition = $4 where id = $1",
        new.requirement,
        new.title,
        new.body,
        edition
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// The amendments of a requirement, the first one first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool, requirement: Uuid) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "select edition, title_before, body_before, title_after, body_after, amended_by, reason, amended_at
         from amendment where requirement_id = $1 order by edition",
        requirement
    )
    .fetch_all(pool)
    .await
}

/// How often a requirement was amended, and when last.
///
/// # Errors
/// When the database does not answer.
pub async fn newest(pool: &Pool, requirement: Uuid) -> Result<(i32, Option<DateTime<Utc>>)> {
    let row = sqlx::query!(
        r#"select q.edition,
                  (select max(amended_at) from amendment a where a.requirement_id = q.id) as "amended_at?"
           from requirement q where q.id = $1"#,
        requirement
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map_or((0, None), |row| (row.edition, row.amended_at)))
}

/// The runs of a requirement that have not ended, the oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn live_runs(connection: &mut Connection, requirement: Uuid) -> Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from run where requirement_id = $1 and status <> 'ended' order by id",
        requirement
    )
    .fetch_all(connection)
    .await
}

/// The newest run of a requirement and how it ended; `None` while it has not.
///
/// # Errors
/// When the database does not answer.
pub async fn newest_run(
    connection: &mut Connection,
    requirement: Uuid,
) -> Result<Option<(Uuid, Option<String>)>> {
    let row = sqlx::query!(
        "select id, ended_as from run where requirement_id = $1 order by created_at desc, id desc limit 1",
        requirement
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (row.id, row.ended_as)))
}

/// Says that a requirement takes the place of an earlier one.
///
/// # Errors
/// When the database does not answer.
pub async fn supersede(connection: &mut Connection, requirement: Uuid, earlier: Uuid) -> Result<()> {
    sqlx::query!("update requirement set supersedes = $2 where id = $1", requirement, earlier)
        .execute(connection)
        .await
        .map(|_| ())
}

/// Which requirement this one took the place of, and which took its place.
///
/// # Errors
/// When the database does not answer.
pub async fn links(executor: impl PgExecutor<'_>, requirement: Uuid) -> Result<Links> {
    let row = sqlx::query_as!(
        Links,
        r#"select q.supersedes,
                  (select n.id from requirement n where n.supersedes = q.id
                   order by n.created_at desc, n.id desc limit 1) as "superseded_by?"
           from requirement q where q.id = $1"#,
        requirement
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.unwrap_or_default())
}

/// A requirement of the same product with the same text, whose run has not ended.
///
/// # Errors
/// When the database does not answer.
pub async fn duplicate(executor: impl PgExecutor<'_>, requirement: Uuid) -> Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "select q.id from requirement new
         join run r on r.product = new.product and r.status <> 'ended'
         join requirement q on q.id = r.requirement_id
         where new.id = $1 and q.id <> new.id and q.title = new.title and q.body = new.body
         order by q.created_at limit 1",
        requirement
    )
    .fetch_optional(executor)
    .await
}

/// What an id is of, if it is of a run: the run's requirement.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run: Uuid) -> Result<Option<Uuid>> {
    sqlx::query_scalar!(
        r#"select requirement_id as "id!" from run where id = $1 and requirement_id is not null"#,
        run
    )
    .fetch_optional(pool)
    .await
}
