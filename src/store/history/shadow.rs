//! What a product in shadow mode would have done, beside what became of the pull requests.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::store::{Pool, Result};

/// A decision to record.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// The run.
    pub run: Uuid,
    /// The product.
    pub product: &'a str,
    /// The repository, `owner/name`.
    pub repository: &'a str,
    /// The pull request.
    pub pull: i64,
    /// The head that was judged.
    pub head: &'a str,
    /// Its tier.
    pub tier: &'a str,
    /// The decision, as [`crate::core::policy::Decision`] names it.
    pub decision: &'a str,
    /// The decision in a sentence.
    pub sentence: &'a str,
}

/// A decision, and what became of the pull request at its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The run.
    pub run_id: Uuid,
    /// The pull request.
    pub pull: i64,
    /// The head that was judged.
    pub head_sha: String,
    /// Its tier.
    pub tier: String,
    /// The decision.
    pub decision: String,
    /// The decision in a sentence.
    pub sentence: String,
    /// When it was made.
    pub decided_at: DateTime<Utc>,
    /// `merged`, `closed` or `pushed`; `None` while the pull request is open at this head.
    pub became: Option<String>,
    /// Who did that, as far as the forge says.
    pub became_by: Option<String>,
    /// When that was seen.
    pub became_at: Option<DateTime<Utc>>,
}

/// How the last decision on each pull request compares with what people did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cleared, and merged by people.
    pub cleared_and_merged: i64,
    /// Not cleared, and merged all the same.
    pub held_and_merged: i64,
    /// Blocked, and closed without a merge.
    pub blocked_and_closed: i64,
    /// Closed without a merge and not blocked, which says nothing of the decision.
    pub closed_otherwise: i64,
    /// Still open.
    pub open: i64,
}

/// Records a decision, unless the last one of the run for the product says the same of this head.
///
/// # Errors
/// When the database does not answer.
pub async fn record(pool: &Pool, new: &New<'_>) -> Result<()> {
    sqlx::query!(
        "with last as (select head_sha, decision, sentence from shadow_decision
                       where run_id = $1 and product = $2 order by id desc limit 1)
         insert into shadow_decision (run_id, product, repository, pull, head_sha, tier, decision, sentence)
         select $1, $2, $3, $4, $5, $6, $7, $8
         where not exists (select from last where (head_sha, decision, sentence) = ($5, $7, $8))",
        new.run,
        new.product,
        new.repository,
        new.pull,
        new.head,
        new.tier,
        new.decision,
        new.sentence
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// Records what became of a run's pull request; decisions of which that is known already keep it. `pushed` is of the
/// decisions on other heads than `head` only.
///
/// # Errors
/// When the database does not answer.
pub async fn became(pool: &Pool, run: Uuid, became: &str, by: Option<&str>, head: &str) -> Result<()> {
    sqlx::query!(
        "update shadow_decision set became = $2, became_by = $3, became_at = clock_timestamp()
         where run_id = $1 and became is null and ($2 <> 'pushed' or head_sha <> $4)",
        run,
        became,
        by,
        head
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// The newest decisions of a product, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn newest(pool: &Pool, product: &str, limit: i64) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        "select run_id, pull, head_sha, tier, decision, sentence, decided_at, became, became_by, became_at
         from shadow_decision where product = $1 order by id desc limit $2",
        product,
        limit
    )
    .fetch_all(pool)
    .await
}

/// How often the last decision on a pull request was what people did.
///
/// # Errors
/// When the database does not answer.
pub async fn counts(pool: &Pool, product: &str) -> Result<Counts> {
    sqlx::query_as!(
        Counts,
        r#"with last as (
               select distinct on (run_id) decision, became from shadow_decision where product = $1
               order by run_id, id desc
           )
           select count(*) filter (where became = 'merged' and decision = 'clear') as "cleared_and_merged!",
                  count(*) filter (where became = 'merged' and decision <> 'clear') as "held_and_merged!",
                  count(*) filter (where became = 'closed' and decision = 'blocked') as "blocked_and_closed!",
                  count(*) filter (where became = 'closed' and decision <> 'blocked') as "closed_otherwise!",
                  count(*) filter (where became is null or became = 'pushed') as "open!"
           from last"#,
        product
    )
    .fetch_one(pool)
    .await
}
