//! What became of a product's newest runs, and how right its reviewers were, for the product's page.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::store::{Pool, Result, blob};

/// The most runs that are counted: the newest ones.
pub const RUNS: i64 = 1_000;
/// Runs that began longer ago than this many days are not counted.
pub const DAYS: i32 = 30;

/// What became of the counted runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Runs {
    /// They are still open.
    pub open: i64,
    /// They ended as intended.
    pub succeeded: i64,
    /// They ended because a person is needed.
    pub blocked: i64,
    /// They failed.
    pub failed: i64,
    /// A person cancelled them, or closed their pull request.
    pub cancelled: i64,
}

/// What one reviewer found in the counted runs, of one severity. A finding that was seen on several heads counts once,
/// by what became of it last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The reviewer, by its name; `builtin` also where it was alone.
    pub reviewer: String,
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub severity: String,
    /// All of them.
    pub found: i64,
    /// A later commit fixed it, by the reviewer's own word.
    pub fixed: i64,
    /// A person dismissed it: the reviewer was wrong.
    pub dismissed: i64,
    /// A later review no longer found it, and nothing had changed there.
    pub gone: i64,
    /// It is open, or the run ended with it.
    pub open: i64,
}

/// One reviewer's reviews of the counted runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reviews {
    /// The reviewer, by its name.
    pub reviewer: String,
    /// Complete ones.
    pub complete: i64,
    /// Those that failed or did not come in time, and so were never clean.
    pub failed: i64,
}

/// The last judgement of a product's changes.
#[derive(Debug, Clone)]
pub struct Judged {
    /// When.
    pub at: DateTime<Utc>,
    /// The facts, as `core::policy::Facts` writes them.
    pub facts: Value,
}

/// What became of a product's newest runs.
///
/// # Errors
/// When the database does not answer.
pub async fn runs(pool: &Pool, product: &str) -> Result<Runs> {
    sqlx::query_as!(
        Runs,
        r#"select count(*) filter (where ended_as is null) as "open!",
                  count(*) filter (where ended_as = 'succeeded') as "succeeded!",
                  count(*) filter (where ended_as = 'blocked') as "blocked!",
                  count(*) filter (where ended_as = 'failed') as "failed!",
                  count(*) filter (where ended_as = 'cancelled') as "cancelled!"
           from (select ended_as from run
                 where product = $1 and created_at > now() - make_interval(days => $2)
                 order by created_at desc limit $3) newest"#,
        product,
        DAYS,
        RUNS
    )
    .fetch_one(pool)
    .await
}

/// The reviews of a product's newest runs, by reviewer.
///
/// # Errors
/// When the database does not answer.
pub async fn reviews(pool: &Pool, product: &str) -> Result<Vec<Reviews>> {
    sqlx::query_file_as!(Reviews, "src/store/history/overview_reviews.sql", product, DAYS, RUNS)
        .fetch_all(pool)
        .await
}

/// What the reviews of a product's newest runs found, by reviewer, the gravest first.
///
/// # Errors
/// When the database does not answer.
pub async fn findings(pool: &Pool, product: &str) -> Result<Vec<Found>> {
    sqlx::query_file_as!(Found, "src/store/history/overview_findings.sql", product, DAYS, RUNS)
        .fetch_all(pool)
        .await
}

/// The last judgement of a product's changes; `None` if none was judged, or it was long ago and is archived.
///
/// # Errors
/// When the database does not answer.
pub async fn judged(pool: &Pool, product: &str) -> Result<Option<Judged>> {
    let row = sqlx::query_as!(
        Judged,
        "select assessment.assessed_at as at, assessment.facts
         from (select id from run where product = $1 order by created_at desc limit $2) newest
              join assessment on assessment.run_id = newest.id
         order by assessment.id desc limit 1",
        product,
        RUNS
    )
    .fetch_optional(pool)
    .await?;
    let Some(mut judged) = row else { return Ok(None) };
    blob::restore(pool, vec![&mut judged.facts]).await?;
    Ok(Some(judged))
}
