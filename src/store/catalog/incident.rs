//! Incidents: what went wrong with merged code.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// An incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The id.
    pub id: Uuid,
    /// The product that it happened to.
    pub product: String,
    /// Who reported it: `person`, `issue`, `sentry`, `sender` or `checks`.
    pub source: String,
    /// What the sender knows it by.
    pub key: String,
    /// What went wrong, in one line.
    pub title: String,
    /// What was reported.
    pub body: String,
    /// Where it is reported in full.
    pub url: Option<String>,
    /// When it happened.
    pub happened_at: DateTime<Utc>,
    /// When we learnt of it.
    pub recorded_at: DateTime<Utc>,
    /// The run whose merged change caused it, as far as that is known.
    pub run_id: Option<Uuid>,
    /// How that is known.
    pub blame: Option<Value>,
}

/// What there is to record of an incident.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// The product that it happened to.
    pub product: &'a str,
    /// Who reported it.
    pub source: &'a str,
    /// What the sender knows it by: 200 characters at most.
    pub key: &'a str,
    /// What went wrong: 300 characters at most.
    pub title: &'a str,
    /// What was reported.
    pub body: &'a str,
    /// Where it is reported in full.
    pub url: Option<&'a str>,
    /// When it happened; left out: now, by the database's clock.
    pub happened_at: Option<DateTime<Utc>>,
    /// The run whose merged change caused it, if that is known already, and how.
    pub blame: Option<(Uuid, &'a Value)>,
}

/// Records an incident, unless it is known by its key: the id, and whether it is new.
///
/// # Errors
/// When the database does not answer.
pub async fn record(connection: &mut Connection, new: New<'_>) -> Result<(Uuid, bool)> {
    let id = Uuid::now_v7();
    let inserted = sqlx::query_scalar!(
        "insert into incident (id, product, source, key, title, body, url, happened_at, run_id, blame)
         values ($1, $2, $3, $4, $5, $6, $7, coalesce($8, now()), $9, $10)
         on conflict (product, source, key) do nothing
         returning id",
        id,
        new.product,
        new.source,
        new.key,
        new.title,
        new.body,
        new.url,
        new.happened_at,
        new.blame.map(|(run, _)| run),
        new.blame.map(|(_, how)| how.clone()) as Option<Value>
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(id) = inserted {
        return Ok((id, true));
    }
    let known = sqlx::query_scalar!(
        "select id from incident where product = $1 and source = $2 and key = $3",
        new.product,
        new.source,
        new.key
    )
    .fetch_one(connection)
    .await?;
    Ok((known, false))
}

/// The incidents that the merged change of a run caused, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run: Uuid) -> Result<Vec<Row>> {
    sqlx::query_as!(Row, "select * from incident where run_id = $1 order by id desc limit 100", run)
        .fetch_all(pool)
        .await
}

/// Says which run's merged change caused an incident, and how that is known; what was known before stays.
///
/// # Errors
/// When the database does not answer.
pub async fn set_blame(connection: &mut Connection, id: Uuid, run: Uuid, how: &Value) -> Result<bool> {
    let set = sqlx::query!(
        "update incident set run_id = $2, blame = $3 where id = $1 and run_id is null",
        id,
        run,
        how
    )
    .execute(connection)
    .await?;
    Ok(set.rows_affected() > 0)
}

/// The run of a repository that merged its change by this pull request.
///
/// # Errors
/// When the database does not answer.
pub async fn run_of_pull(pool: &Pool, repository: &str, pull: i64) -> Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "select id from run
         where repository = $1 and pull = $2 and state->'progress'->>'merged' is not null
         order by created_at desc limit 1",
        repository,
        pull
    )
    .fetch_optional(pool)
    .await
}

/// Whether a run merged its change into this repository.
///
/// # Errors
/// When the database does not answer.
pub async fn has_merged(pool: &Pool, repository: &str, run: Uuid) -> Result<bool> {
    let has = sqlx::query_scalar!(
        r#"select exists (select from run where id = $1 and lower(repository) = lower($2)
                                            and state->'progress'->>'merged' is not null) as "has!""#,
        run,
        repository
    );
    has.fetch_one(pool).await
}

/// Gives an incident another text, once more is known of it.
///
/// # Errors
/// When the database does not answer.
pub async fn retell(connection: &mut Connection, id: Uuid, title: &str, body: &str) -> Result<()> {
    sqlx::query!("update incident set title = $2, body = $3 where id = $1", id, title, body)
        .execute(connection)
        .await
        .map(|_| ())
}
