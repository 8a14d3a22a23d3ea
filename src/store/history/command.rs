//! Comments that were read as commands, each once, and how they are answered.

use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// A command to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// The forge's number of the comment.
    pub comment_id: i64,
    /// The run.
    pub run: Uuid,
    /// Who wrote it, as the forge calls them now.
    pub login: &'a str,
    /// The forge's number of their account.
    pub account: i64,
    /// The verb, as it is named.
    pub verb: &'a str,
}

/// What became of a command, and how it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `done`, `refused`, `not_permitted` or `unknown`.
    pub outcome: &'static str,
    /// The reaction to the comment, as the forge names it.
    pub reaction: Option<&'static str>,
    /// A line of ours.
    pub reply: Option<String>,
}

/// A command whose answer is not on the forge yet.
#[derive(Debug, Clone)]
pub struct Unanswered {
    /// The comment.
    pub comment_id: i64,
    /// The verb, as it is named.
    pub verb: String,
    /// The reaction to the comment.
    pub reaction: Option<String>,
    /// A line of ours.
    pub reply: Option<String>,
}

/// Whether a comment was read as a command before.
///
/// # Errors
/// When the database does not answer.
pub async fn is_known(pool: &Pool, comment_id: i64) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from command where comment_id = $1) as "known!""#,
        comment_id
    )
    .fetch_one(pool)
    .await
}

/// Records a command with its answer; false if the comment is recorded already.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(connection: &mut Connection, new: &New<'_>, answer: &Answer) -> Result<bool> {
    let stored = sqlx::query!(
        "insert into command (comment_id, run_id, login, account, verb, outcome, reaction, reply)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict (comment_id) do nothing",
        new.comment_id,
        new.run,
        new.login,
        new.account,
        new.verb,
        answer.outcome,
        answer.reaction,
        answer.reply
    )
    .execute(connection)
    .await?;
    Ok(stored.rows_affected() == 1)
}

/// Replaces the answer of a command that the same transaction recorded.
///
/// # Errors
/// When the database does not answer.
pub async fn set_answer(connection: &mut Connection, comment_id: i64, answer: &Answer) -> Result<()> {
    sqlx::query!(
        "update command set outcome = $2, reaction = $3, reply = $4 where comment_id = $1",
        comment_id,
        answer.outcome,
        answer.reaction,
        answer.reply
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// How many commands to a run were not permitted.
///
/// # Errors
/// When the database does not answer.
pub async fn not_permitted(connection: &mut Connection, run: Uuid) -> Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from command where run_id = $1 and outcome = 'not_permitted'"#,
        run
    )
    .fetch_one(connection)
    .await
}

/// The commands to a run that are still to be answered, oldest first, at most 100.
///
/// # Errors
/// When the database does not answer.
pub async fn unanswered(pool: &Pool, run: Uuid) -> Result<Vec<Unanswered>> {
    sqlx::query_as!(
        Unanswered,
        "select comment_id, verb, reaction, reply from command
         where run_id = $1 and answered_at is null order by comment_id limit 100",
        run
    )
    .fetch_all(pool)
    .await
}

/// Records that the answer is on the forge.
///
/// # Errors
/// When the database does not answer; it is then looked for again.
pub async fn answered(pool: &Pool, comment_id: i64) -> Result<()> {
    sqlx::query!("update command set answered_at = now() where comment_id = $1", comment_id)
        .execute(pool)
        .await
        .map(|_| ())
}
