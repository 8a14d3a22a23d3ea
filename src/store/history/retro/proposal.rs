//! Proposals: what comes of causes that come again and again, and what people say to it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::core::retro::{MOST_NOTES, ProposalKind};
use crate::store::{Connection, Pool, Result};

/// A proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The id, in the order of filing.
    pub id: Uuid,
    /// The product.
    pub product: String,
    /// The key of the cause.
    pub cause: String,
    /// `policy_pattern`, `harness_case` or `prompt_note`.
    pub kind: String,
    /// It in a line.
    pub title: String,
    /// What to change.
    pub body: String,
    /// The runs behind it when it was filed, the newest first; retention may have deleted some.
    pub runs: Vec<Uuid>,
    /// `open`, `accepted` or `dismissed`.
    pub state: String,
    /// When it was filed.
    pub filed_at: DateTime<Utc>,
    /// As what kind it was accepted.
    pub accepted_as: Option<String>,
    /// The text that was accepted.
    pub note: Option<String>,
    /// Who accepted or dismissed it last.
    pub decided_by: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub decided_at: Option<DateTime<Utc>>,
}

/// Which proposals are listed.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those of these products.
    pub products: Option<Vec<String>>,
    /// Only those that are `open`, `accepted` or `dismissed`.
    pub state: Option<String>,
    /// Only those that were filed before this one.
    pub before: Option<Uuid>,
    /// The most of them.
    pub limit: i64,
}

/// Proposals, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool, filter: &Filter) -> Result<Vec<Row>> {
    let (products, state) = (filter.products.as_deref(), filter.state.as_deref());
    sqlx::query_file_as!(
        Row,
        "src/store/history/retro/proposal_list.sql",
        None::<Uuid>,
        products,
        state,
        filter.before,
        filter.limit
    )
    .fetch_all(pool)
    .await
}

/// One proposal.
///
/// # Errors
/// When the database does not answer.
pub async fn get(executor: impl sqlx::PgExecutor<'_>, id: Uuid) -> Result<Option<Row>> {
    sqlx::query_file_as!(
        Row,
        "src/store/history/retro/proposal_list.sql",
        Some(id),
        None::<&[String]>,
        None::<String>,
        None::<Uuid>,
        1_i64
    )
    .fetch_optional(executor)
    .await
}

/// Accepts an open proposal as a kind, with this text; whether it was open.
///
/// # Errors
/// When the database does not answer.
pub async fn accept(
    connection: &mut Connection,
    id: Uuid,
    (kind, note): (ProposalKind, &str),
    (by, reason): (&str, &str),
) -> Result<bool> {
    let accepted = sqlx::query!(
        "update proposal
         set state = 'accepted', accepted_as = $2, note = $3, decided_by = $4, reason = $5, decided_at = now()
         where id = $1 and state = 'open'",
        id,
        kind.as_str(),
        note,
        by,
        reason
    )
    .execute(connection)
    .await?;
    Ok(accepted.rows_affected() > 0)
}

/// Dismisses a proposal, also one that was accepted: its note is shown no more. Whether it was not dismissed before.
///
/// # Errors
/// When the database does not answer.
pub async fn dismiss(connection: &mut Connection, id: Uuid, by: &str, reason: &str) -> Result<bool> {
    let dismissed = sqlx::query!(
        "update proposal set state = 'dismissed', decided_by = $2, reason = $3, decided_at = now()
         where id = $1 and state <> 'dismissed'",
        id,
        by,
        reason
    )
    .execute(connection)
    .await?;
    Ok(dismissed.rows_affected() > 0)
}

/// A note that prompts show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// The proposal.
    pub id: Uuid,
    /// The text.
    pub text: String,
}

/// The notes that prompts of products show, the newest first, at most [`MOST_NOTES`]: those that were accepted by a time, or by
/// now.
///
/// # Errors
/// When the database does not answer.
pub async fn notes(pool: &Pool, products: &[String], by: Option<DateTime<Utc>>) -> Result<Vec<Noted>> {
    sqlx::query_as!(
        Noted,
        r#"select id, note as "text!" from proposal
           where product = any($1) and state = 'accepted' and accepted_as = 'prompt_note'
             and decided_at <= coalesce($2, now())
           order by decided_at desc, id desc limit $3"#,
        products,
        by,
        i64::try_from(MOST_NOTES).unwrap_or(i64::MAX)
    )
    .fetch_all(pool)
    .await
}

/// Which of these runs still exist.
///
/// # Errors
/// When the database does not answer.
pub async fn existing(pool: &Pool, runs: &[Uuid]) -> Result<Vec<Uuid>> {
    sqlx::query_scalar!("select id from run where id = any($1)", runs).fetch_all(pool).await
}

/// Takes the oldest proposal of which no notice was made; it is noticed once the transaction commits.
///
/// # Errors
/// When the database does not answer.
pub async fn notice(connection: &mut Connection) -> Result<Option<Row>> {
    let id = sqlx::query_scalar!(
        "update proposal set noticed_at = now()
         where id = (select id from proposal where noticed_at is null order by id limit 1 for update skip locked)
         returning id"
    )
    .fetch_optional(&mut *connection)
    .await?;
    match id {
        Some(id) => get(connection, id).await,
        None => Ok(None),
    }
}
