//! Rounds of questions that runs asked, and what people answered.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::store::{Connection, Pool, Result};

/// A round of questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Round {
    /// Its run.
    pub run_id: Uuid,
    /// Its number in the run, from 1.
    pub round: i32,
    /// The step that asks.
    pub step: String,
    /// The questions.
    pub questions: Vec<String>,
    /// When they were asked.
    pub asked_at: DateTime<Utc>,
    /// The answers, one for each question or one for all; `None` while there are none.
    pub answers: Option<Vec<String>>,
    /// Who answered.
    pub answered_by: Option<String>,
    /// When.
    pub answered_at: Option<DateTime<Utc>>,
    /// When the requirement was amended while nobody had answered.
    pub withdrawn_at: Option<DateTime<Utc>>,
}

impl Round {
    /// Whether it still waits for answers.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.answered_at.is_none() && self.withdrawn_at.is_none()
    }
}

/// Stores a round of questions.
///
/// # Errors
/// When the run asked this round before.
pub async fn ask(
    connection: &mut Connection,
    run: Uuid,
    round: i32,
    step: &str,
    questions: &[String],
) -> Result<()> {
    sqlx::query!(
        "insert into question_round (run_id, round, step, questions) values ($1, $2, $3, $4)",
        run,
        round,
        step,
        questions
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Stores the answers to a round; false if it is not open.
///
/// # Errors
/// When the database does not answer.
pub async fn answer(
    connection: &mut Connection,
    run: Uuid,
    round: i32,
    answers: &[String],
    by: &str,
) -> Result<bool> {
    sqlx::query!(
        "update question_round set answers = $3, answered_by = $4, answered_at = now()
         where run_id = $1 and round = $2 and answered_at is null and withdrawn_at is null",
        run,
        round,
        answers,
        by
    )
    .execute(connection)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Withdraws the open round of a run, if it has one.
///
/// # Errors
/// When the database does not answer.
pub async fn withdraw(connection: &mut Connection, run: Uuid) -> Result<()> {
    sqlx::query!(
        "update question_round set withdrawn_at = now()
         where run_id = $1 and answered_at is null and withdrawn_at is null",
        run
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// The last round of a run.
///
/// # Errors
/// When the database does not answer.
pub async fn last(executor: impl PgExecutor<'_>, run: Uuid) -> Result<Option<Round>> {
    sqlx::query_as!(
        Round,
        "select run_id, round, step, questions, asked_at, answers, answered_by, answered_at, withdrawn_at
         from question_round where run_id = $1 order by round desc limit 1",
        run
    )
    .fetch_optional(executor)
    .await
}

/// The rounds of a run, the first one first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run: Uuid) -> Result<Vec<Round>> {
    sqlx::query_as!(
        Round,
        "select run_id, round, step, questions, asked_at, answers, answered_by, answered_at, withdrawn_at
         from question_round where run_id = $1 order by round",
        run
    )
    .fetch_all(pool)
    .await
}

/// The answered rounds of all runs of a requirement, the first one first: what people answered counts for its forks too.
///
/// # Errors
/// When the database does not answer.
pub async fn answered(pool: &Pool, requirement: Uuid) -> Result<Vec<Round>> {
    sqlx::query_as!(
        Round,
        "select run_id, round, step, questions, asked_at, answers, answered_by, answered_at, withdrawn_at
         from question_round
         where run_id = any (array(select id from run where requirement_id = $1)) and answered_at is not null
         order by answered_at, run_id, round",
        requirement
    )
    .fetch_all(pool)
    .await
}
