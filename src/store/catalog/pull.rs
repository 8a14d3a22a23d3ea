//! Pull requests that others opened: the subjects of runs which judge them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::core::{
    pull::{Description, Judged},
    sha::Sha,
};
use crate::store::{Connection, Pool, Result};

/// The most bytes of a description that are kept; of a longer one the rest is cut off.
const BODY_LIMIT: usize = 65_536;
/// The most characters of a title that are kept.
const TITLE_LIMIT: usize = 300;

/// A pull request that others opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The id, which its runs name.
    pub id: Uuid,
    /// The product whose run judges it.
    pub product: String,
    /// The repository, `owner/name`.
    pub repository: String,
    /// Its number there.
    pub number: i64,
    /// Its title when it was last looked at.
    pub title: String,
    /// Its description when it was last looked at.
    pub body: String,
    /// The login of who opened it; `None` if the account was deleted.
    pub author_login: Option<String>,
    /// The number of that account.
    pub author_account: Option<i64>,
    /// Whether its branch is in another repository.
    pub from_fork: bool,
    /// The head that a person asked to have merged.
    pub merge_head: Option<String>,
    /// A look from before this time was made by an older policy, or by other settings.
    pub stale_at: Option<DateTime<Utc>>,
    /// The products that its head touches, as the last look found them; `None` before the first.
    pub products: Option<Vec<String>>,
}

/// A pull request of which there may be no row yet.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The product whose run judges it.
    pub product: &'a str,
    /// The repository, as the product spells it.
    pub repository: &'a str,
    /// All names that the repository has here.
    pub names: &'a [String],
    /// Its number.
    pub number: i64,
    /// Whether its branch is in another repository.
    pub from_fork: bool,
    /// What is shown of it until a step has looked.
    pub description: &'a Description,
}

/// The row of a pull request, made if there is none, and locked until the transaction ends. Products may spell the repository
/// in several ways; letter case does not count.
///
/// # Errors
/// When the database does not answer.
pub async fn keep(connection: &mut Connection, found: Found<'_>) -> Result<Uuid> {
    let known = sqlx::query_scalar!(
        "update pull set product = $1
         where id = (select id from pull
                     where lower(repository) in (select lower(name) from unnest($2::text[]) as its (name)) and number = $3
                     order by created_at, id limit 1)
         returning id",
        found.product,
        found.names,
        found.number
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(known) = known {
        return Ok(known);
    }
    let Description { title, body, author_login, author_account } = cut(found.description);
    sqlx::query_scalar!(
        "insert into pull (id, product, repository, number, title, body, author_login, author_account, from_fork)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (repository, number) do update set product = excluded.product
         returning id",
        Uuid::now_v7(),
        found.product,
        found.repository,
        found.number,
        title,
        body,
        author_login,
        author_account,
        found.from_fork
    )
    .fetch_one(connection)
    .await
}

/// What is known of the run about a pull request that goes on, else of the last one; `None` before the first.
///
/// # Errors
/// When the database does not answer.
pub async fn judged(connection: &mut Connection, names: &[String], number: i64) -> Result<Option<Judged>> {
    sqlx::query_as!(
        Judged,
        r#"select id as run, status <> 'ended' as "is_live!",
                  coalesce(state->'state'->>'name' = 'closed', false) or coalesce(ended_as = 'succeeded', false)
                      as "was_closed!",
                  state->'progress'->>'head' as head
           from run
           where subject_kind = 'pull' and repository = any($1) and pull = $2
           order by status = 'ended', created_at desc, id desc limit 1"#,
        names,
        number
    )
    .fetch_optional(connection)
    .await
}

/// An older run that judges the same pull request and goes on: one was begun where products spelt the repository in several
/// ways.
///
/// # Errors
/// When the database does not answer.
pub async fn judged_already(pool: &Pool, run: Uuid) -> Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "select other.id
         from run this
         join run other on lower(other.repository) = lower(this.repository) and other.pull = this.pull
         where this.id = $1 and other.subject_kind = 'pull' and other.status <> 'ended'
               and (other.created_at, other.id) < (this.created_at, this.id)
         order by other.created_at, other.id limit 1",
        run
    )
    .fetch_optional(pool)
    .await
}

/// Keeps which products the head of a pull request touches.
///
/// # Errors
/// When the database does not answer.
pub async fn touches(pool: &Pool, id: Uuid, products: &[String]) -> Result<()> {
    sqlx::query!("update pull set products = $2 where id = $1", id, products).execute(pool).await.map(|_| ())
}

/// One pull request.
///
/// # Errors
/// When the database does not answer.
pub async fn get(executor: impl sqlx::PgExecutor<'_>, id: Uuid) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        "select id, product, repository, number, title, body, author_login, author_account, from_fork, merge_head,
                stale_at, products
         from pull where id = $1",
        id
    )
    .fetch_optional(executor)
    .await
}

/// Keeps what the forge says of a pull request now, if it is something else than before.
///
/// # Errors
/// When the database does not answer.
pub async fn describe(pool: &Pool, id: Uuid, description: &Description) -> Result<()> {
    let Description { title, body, author_login, author_account } = cut(description);
    sqlx::query!(
        "update pull set title = $2, body = $3, author_login = $4, author_account = $5
         where id = $1 and (title, body, author_login, author_account) is distinct from ($2, $3, $4, $5)",
        id,
        title,
        body,
        author_login,
        author_account
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// Records that a person asks for the merge of this head.
///
/// # Errors
/// When the database does not answer.
pub async fn ask_merge(connection: &mut Connection, id: Uuid, head: &Sha, by: &str) -> Result<()> {
    sqlx::query!("update pull set merge_head = $2, merge_by = $3 where id = $1", id, head.as_str(), by)
        .execute(connection)
        .await
        .map(|_| ())
}

/// Whether an open or ended run about a requirement works on this pull request or on this branch of the repository.
///
/// # Errors
/// When the database does not answer.
pub async fn is_ours(
    connection: &mut Connection,
    repositories: &[String],
    number: i64,
    branch: Option<&str>,
) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (
               select from run
               where repository = any($1) and subject_kind <> 'pull' and (pull = $2 or branch = $3)
           ) as "ours!""#,
        repositories,
        number,
        branch
    )
    .fetch_one(connection)
    .await
}

/// Lets all live runs about pull requests into this branch look again, since the policy there or settings changed: those that wait
/// one after the other, `gap` apart, and those that work before they wait. How many there are.
///
/// # Errors
/// When the database does not answer.
pub async fn judge_again(
    connection: &mut Connection,
    repositories: &[String],
    base_branch: &str,
    gap: Duration,
) -> Result<u64> {
    let live = sqlx::query_scalar!(
        "update pull set stale_at = clock_timestamp()
         from run
         where run.subject_id = pull.id and run.subject_kind = 'pull' and run.status <> 'ended'
           and run.repository = any($1) and run.base_branch = $2
         returning run.id",
        repositories,
        base_branch
    )
    .fetch_all(&mut *connection)
    .await?;
    sqlx::query!(
        "update timer set due_at = least(timer.due_at, clock_timestamp() + its.place * make_interval(secs => $2))
         from (select run_id, row_number() over (order by run_id) - 1 as place
               from timer where run_id = any($1)) as its
         where timer.run_id = its.run_id",
        &live,
        gap.as_secs_f64()
    )
    .execute(&mut *connection)
    .await?;
    // A step that runs may have read the former policy.
    sqlx::query!(
        "insert into signal (delivery, topic, repository, run_id)
         select 'policy ' || gen_random_uuid(), 'push', repository, id from run
         where id = any($1) and status = 'active'",
        &live
    )
    .execute(connection)
    .await?;
    Ok(live.len().try_into().unwrap_or(u64::MAX))
}

/// A live run about a pull request, as a listing compares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// The run.
    pub run: Uuid,
    /// The number of its pull request.
    pub number: i64,
    /// When the pull request had last changed as the run looked at it whole, if it rests on that.
    pub looked: Option<DateTime<Utc>>,
    /// The head that the run knows.
    pub head: Option<String>,
}

/// The live runs about pull requests of a repository into one of these branches.
///
/// # Errors
/// When the database does not answer.
pub async fn live(pool: &Pool, repository: &str) -> Result<Vec<Live>> {
    sqlx::query_as!(
        Live,
        r#"select run.id as run, pull.number, run.state->'progress'->>'head' as head,
                  (run.state->'state'->'park'->'look'->>'changed')::timestamptz as looked
           from run join pull on pull.id = run.subject_id
           where run.subject_kind = 'pull' and run.status <> 'ended' and run.repository = $1"#,
        repository
    )
    .fetch_all(pool)
    .await
}

/// Which runs about pull requests a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these products; `None`: all.
    pub products: Option<Vec<String>>,
    /// Only this state, or this way to end.
    pub state: Option<String>,
    /// Only those older than this run.
    pub before: Option<Uuid>,
    /// The most.
    pub limit: i64,
}

/// A run about a pull request, in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The run.
    pub run_id: Uuid,
    /// Its product.
    pub product: String,
    /// The repository.
    pub repository: String,
    /// The number of the pull request.
    pub number: i64,
    /// Its title.
    pub title: String,
    /// The login of who opened it.
    pub author_login: Option<String>,
    /// The state of the run.
    pub status: String,
    /// How it ended.
    pub ended_as: Option<String>,
    /// The tier at its last assessment.
    pub tier: Option<String>,
    /// What it waits for, or why it ended.
    pub reason: Option<String>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// The products that its head touches, as the last look found them; `None` before the first.
    pub touched: Option<Vec<String>>,
}

/// Runs about pull requests, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool, filter: &Filter) -> Result<Vec<Listed>> {
    sqlx::query_as!(
        Listed,
        r#"select r.id as run_id, r.product, r.repository, p.number, p.title, p.author_login, r.status, r.ended_as,
                  r.state->'progress'->>'tier' as tier,
                  coalesce(r.state->'state'->'park'->>'reason', r.state->'state'->>'reason') as reason, r.created_at,
                  p.products as touched
           from run r join pull p on p.id = r.subject_id
           where r.subject_kind = 'pull' and ($1::text[] is null or r.product = any($1))
                 and ($2::text is null or r.status = $2 or r.ended_as = $2)
                 and ($3::uuid is null or r.id < $3)
           order by r.id desc limit $4"#,
        filter.products.as_deref(),
        filter.state,
        filter.before,
        filter.limit
    )
    .fetch_all(pool)
    .await
}

/// What can be stored of a description.
fn cut(description: &Description) -> Description {
    let plain = |text: &str, limit: usize| {
        let end = text.char_indices().map(|(at, _)| at).take_while(|at| *at <= limit).last().unwrap_or(0);
        let end = if text.len() <= limit { text.len() } else { end };
        text[..end].replace('\0', "\u{fffd}")
    };
    let title = description.title.replace('\0', "\u{fffd}").chars().take(TITLE_LIMIT).collect();
    Description { title, body: plain(&description.body, BODY_LIMIT), ..description.clone() }
}
