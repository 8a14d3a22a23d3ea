//! The products and their repositories.

use sqlx::types::Json;

use crate::core::{
    aftermath::RevertOnRed,
    judging::{Judging, Wanted},
    merge_method::MergeMethod,
    requirement::{ProductName, RepoName},
    reviewer::Setting,
};
use crate::store::{Connection, Pool, Result};

/// A product that requirements may be submitted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its name.
    pub name: String,
    /// The repository on the forge, `owner/name`.
    pub repository: String,
    /// The branch that changes are merged into.
    pub base_branch: String,
    /// The command that runs the product's tests in the sandbox; empty when there is none.
    pub test_command: Vec<String>,
    /// The maximum of open runs; `None`: any number.
    pub backlog: Option<i32>,
    /// The maximum of held jobs; `None`: any number.
    pub concurrency: Option<i32>,
    /// The app whose `Browser Evidence` counts, by slug or number; `None`: no app's.
    pub evidence_app: Option<String>,
    /// After this many minutes without progress a check has failed, where the policy does not say; `None`: 60.
    pub check_deadline_minutes: Option<i32>,
    /// How its pull requests are merged: `merge`, `squash` or `rebase`.
    pub merge_method: String,
    /// After this many hours of a wait for people, they are notified again; `None`: 24.
    pub answer_hours: Option<i16>,
    /// The objective for the time to the first pull request, in minutes; `None`: 30.
    pub first_pull_minutes: Option<i32>,
    /// The objective for the time to the merge, in minutes; `None`: 1,440.
    pub loop_minutes: Option<i32>,
    /// How many pull requests of ours may be open in its repository at once; `None`: [`OPEN_PULLS`].
    pub open_pulls: Option<i32>,
    /// Who reviews its pull requests; none: the built-in reviewer alone.
    pub reviewers: Json<Vec<Setting>>,
    /// Whether the pull requests of others are judged: `off`, `shadow` or `on`.
    pub judging: String,
    /// Whether theirs are merged by us once they are cleared.
    pub merges_theirs: bool,
    /// Whether the product's tests run here on their heads too.
    pub tests_theirs: bool,
    /// Who says whether its tests pass: `ours` or `forge`; `None`: ours where it says how it is tested.
    pub tests: Option<String>,
    /// For how many minutes the base's own checks are watched after a merge, 0 for not at all; `None`: 60.
    pub watch_minutes: Option<i16>,
    /// What follows when one of them has broken: `off`, `ask` or `open`.
    pub revert_on_red: String,
}

impl Product {
    /// Whether it judges the pull requests of others. The table admits no other words.
    #[must_use]
    pub fn judges(&self) -> Judging {
        self.judging.parse().unwrap_or_default()
    }

    /// What it wants of the pull requests of others.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        Wanted {
            judging: self.judges(),
            merges: self.merges_theirs,
            tests: self.tests_theirs,
            check_deadline_minutes: self.check_deadline_minutes.and_then(|it| u32::try_from(it).ok()),
            evidence_app: self.evidence_app.clone(),
        }
    }
}

/// How many pull requests of ours may be open in a repository at once, where its product does not say: more than people
/// look after, and few enough to close by hand.
pub const OPEN_PULLS: i32 = 50;

/// Creates or updates a product. Runs that started earlier keep their values. The number of a repository is kept as
/// long as the name stays the same, and is otherwise unknown.
///
/// # Errors
/// When the database does not answer.
pub async fn put(
    executor: impl sqlx::PgExecutor<'_>,
    name: &ProductName,
    repository: &RepoName,
    base_branch: &str,
    test_command: &[String],
) -> Result<()> {
    sqlx::query!(
        "insert into product (name, repository, base_branch, test_command) values ($1, $2, $3, $4)
         on conflict (name) do update
         set repository = excluded.repository, base_branch = excluded.base_branch,
             test_command = excluded.test_command, removed_at = null,
             repository_id = case when lower(product.repository) = lower(excluded.repository)
                                  then product.repository_id end",
        name.as_str(),
        repository.to_string(),
        base_branch,
        test_command
    )
    .execute(executor)
    .await
    .map(|_| ())
}

/// One product.
///
/// # Errors
/// When the database does not answer.
pub async fn get(executor: impl sqlx::PgExecutor<'_>, name: &str) -> Result<Option<Product>> {
    sqlx::query_as!(
        Product,
        r#"select name, repository, base_branch, test_command, backlog, evidence_app, check_deadline_minutes,
                merge_method, open_pulls, answer_hours, first_pull_minutes, loop_minutes, judging, merges_theirs,
                tests_theirs, tests, watch_minutes, revert_on_red, reviewers as "reviewers: _",
                (select most from key_limit where key = 'product:' || name) as concurrency
         from product where name = $1 and removed_at is null"#,
        name
    )
    .fetch_optional(executor)
    .await
}

/// Locks a product until the transaction ends, so that no other transaction changes it or opens a run of it in between.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(connection: &mut Connection, name: &str) -> Result<()> {
    sqlx::query!("select from product where name = $1 for update", name)
        .fetch_optional(connection)
        .await
        .map(|_| ())
}

/// Removes a product that was locked: nothing is accepted for it any more. What was recorded of it stays.
///
/// # Errors
/// When the database does not answer.
pub async fn remove(executor: impl sqlx::PgExecutor<'_>, name: &str) -> Result<()> {
    sqlx::query!(
        "update product set removed_at = now(), judging = 'off', merges_theirs = false where name = $1",
        name
    )
    .execute(executor)
    .await
    .map(|_| ())
}

/// Keeps a product from being removed until the transaction ends; false if it is removed already.
///
/// # Errors
/// When the database does not answer.
pub async fn hold(connection: &mut Connection, name: &str) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select true as "held!" from product where name = $1 and removed_at is null for key share"#,
        name
    )
    .fetch_optional(connection)
    .await
    .map(|held| held.is_some())
}

/// What still needs a product: how many of its runs are open, and how many schedules submit requirements for it.
///
/// # Errors
/// When the database does not answer.
pub async fn in_use(connection: &mut Connection, name: &str) -> Result<(i64, i64)> {
    let row = sqlx::query!(
        r#"select (select count(*) from run where product = $1 and status <> 'ended') as "runs!",
                  (select count(*) from schedule where product = $1 and next_at is not null) as "schedules!""#,
        name
    )
    .fetch_one(connection)
    .await?;
    Ok((row.runs, row.schedules))
}

/// All products, sorted by name.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool) -> Result<Vec<Product>> {
    sqlx::query_as!(
        Product,
        r#"select name, repository, base_branch, test_command, backlog, evidence_app, check_deadline_minutes,
                merge_method, open_pulls, answer_hours, first_pull_minutes, loop_minutes, judging, merges_theirs,
                tests_theirs, tests, watch_minutes, revert_on_red, reviewers as "reviewers: _",
                (select most from key_limit where key = 'product:' || name) as concurrency
         from product where removed_at is null order by name"#
    )
    .fetch_all(pool)
    .await
}

/// Sets how the pull requests of a product are merged.
///
/// # Errors
/// When the database does not answer.
pub async fn merge_by(
    executor: impl sqlx::PgExecutor<'_>,
    name: &ProductName,
    method: MergeMethod,
) -> Result<()> {
    sqlx::query!("update product set merge_method = $2 where name = $1", name.as_str(), method.as_str())
        .execute(executor)
        .await
        .map(|_| ())
}

/// Sets after how many hours of a wait for people they are notified again, 1 to 720; `None`: 24.
///
/// # Errors
/// When the database does not answer.
pub async fn remind_after(
    executor: impl sqlx::PgExecutor<'_>,
    name: &ProductName,
    hours: Option<i16>,
) -> Result<()> {
    sqlx::query!("update product set answer_hours = $2 where name = $1", name.as_str(), hours)
        .execute(executor)
        .await
        .map(|_| ())
}

/// Sets the objectives of a product's loop, in minutes, 1 to 525,600: from the submission to the first pull request, and to
/// the merge; `None`: 30, and 1,440. Runs that are counted already keep those that held then.
///
/// # Errors
/// When the database does not answer.
pub async fn aim(
    executor: impl sqlx::PgExecutor<'_>,
    name: &ProductName,
    (first_pull, whole): (Option<i32>, Option<i32>),
) -> Result<()> {
    sqlx::query!(
        "update product set first_pull_minutes = $2, loop_minutes = $3 where name = $1",
        name.as_str(),
        first_pull,
        whole
    )
    .execute(executor)
    .await
    .map(|_| ())
}

/// Sets how many pull requests of ours may be open in a product's repository at once; `None`: [`OPEN_PULLS`].
///
/// # Errors
/// When the database does not answer.
pub async fn cap_pulls(
    executor: impl sqlx::PgExecutor<'_>,
    name: &ProductName,
    most: Option<i32>,
) -> Result<()> {
    sqlx::query!("update product set open_pulls = $2 where name = $1", name.as_str(), most)
        .execute(executor)
        .await
        .map(|_| ())
}

/// Sets who reviews the pull requests of a product; none: the built-in reviewer alone.
///
/// # Errors
/// When the database does not answer.
pub async fn review_by(
    executor: impl sqlx::PgExecutor<'_>,
    name: &ProductName,
    reviewers: &[Setting],
) -> Result<()> {
    sqlx::query!("update product set reviewers = $2 where name = $1", name.as_str(), Json(reviewers) as _)
        .execute(executor)
        .await
        .map(|_| ())
}

/// Sets what becomes of the pull requests that others open: whether they are judged, whether they are merged by us once
/// they are cleared, and whether the product's tests run here on them.
///
/// # Errors
/// When the database does not answer.
pub async fn judge_theirs(
    executor: impl sqlx::PgExecutor<'_>,
    name: &ProductName,
    judging: Judging,
    (merges, tests): (bool, bool),
) -> Result<()> {
    sqlx::query!(
        "update product set judging = $2, merges_theirs = $3, tests_theirs = $4 where name = $1",
        name.as_str(),
        judging.as_str(),
        merges,
        tests
    )
    .execute(executor)
    .await
    .map(|_| ())
}

/// Sets who says whether a product's tests pass: `ours` or `forge`; `None`: ours where it says how it is tested.
///
/// # Errors
/// When the database does not answer.
pub async fn test_by(
    executor: impl sqlx::PgExecutor<'_>,
    name: &ProductName,
    tests: Option<&str>,
) -> Result<()> {
    sqlx::query!("update product set tests = $2 where name = $1", name.as_str(), tests)
        .execute(executor)
        .await
        .map(|_| ())
}

/// Sets for how many minutes the base's own checks are watched after a merge of a product, 0 to 1440; `None`: 60. And what
/// follows when one of them has broken.
///
/// # Errors
/// When the database does not answer.
pub async fn watch(
    executor: impl sqlx::PgExecutor<'_>,
    name: &ProductName,
    minutes: Option<i16>,
    then: RevertOnRed,
) -> Result<()> {
    sqlx::query!(
        "update product set watch_minutes = $2, revert_on_red = $3 where name = $1",
        name.as_str(),
        minutes,
        then.as_str()
    )
    .execute(executor)
    .await
    .map(|_| ())
}

/// The first product, by name, of one of these repositories with this base branch that judges what others open.
///
/// # Errors
/// When the database does not answer.
pub async fn that_judges(
    connection: &mut Connection,
    repositories: &[String],
    base_branch: &str,
) -> Result<Option<Product>> {
    sqlx::query_as!(
        Product,
        r#"select name, repository, base_branch, test_command, backlog, evidence_app, check_deadline_minutes,
                merge_method, open_pulls, answer_hours, first_pull_minutes, loop_minutes, judging, merges_theirs,
                tests_theirs, tests, watch_minutes, revert_on_red, reviewers as "reviewers: _",
                (select most from key_limit where key = 'product:' || name) as concurrency
         from product
         where repository = any($1) and base_branch = $2 and judging <> 'off' and removed_at is null
         order by name limit 1"#,
        repositories,
        base_branch
    )
    .fetch_optional(connection)
    .await
}

/// The products of a repository with this base branch, sorted by name. Letter case does not count in the repository's name.
///
/// # Errors
/// When the database does not answer.
pub async fn registered(
    executor: impl sqlx::PgExecutor<'_>,
    repository: &str,
    base_branch: &str,
) -> Result<Vec<Product>> {
    sqlx::query_as!(
        Product,
        r#"select name, repository, base_branch, test_command, backlog, evidence_app, check_deadline_minutes,
                merge_method, open_pulls, answer_hours, first_pull_minutes, loop_minutes, judging, merges_theirs,
                tests_theirs, tests, watch_minutes, revert_on_red, reviewers as "reviewers: _",
                (select most from key_limit where key = 'product:' || name) as concurrency
         from product
         where lower(repository) = lower($1) and base_branch = $2 and removed_at is null order by name"#,
        repository,
        base_branch
    )
    .fetch_all(executor)
    .await
}

/// Sets the maximum of open runs of a product; `None`: any number.
///
/// # Errors
/// When the database does not answer.
pub async fn cap(
    executor: impl sqlx::PgExecutor<'_>,
    name: &ProductName,
    backlog: Option<i32>,
) -> Result<()> {
    sqlx::query!("update product set backlog = $2 where name = $1", name.as_str(), backlog)
        .execute(executor)
        .await
        .map(|_| ())
}

/// Sets what a product says about checks: the app whose evidence counts, and the deadline in minutes.
///
/// # Errors
/// When the database does not answer.
pub async fn set_checks(
    executor: impl sqlx::PgExecutor<'_>,
    name: &ProductName,
    evidence_app: Option<&str>,
    check_deadline_minutes: Option<i32>,
) -> Result<()> {
    sqlx::query!(
        "update product set evidence_app = $2, check_deadline_minutes = $3 where name = $1",
        name.as_str(),
        evidence_app,
        check_deadline_minutes
    )
    .execute(executor)
    .await
    .map(|_| ())
}

/// The maximum of open runs of a product and how many about its requirements are open; `None` without a limit. With a limit, the product is
/// locked until the transaction ends, so that no other transaction opens a run in between.
///
/// # Errors
/// When the database does not answer.
pub async fn open_runs(connection: &mut Connection, name: &str) -> Result<Option<(i32, i64)>> {
    // The count must see what was committed while this waited for the lock, so it is a statement of its own.
    let locked = sqlx::query_scalar!(
        r#"select backlog as "backlog!" from product where name = $1 and backlog is not null
           for no key update"#,
        name
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(most) = locked else { return Ok(None) };
    let open = sqlx::query_scalar!(
        r#"select count(*) as "open!" from run
           where product = $1 and status <> 'ended' and subject_kind <> 'pull'"#,
        name
    )
    .fetch_one(connection)
    .await?;
    Ok(Some((most, open)))
}
