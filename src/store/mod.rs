//! Postgres: the only room with production SQL, one file per aggregate, in folders by what they hold.
//!
//! A function runs one query or makes one change. A caller that needs several at once passes a connection inside a
//! transaction. Every decision about time uses the database's clock.
//!
//! ```text
//! queue        jobs, their leases, limits, timers and dead letters
//! history      runs, their events, effects, reviews and cost
//! catalog      products, requirements, workflows, schedules
//! maintenance  partitions, retention, export, checks
//! ```

mod catalog;
pub mod dynamic;
mod history;
mod maintenance;
mod queue;

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use chrono::{DateTime, SubsecRound as _, Utc};
use sqlx::Row as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
pub use sqlx::{Error, PgConnection as Connection, PgPool as Pool};

pub use self::{
    catalog::{
        amendment, api_key, audit, gap, idempotency, incident, judged_by, product, pull, repository,
        requirement, schedule, scope, session, sign_in, subscription, workflow,
    },
    history::{
        assessment, base_watch, budget, command, consent, conversation, delivery, deployment, effect,
        epilogue, event, evidence, measure, merged, notice, open_pull, opinion, overview, question, remark,
        retro, revert, review, review_part, run, shadow, signal, test_run, transition,
    },
    maintenance::{
        archive, blob, failpoint, invariant, metrics, partition, replay, retention, server, upkeep,
    },
    queue::{
        attempt, dead_letter, hold, job, job_control, limit, listing, lost_delivery, notify, outage, rate,
        standing, timer, worker,
    },
};

/// A connection that was taken from a pool.
pub type PoolConn = sqlx::pool::PoolConnection<sqlx::Postgres>;

/// The database's clock, continued by this machine's monotonic clock. It is behind by at most the time that the
/// response took, and never ahead. It only records when something happened; the database decides what is due.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    reading: DateTime<Utc>,
    read_at: Instant,
}

impl Clock {
    /// The clock of a database that has just returned `reading`.
    #[must_use]
    pub fn at(reading: DateTime<Utc>) -> Self {
        Self { reading, read_at: Instant::now() }
    }

    /// The current time in whole microseconds, the precision of the database.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        (self.reading + self.read_at.elapsed()).trunc_subsecs(6)
    }
}

/// The result of a query.
pub type Result<T> = std::result::Result<T, Error>;

/// The schema's versions, in order.
static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// The timeout of the ping before a connection is acquired and after it is released.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// A pool of at most `connections` connections. Acquiring one times out after 5 s, a statement after 30 s. A
/// connection that does not answer a ping within 2 s, before it is acquired or after it is released, is replaced.
///
/// # Errors
/// When the URL cannot be read or the first connection cannot be made within 5 s.
pub async fn connect(url: &str, connections: u32) -> Result<Pool> {
    let options = PgConnectOptions::from_str(url)?.application_name("aspora").options([
        // The statements count on seeing what others have committed, whatever the default of the role or database.
        ("default_transaction_isolation", "read committed"),
        ("statement_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "10s"),
        // Every statement is written to have one good plan. Planning it for each value costs more than the work
        // itself, and more with each partition; so do JIT compilation and parallel workers.
        ("plan_cache_mode", "force_generic_plan"),
        ("jit", "off"),
        ("max_parallel_workers_per_gather", "0"),
    ]);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(5))
        // The pool's own ping has no timeout: it would wait for ever where a machine in between has forgotten the
        // connection. So we ping, before a connection is acquired and after it is released.
        .test_before_acquire(false)
        .before_acquire(|conn, _| Box::pin(async { Ok(is_alive(conn).await) }))
        .after_release(|conn, _| Box::pin(async { Ok(is_reusable(conn).await) }))
        .connect_with(options)
        .await
}

async fn is_alive(conn: &mut Connection) -> bool {
    let pinged = tokio::time::timeout(PING_TIMEOUT, sqlx::Connection::ping(conn)).await;
    matches!(pinged, Ok(Ok(())))
}

/// Whether a released connection answers and is outside of any transaction.
///
/// A `begin` that is cancelled between BEGIN and its answer (a timeout, a lost lease) leaves the transaction open:
/// sqlx 0.9.0 queues no ROLLBACK then, and its own ping does not see it (transact-rs/sqlx#4393). Whatever used the
/// connection next would read a clock that stands still and write what is never committed. Outside of a transaction
/// a statement of the simple protocol begins at the same microsecond as its transaction.
async fn is_reusable(conn: &mut Connection) -> bool {
    let query = sqlx::raw_sql("select transaction_timestamp() = statement_timestamp()").fetch_one(conn);
    match tokio::time::timeout(PING_TIMEOUT, query).await {
        Ok(Ok(row)) => row.try_get(0).unwrap_or(false),
        _ => false,
    }
}

/// Why the schema was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database or the role is not fit for it; says what to do.
    #[error("{0}")]
    Unfit(String),
    /// The database did not answer.
    #[error(transparent)]
    Database(#[from] Error),
    /// A migration failed and was rolled back, or the database has migrations of a later release.
    #[error(transparent)]
    Failed(#[from] sqlx::migrate::MigrateError),
}

/// Migrates the schema to this release's version. Processes may do it at the same time: the second waits.
///
/// # Errors
/// [`MigrationError`]; nothing has changed then, or only the migrations before the one that failed.
pub async fn migrate(pool: &Pool) -> std::result::Result<(), MigrationError> {
    if migrations_missing(pool).await? > 0 {
        let server = server::read(pool).await?;
        let unfit = server.wrong_encoding().or_else(|| server.may_not_create());
        unfit.map_or(Ok(()), |what| Err(MigrationError::Unfit(what)))?;
    }
    Ok(MIGRATOR.run(pool).await?)
}

/// How many migrations of this release have not been applied to the database.
///
/// # Errors
/// When the database does not answer.
pub async fn migrations_missing(pool: &Pool) -> Result<usize> {
    // The migrator's own table does not exist before the first migration.
    let exists: bool =
        sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(pool).await?;
    let applied: Vec<i64> = if exists {
        sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(pool).await?
    } else {
        Vec::new()
    };
    Ok(MIGRATOR.iter().filter(|migration| !applied.contains(&migration.version)).count())
}

/// Runs a query with a timeout. A machine in between may have forgotten the connection, and neither side would ever
/// learn of it; so after a timeout the connection is closed, and the pool opens another.
///
/// # Errors
/// Those of the query, and [`timed_out`]; whether the query was executed is then not known.
pub async fn with_timeout<T>(
    timeout: Duration,
    conn: &mut Option<PoolConn>,
    query: impl AsyncFnOnce(&mut Connection) -> Result<T>,
) -> Result<T> {
    let Some(connection) = conn.as_mut() else { return Err(Error::PoolClosed) };
    let result = tokio::time::timeout(timeout, query(connection)).await;
    result.unwrap_or_else(|_| {
        // Released to the pool, it would be pinged, which would time out as well.
        drop(conn.take().map(PoolConn::detach));
        Err(timed_out())
    })
}

/// The error of a query that was not answered in time, an [`Error::Io`].
#[must_use]
pub fn timed_out() -> Error {
    Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database does not answer"))
}

/// Sets a savepoint in the current transaction: a nested transaction, whose rollback also releases its locks.
///
/// # Errors
/// When the database does not answer.
pub async fn savepoint(connection: &mut Connection) -> Result<sqlx::Transaction<'_, sqlx::Postgres>> {
    sqlx::Connection::begin(connection).await
}

/// Whether the database answers.
///
/// # Errors
/// When it does not.
pub async fn ping(pool: &Pool) -> Result<()> {
    sqlx::query!("select 1 as one").fetch_one(pool).await.map(|_| ())
}

/// The time of the database's clock.
///
/// # Errors
/// When the database does not answer.
pub async fn now(connection: &mut Connection) -> Result<DateTime<Utc>> {
    sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(connection).await
}

/// Whether a failed statement may succeed when retried, because the connection failed and not the statement.
#[must_use]
pub fn is_transient(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::PoolTimedOut | Error::WorkerCrashed | Error::Protocol(_) | Error::Tls(_) => {
            true
        }
        Error::Database(error) => {
            // Connection exceptions, insufficient resources, operator intervention, transaction rollbacks.
            let code = error.code().unwrap_or_default();
            ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class))
        }
        _ => false,
    }
}
