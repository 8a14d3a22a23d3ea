//! What our own runs of products' tests came to: by tree, shared between runs, and by run, for people.

use chrono::{DateTime, Utc};
use sqlx::types::Json;
use uuid::Uuid;

use crate::{
    core::{sha::Sha, tested::Tested},
    store::{Pool, Result},
};

/// A tree and the way in which it is tested.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The repository, `owner/name`.
    pub repository: &'a str,
    /// The tree.
    pub tree: &'a Sha,
    /// The digest of how the product is tested.
    pub plan: &'a str,
}

/// Why a commit was tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It is an answer of the model that was never pushed.
    Draft,
    /// It is a head.
    Head,
    /// The head forked from the base there.
    Fork,
    /// It is the head's code with the tests of where it forked.
    ForkTests,
    /// It is the code of where it forked with the harness cases of the head.
    Case,
}

impl Purpose {
    /// The name in tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Head => "head",
            Self::Fork => "fork",
            Self::ForkTests => "fork_tests",
            Self::Case => "case",
        }
    }
}

/// A run of the tests that a run of a workflow had run.
#[derive(Debug, Clone)]
pub struct Row {
    /// The commit; the head for its code with the tests of where it forked.
    pub commit_sha: String,
    /// Why, as [`Purpose`] names it.
    pub purpose: String,
    /// What it came to.
    pub tested: Json<Tested>,
    /// When that was recorded first.
    pub at: DateTime<Utc>,
}

/// What a tree came to last, and how many seconds ago.
///
/// # Errors
/// When the database does not answer.
pub async fn get(pool: &Pool, place: Place<'_>) -> Result<Option<(Tested, f64)>> {
    let row = sqlx::query!(
        r#"select tested as "tested: Json<Tested>", extract(epoch from now() - at)::float8 as "age!"
           from test_run where repository = $1 and tree_sha = $2 and plan = $3"#,
        place.repository,
        place.tree.as_str(),
        place.plan
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| (row.tested.0, row.age)))
}

/// Records what a tree came to, over what it came to before; forgets a few that are older than 30 days.
///
/// # Errors
/// When the database does not answer.
pub async fn put(pool: &Pool, place: Place<'_>, tested: &Tested) -> Result<()> {
    sqlx::query!(
        "insert into test_run (repository, tree_sha, plan, tested) values ($1, $2, $3, $4)
         on conflict (repository, tree_sha, plan) do update set tested = excluded.tested, at = now()",
        place.repository,
        place.tree.as_str(),
        place.plan,
        Json(tested) as _
    )
    .execute(pool)
    .await?;
    sqlx::query!(
        "delete from test_run where ctid = any (array(
             select ctid from test_run where at < now() - interval '30 days' limit 100 for update skip locked))"
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// Keeps what a run had run, for people.
///
/// # Errors
/// When the database does not answer.
pub async fn note(pool: &Pool, run: Uuid, commit: &Sha, purpose: Purpose, tested: &Tested) -> Result<()> {
    sqlx::query!(
        "insert into run_test (run_id, commit_sha, purpose, tested) values ($1, $2, $3, $4)
         on conflict (run_id, commit_sha, purpose) do update set tested = excluded.tested, at = now()
         where run_test.tested <> excluded.tested",
        run,
        commit.as_str(),
        purpose.as_str(),
        Json(tested) as _
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// What a run had run, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run: Uuid) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select commit_sha, purpose, tested as "tested: _", at from run_test
           where run_id = $1 order by at desc, purpose limit 200"#,
        run
    )
    .fetch_all(pool)
    .await
}
