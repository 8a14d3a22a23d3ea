//! Acts on the outside world: the intent is recorded before the act, the observation after it.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Acquire, Postgres};
use uuid::Uuid;

use crate::store::{
    Connection, Pool, Result,
    blob::{self, Referrer},
    failpoint,
    job::Lease,
};

/// What is known of an effect before its act.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// No attempt recorded the intent before: act.
    Fresh(Intent),
    /// An earlier attempt may have acted: look before acting.
    Unknown(Intent),
    /// It is done, with this observation: do not act.
    Done(Intent, Value),
    /// The lease is lost or about to expire: do not act.
    LeaseLost,
}

/// An intent, as it was first recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// The request of the first attempt; later attempts act on this one.
    pub request: Value,
    /// When it was first recorded.
    pub at: DateTime<Utc>,
}

/// A stored effect.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its key, unique in its run.
    pub key: String,
    /// The kind of act.
    pub kind: String,
    /// The intent.
    pub request: Value,
    /// How many attempts recorded the intent before it was done.
    pub attempts: i32,
    /// When the intent was first recorded.
    pub intended_at: DateTime<Utc>,
    /// The observation.
    pub result: Option<Value>,
    /// When it was recorded.
    pub done_at: Option<DateTime<Utc>>,
}

/// Records the intent, if at least half of the lease is left: a worker that renews in time always has two
/// thirds of it, and one that was suspended must not act.
///
/// # Errors
/// When the database does not answer; the act must then not be made.
pub async fn begin<'c>(
    on: impl Acquire<'c, Database = Postgres>,
    lease: &Lease,
    key: &str,
    kind: &str,
    request: &Value,
) -> Result<Begun> {
    let extracted = blob::extract(request);
    let mut tx = on.begin().await?;
    blob::insert(&mut tx, lease.run, Referrer::Effect, &extracted).await?;
    let begun = begin_in(&mut tx, lease, key, kind, &extracted.document).await?;
    failpoint::pass("intent.before")?;
    if begun != Begun::LeaseLost {
        tx.commit().await?;
    }
    failpoint::pass("intent.after")?;
    Ok(begun)
}

async fn begin_in(
    connection: &mut Connection,
    lease: &Lease,
    key: &str,
    kind: &str,
    request: &Value,
) -> Result<Begun> {
    let row = sqlx::query!(
        r#"insert into effect (run_id, key, kind, request)
           select run_id, $3, $4, $5 from job
           where id = $1 and lease_token = $2 and visible_at > now() + make_interval(secs => $6)
           on conflict (run_id, key) do update
           set attempts = effect.attempts + case when effect.done_at is null then 1 else 0 end
           returning request, intended_at, attempts, result"#,
        lease.job,
        lease.token,
        key,
        kind,
        request,
        lease.lasts.as_secs_f64() / 2.0
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(mut row) = row else { return Ok(Begun::LeaseLost) };
    blob::restore(connection, documents(&mut row.request, &mut row.result).collect()).await?;
    let intent = Intent { request: row.request, at: row.intended_at };
    Ok(match row.result {
        Some(result) => Begun::Done(intent, result),
        None if row.attempts == 1 => Begun::Fresh(intent),
        None => Begun::Unknown(intent),
    })
}

/// Replaces these fields of the intent of an effect whose outcome is not known.
///
/// # Errors
/// When the database does not answer; the act must then not be made.
pub async fn amend(connection: &mut Connection, run_id: Uuid, key: &str, fields: &Value) -> Result<()> {
    sqlx::query!(
        "update effect set request = request || $3 where run_id = $1 and key = $2 and done_at is null",
        run_id,
        key,
        fields
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Records the observation of an effect. The first one stays; it is true, whichever worker makes it.
///
/// # Errors
/// When the database does not answer; the next attempt then looks before acting.
pub async fn observe<'c>(
    on: impl Acquire<'c, Database = Postgres>,
    run_id: Uuid,
    key: &str,
    result: &Value,
) -> Result<()> {
    failpoint::pass("observe.before")?;
    let extracted = blob::extract(result);
    let mut tx = on.begin().await?;
    blob::insert(&mut tx, run_id, Referrer::Effect, &extracted).await?;
    observe_in(&mut tx, run_id, key, &extracted.document).await?;
    tx.commit().await?;
    failpoint::pass("observe.after")
}

async fn observe_in(connection: &mut Connection, run_id: Uuid, key: &str, result: &Value) -> Result<()> {
    sqlx::query!(
        "update effect set result = $3, done_at = clock_timestamp()
         where run_id = $1 and key = $2 and done_at is null",
        run_id,
        key,
        result
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Records an act that was made outside of an attempt and repeats without harm, with its observation.
///
/// # Errors
/// When the database does not answer.
pub async fn note(
    pool: &Pool,
    run_id: Uuid,
    key: &str,
    kind: &str,
    request: &Value,
    result: &Value,
) -> Result<()> {
    sqlx::query!(
        "insert into effect (run_id, key, kind, request, result, done_at)
         values ($1, $2, $3, $4, $5, clock_timestamp()) on conflict (run_id, key) do nothing",
        run_id,
        key,
        kind,
        request,
        result
    )
    .execute(pool)
    .await
    .map(|_| ())
}

/// One effect, if its intent was recorded.
///
/// # Errors
/// When the database does not answer.
pub async fn get(pool: &Pool, run_id: Uuid, key: &str) -> Result<Option<Row>> {
    let mut row = sqlx::query_as!(
        Row,
        "select key, kind, request, attempts, intended_at, result, done_at
         from effect where run_id = $1 and key = $2",
        run_id,
        key
    )
    .fetch_optional(pool)
    .await?;
    restore(pool, row.as_mut_slice()).await?;
    Ok(row)
}

/// When the intent of an effect was first recorded, if it was.
///
/// # Errors
/// When the database does not answer.
pub async fn intended_at(pool: &Pool, run_id: Uuid, key: &str) -> Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!("select intended_at from effect where run_id = $1 and key = $2", run_id, key)
        .fetch_optional(pool)
        .await
}

/// All effects of a run, oldest first, without the diffs of pushes, which [`diffs`] returns.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run_id: Uuid) -> Result<Vec<Row>> {
    let mut rows = sqlx::query_as!(
        Row,
        r#"select key, kind, case kind when 'push' then request - 'diff' else request end as "request!",
                  attempts, intended_at, result, done_at
           from effect where run_id = $1 order by intended_at, key"#,
        run_id
    )
    .fetch_all(pool)
    .await?;
    restore(pool, &mut rows).await?;
    Ok(rows)
}

/// An effect without its documents.
#[derive(Debug, Clone)]
pub struct Brief {
    /// Its key, unique in its run.
    pub key: String,
    /// The kind of act.
    pub kind: String,
    /// How many attempts recorded the intent before it was done.
    pub attempts: i32,
    /// When the intent was first recorded.
    pub intended_at: DateTime<Utc>,
    /// When the observation was recorded.
    pub done_at: Option<DateTime<Utc>>,
    /// What names its result on the other side: a number, a commit, an id or an address.
    pub remote: Option<String>,
    /// The model that answered a call in place of the configured one.
    pub fallback: Option<String>,
}

/// The newest effects of a run, newest first, at most `limit`.
///
/// # Errors
/// When the database does not answer.
pub async fn newest(pool: &Pool, run_id: Uuid, limit: i64) -> Result<Vec<Brief>> {
    sqlx::query_as!(
        Brief,
        "select key, kind, attempts, intended_at, done_at,
                coalesce(result->>'number', result->>'sha', result->>'id', result->>'head', result->>'check_run',
                         result->>'url') as remote,
                case when result->>'fallback_for' is not null then result->>'model' end as fallback
         from effect where run_id = $1 order by intended_at desc, key desc limit $2",
        run_id,
        limit
    )
    .fetch_all(pool)
    .await
}

async fn restore(pool: &Pool, rows: &mut [Row]) -> Result<()> {
    let all = rows.iter_mut().flat_map(|row| documents(&mut row.request, &mut row.result)).collect();
    blob::restore(pool, all).await
}

fn documents<'a>(
    request: &'a mut Value,
    result: &'a mut Option<Value>,
) -> impl Iterator<Item = &'a mut Value> {
    std::iter::once(request).chain(result.as_mut())
}

/// An observation, and when it was recorded.
#[derive(Debug, Clone)]
pub struct Done {
    /// The effect's name in its run.
    pub key: String,
    /// The observation.
    pub result: Value,
    /// When it was recorded.
    pub done_at: DateTime<Utc>,
}

/// The observations of one kind of effect, of a run and of earlier runs on the same branch, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn done_in_lineage(pool: &Pool, run_id: Uuid, kind: &str) -> Result<Vec<Done>> {
    let mut rows = sqlx::query_as!(
        Done,
        r#"select key, result as "result!", done_at as "done_at!"
           from effect where run_id = any(lineage($1)) and kind = $2 and done_at is not null
           order by intended_at, key"#,
        run_id,
        kind
    )
    .fetch_all(pool)
    .await?;
    blob::restore(pool, rows.iter_mut().map(|row| &mut row.result).collect()).await?;
    Ok(rows)
}

/// When the last push to a repository was recorded, if that was within three days and the
/// run began within a month.
///
/// # Errors
/// When the database does not answer.
pub async fn last_push(pool: &Pool, repository: &str) -> Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        "select max(effect.done_at) from run join effect on effect.run_id = run.id
         where run.repository = $1 and run.id >= run_id_floor(now() - interval '1 month')
               and effect.kind = 'push' and effect.done_at > now() - interval '3 days'",
        repository
    )
    .fetch_one(pool)
    .await
}

/// The observation of an effect with this key in an earlier run on the same branch.
///
/// # Errors
/// When the database does not answer.
pub async fn inherited(pool: &Pool, run_id: Uuid, key: &str) -> Result<Option<Value>> {
    let found = sqlx::query_scalar!(
        r#"select result as "result!" from effect
           where run_id = any(lineage($1)) and run_id <> $1 and key = $2 and done_at is not null
           order by done_at desc limit 1"#,
        run_id,
        key
    );
    found.fetch_optional(pool).await
}

/// What a push of a run changes, as its intent recorded it.
#[derive(Debug, Clone)]
pub struct Diff {
    /// The push's key in its run.
    pub key: String,
    /// When it was first recorded.
    pub at: DateTime<Utc>,
    /// The parent commit.
    pub parent: String,
    /// The new head, once it was pushed.
    pub head: Option<String>,
    /// The diff in unified format.
    pub text: String,
    /// Whether it was cut at the end.
    pub is_cut: bool,
}

/// The diffs of all pushes of a run that have one, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn diffs(pool: &Pool, run_id: Uuid) -> Result<Vec<Diff>> {
    let mut rows = sqlx::query!(
        r#"select key, intended_at as at, coalesce(request->>'parent', '') as "parent!",
                  result->>'sha' as head, request->'diff' as "diff!",
                  coalesce((request->>'diff_is_cut')::boolean, false) as "is_cut!"
           from effect where run_id = $1 and kind = 'push' and request->>'diff' is not null
           order by intended_at, key"#,
        run_id
    )
    .fetch_all(pool)
    .await?;
    blob::restore(pool, rows.iter_mut().map(|row| &mut row.diff).collect()).await?;
    let diffs = rows.into_iter().map(|row| Diff {
        key: row.key,
        at: row.at,
        parent: row.parent,
        head: row.head,
        text: row.diff.as_str().unwrap_or_default().to_owned(),
        is_cut: row.is_cut,
    });
    Ok(diffs.collect())
}

/// How many pushes of a run have a diff, and how many of those are known to have succeeded.
///
/// # Errors
/// When the database does not answer.
pub async fn diff_counts(pool: &Pool, run_id: Uuid) -> Result<(i64, i64)> {
    let row = sqlx::query!(
        r#"select count(*) as "all!", count(result) as "done!"
           from effect where run_id = $1 and kind = 'push' and request->>'diff' is not null"#,
        run_id
    )
    .fetch_one(pool)
    .await?;
    Ok((row.all, row.done))
}

/// How many model calls were answered since the run last pushed a head, or since a person resumed it after it
/// had made too many.
///
/// # Errors
/// When the database does not answer.
pub async fn calls_without_head(executor: impl sqlx::PgExecutor<'_>, run_id: Uuid) -> Result<i64> {
    sqlx::query_file_scalar!("src/store/history/effect_calls_without_head.sql", run_id)
        .fetch_one(executor)
        .await
}

/// What the model calls of a run have used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Answered calls.
    pub calls: i64,
    /// Input tokens.
    pub input_tokens: i64,
    /// Output tokens.
    pub output_tokens: i64,
    /// Micro-dollars, where prices are configured.
    pub micro_dollars: i64,
}

/// Adds up the answered model calls of a run.
///
/// # Errors
/// When the database does not answer.
pub async fn spent(pool: &Pool, run_id: Uuid) -> Result<Spent> {
    sqlx::query_as!(
        Spent,
        r#"select count(*) as "calls!",
                  coalesce(sum((result->'usage'->>'input_tokens')::bigint), 0)::bigint as "input_tokens!",
                  coalesce(sum((result->'usage'->>'output_tokens')::bigint), 0)::bigint as "output_tokens!",
                  coalesce(sum((result->>'micro_dollars')::bigint), 0)::bigint as "micro_dollars!"
           from effect where run_id = $1 and kind = 'llm_call' and done_at is not null"#,
        run_id
    )
    .fetch_one(pool)
    .await
}
