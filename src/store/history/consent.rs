//! What people say to the dependencies that heads bring. A row is one time that they are asked.
//!
//! What was said to earlier runs on the same branch counts for a fork, as opinions do.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, types::Json};
use uuid::Uuid;

use crate::core::{consent::Consent, dependency::DependencyList, sha::Sha};
use crate::store::{Connection, Pool, Result, audit::Author};

/// A set of dependencies that a run asks people about.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its number, in ascending order.
    pub id: i64,
    /// The run that asks.
    pub run_id: Uuid,
    /// The step that waits.
    pub step: String,
    /// What names the set.
    pub digest: String,
    /// The head that brings it; `None` for a change that nobody has pushed.
    pub head_sha: Option<String>,
    /// What it changes against the base.
    pub list: Json<DependencyList>,
    /// When it was asked.
    pub asked_at: DateTime<Utc>,
    /// `yes` or `no`; `None` while nobody has answered.
    pub answer: Option<String>,
    /// Who answered.
    pub answered_by: Option<String>,
    /// Their login on the forge.
    pub forge_login: Option<String>,
    /// The forge's number of that account, if it is known.
    pub forge_account: Option<i64>,
    /// Why.
    pub reason: Option<String>,
    /// When it was answered.
    pub answered_at: Option<DateTime<Utc>>,
    /// When another set took its place.
    pub withdrawn_at: Option<DateTime<Utc>>,
    /// Whether the key that answered was revoked since.
    pub is_revoked: bool,
}

/// A set of dependencies to ask people about.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// The run.
    pub run: Uuid,
    /// The step that waits.
    pub step: &'a str,
    /// What names the set.
    pub digest: &'a str,
    /// The head that brings it.
    pub head: Option<&'a Sha>,
    /// What it changes against the base.
    pub list: &'a DependencyList,
}

/// An answer to store.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// What is said.
    pub consent: Consent,
    /// Who says it.
    pub by: Author<'a>,
    /// Their login on the forge.
    pub login: &'a str,
    /// Why.
    pub reason: Option<&'a str>,
}

impl Row {
    /// Whether nobody has answered it, and no other set took its place.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.answered_at.is_none() && self.withdrawn_at.is_none()
    }

    /// What was said; a `check` of the column allows only what is known.
    #[must_use]
    pub fn answer(&self) -> Option<Consent> {
        self.answer.as_ref().and_then(|answer| answer.parse().ok())
    }
}

/// Asks about a set; what the run asked before and nobody answered is withdrawn.
///
/// # Errors
/// When the database does not answer.
pub async fn ask(connection: &mut Connection, new: &New<'_>) -> Result<()> {
    sqlx::query!(
        "update consent set withdrawn_at = clock_timestamp()
         where run_id = $1 and answer is null and withdrawn_at is null",
        new.run
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "insert into consent (run_id, step, digest, head_sha, list) values ($1, $2, $3, $4, $5)",
        new.run,
        new.step,
        new.digest,
        new.head.map(Sha::as_str),
        Json(new.list) as _
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Stores the answer to a question; false if it has one.
///
/// # Errors
/// When the database does not answer.
pub async fn answer(connection: &mut Connection, run: Uuid, id: i64, answer: &Answer<'_>) -> Result<bool> {
    sqlx::query!(
        "update consent set answer = $3, answered_by = $4, key_id = $5, forge_login = $6, reason = $7,
                            answered_at = clock_timestamp(),
                            forge_account = (select forge_account from person where lower(forge_login) = lower($6))
         where run_id = $1 and id = $2 and answer is null and withdrawn_at is null",
        run,
        id,
        answer.consent.as_str(),
        answer.by.person,
        answer.by.key,
        answer.login,
        answer.reason
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// What was last asked about this set, by the run or an earlier one on its branch.
///
/// # Errors
/// When the database does not answer.
pub async fn newest_of_set(executor: impl PgExecutor<'_>, run: Uuid, digest: &str) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select c.id, c.run_id, c.step, c.digest, c.head_sha, c.list as "list: Json<DependencyList>", c.asked_at,
                  c.answer, c.answered_by, c.forge_login, c.forge_account, c.reason, c.answered_at, c.withdrawn_at,
                  coalesce(k.revoked_at is not null, false) as "is_revoked!"
           from consent c
           left join api_key k on k.id = c.key_id
           where c.run_id = any (lineage($1)) and c.digest = $2 and c.withdrawn_at is null
           order by c.id desc limit 1"#,
        run,
        digest
    )
    .fetch_optional(executor)
    .await
}

/// What a run asked last.
///
/// # Errors
/// When the database does not answer.
pub async fn last(executor: impl PgExecutor<'_>, run: Uuid) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select c.id, c.run_id, c.step, c.digest, c.head_sha, c.list as "list: Json<DependencyList>", c.asked_at,
                  c.answer, c.answered_by, c.forge_login, c.forge_account, c.reason, c.answered_at, c.withdrawn_at,
                  coalesce(k.revoked_at is not null, false) as "is_revoked!"
           from consent c
           left join api_key k on k.id = c.key_id
           where c.run_id = $1
           order by c.id desc limit 1"#,
        run
    )
    .fetch_optional(executor)
    .await
}

/// Everything that a run asked, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run: Uuid) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select c.id, c.run_id, c.step, c.digest, c.head_sha, c.list as "list: Json<DependencyList>", c.asked_at,
                  c.answer, c.answered_by, c.forge_login, c.forge_account, c.reason, c.answered_at, c.withdrawn_at,
                  coalesce(k.revoked_at is not null, false) as "is_revoked!"
           from consent c
           left join api_key k on k.id = c.key_id
           where c.run_id = $1
           order by c.id"#,
        run
    )
    .fetch_all(pool)
    .await
}
