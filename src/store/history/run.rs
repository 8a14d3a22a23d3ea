//! Runs: the state that is folded from the history.

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, types::Json};
use uuid::Uuid;

use crate::{
    core::{
        run::{Run, State},
        subject::Subject,
    },
    store::{Connection, Error, Pool, Result},
};

/// What is fixed when a run starts.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// The run's id.
    pub id: Uuid,
    /// What it is about.
    pub subject: Subject,
    /// The graph it follows.
    pub workflow_hash: String,
    /// The product.
    pub product: String,
    /// The repository, `owner/name`.
    pub repository: String,
    /// The branch that the change is merged into.
    pub base_branch: String,
    /// The branch that the change is made on.
    pub branch: String,
    /// 1 (first) to 5 (last).
    pub priority: i16,
    /// The run about the same subject that this one was forked from.
    pub parent: Option<Uuid>,
}

/// A stored run.
#[derive(Debug, Clone)]
pub struct StoredRun {
    /// What is fixed.
    pub spec: RunSpec,
    /// The number of its events.
    pub version: i32,
    /// The state, folded from the events.
    pub run: Run,
    /// When it started.
    pub created_at: DateTime<Utc>,
    /// When its last event happened.
    pub updated_at: DateTime<Utc>,
    /// The database's clock when this was read.
    pub now: DateTime<Utc>,
}

/// Stores a new run.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(connection: &mut Connection, spec: &RunSpec, run: &Run) -> Result<()> {
    let (requirement_id, subject_id): (_, Option<Uuid>) = match spec.subject {
        Subject::Requirement(id) => (Some(id), None),
        Subject::Pull(id) | Subject::Gap(id) => (None, Some(id)),
    };
    sqlx::query!(
        "insert into run (id, requirement_id, workflow_hash, product, repository, base_branch, branch,
                          version, status, step, state, priority, parent, pull, subject_kind, subject_id)
         values ($1, $2, $3, $4, $5, $6, $7, 1, $8, $9, $10, $11, $12, $13, $14, $15)",
        spec.id,
        requirement_id,
        spec.workflow_hash,
        spec.product,
        spec.repository,
        spec.base_branch,
        spec.branch,
        run.state.as_str(),
        run.step(),
        Json(run) as _,
        spec.priority,
        spec.parent,
        run.progress.pull.and_then(|number| i64::try_from(number).ok()),
        spec.subject.kind().as_str(),
        subject_id
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Reads a run and locks it until the transaction ends.
///
/// The lock is `for no key update`: rows that only refer to the run (a signal, an effect) can be inserted meanwhile, and
/// two inserts cannot deadlock.
///
/// # Errors
/// When the database does not answer.
pub async fn lock(connection: &mut Connection, id: Uuid) -> Result<Option<StoredRun>> {
    let row = sqlx::query_as!(
        Record,
        r#"select id, subject_kind, coalesce(requirement_id, subject_id) as "subject_id!", workflow_hash,
                  product, repository, base_branch, branch, version, state,
                  priority, parent, created_at, updated_at, clock_timestamp() as "now!"
           from run where id = $1 for no key update"#,
        id
    )
    .fetch_optional(connection)
    .await?;
    row.map(StoredRun::try_from).transpose()
}

/// Reads a run.
///
/// # Errors
/// When the database does not answer.
pub async fn get(executor: impl PgExecutor<'_>, id: Uuid) -> Result<Option<StoredRun>> {
    let row = sqlx::query_as!(
        Record,
        r#"select id, subject_kind, coalesce(requirement_id, subject_id) as "subject_id!", workflow_hash,
                  product, repository, base_branch, branch, version, state,
                  priority, parent, created_at, updated_at, clock_timestamp() as "now!"
           from run where id = $1"#,
        id
    )
    .fetch_optional(executor)
    .await?;
    row.map(StoredRun::try_from).transpose()
}

/// Reads these runs; those that do not exist, and those that this release cannot read, are left out.
///
/// # Errors
/// When the database does not answer.
pub async fn get_all(executor: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<Vec<StoredRun>> {
    let rows = sqlx::query_as!(
        Record,
        r#"select id, subject_kind, coalesce(requirement_id, subject_id) as "subject_id!", workflow_hash,
                  product, repository, base_branch, branch, version, state,
                  priority, parent, created_at, updated_at, clock_timestamp() as "now!"
           from run where id = any ($1)"#,
        ids
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().filter_map(|row| StoredRun::try_from(row).ok()).collect())
}

/// Stores the new state of a run after `events` events; false when its version is no longer `version`.
///
/// # Errors
/// When the database does not answer.
pub async fn save(
    connection: &mut Connection,
    id: Uuid,
    version: i32,
    events: i32,
    run: &Run,
) -> Result<bool> {
    let ended_as = match &run.state {
        State::Ended { end, .. } => Some(end.as_str()),
        State::At { .. } | State::Waiting { .. } | State::Paused { .. } => None,
    };
    let pull = run.progress.pull.and_then(|number| i64::try_from(number).ok());
    let done = sqlx::query!(
        "update run
         set version = version + $3, state = $4, status = $5, step = $6, ended_as = $7, pull = $8,
             updated_at = clock_timestamp(),
             ended_at = case when $7::text is null then null
                             when status = 'ended' then ended_at else clock_timestamp() end
         where id = $1 and version = $2",
        id,
        version,
        events,
        Json(run) as _,
        run.state.as_str(),
        run.step(),
        ended_as,
        pull
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Locks a branch, so that no other transaction starts a run on it, and returns an open run on it other than
/// `except`.
///
/// # Errors
/// When the database does not answer.
pub async fn live_on_branch(
    connection: &mut Connection,
    repository: &str,
    branch: &str,
    except: Uuid,
) -> Result<Option<Uuid>> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('branch ' || $1 || ' ' || $2, 0))",
        repository,
        branch
    )
    .execute(&mut *connection)
    .await?;
    // A statement of its own, so that it sees what was committed while this one waited for the lock.
    sqlx::query_scalar!(
        "select id from run where repository = $1 and branch = $2 and status <> 'ended' and id <> $3",
        repository,
        branch,
        except
    )
    .fetch_optional(connection)
    .await
}

/// The open runs whose head is this commit, with their products, at most 10.
///
/// # Errors
/// When the database does not answer.
pub async fn at_head(pool: &Pool, repository: &str, head: &str) -> Result<Vec<(Uuid, String)>> {
    let rows = sqlx::query!(
        "select id, product from run
         where repository = $1 and status <> 'ended' and state->'progress'->>'head' = $2 order by id limit 10",
        repository,
        head
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.product)).collect())
}

/// The last run that has this pull request.
///
/// # Errors
/// When the database does not answer.
pub async fn of_pull(pool: &Pool, repository: &str, pull: i64) -> Result<Option<Uuid>> {
    sqlx::query_scalar!(
        "select id from run where repository = $1 and pull = $2 order by created_at desc limit 1",
        repository,
        pull
    )
    .fetch_optional(pool)
    .await
}

struct Record {
    id: Uuid,
    subject_kind: String,
    subject_id: Uuid,
    workflow_hash: String,
    product: String,
    repository: String,
    base_branch: String,
    branch: String,
    version: i32,
    state: serde_json::Value,
    priority: i16,
    parent: Option<Uuid>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl TryFrom<Record> for StoredRun {
    type Error = Error;

    fn try_from(row: Record) -> Result<Self> {
        let subject = Subject::new(&row.subject_kind, row.subject_id);
        Ok(Self {
            spec: RunSpec {
                id: row.id,
                subject: subject.map_err(|unknown| Error::Decode(Box::new(unknown)))?,
                workflow_hash: row.workflow_hash,
                product: row.product,
                repository: row.repository,
                base_branch: row.base_branch,
                branch: row.branch,
                priority: row.priority,
                parent: row.parent,
            },
            version: row.version,
            run: serde_json::from_value(row.state).map_err(|error| Error::Decode(Box::new(error)))?,
            created_at: row.created_at,
            updated_at: row.updated_at,
            now: row.now,
        })
    }
}
