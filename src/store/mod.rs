//! Postgres: the only room with production SQL, one file per aggregate, in folders by what they hold.
//!
//! A function asks one question or makes one change. A caller that needs several at once passes a
//! connection inside a transaction. Every clock that decides something is the database's.
//!
//! ```text
//! queue        jobs, who holds them, what holds them back
//! history      runs and what happened to them
//! catalog      what can be asked for, and how it is done
//! maintenance  months, retention, export, checks
//! ```

mod catalog;
mod history;
mod maintenance;
mod queue;

pub mod bulk;
pub mod fill;
pub mod limits_of_postgres;
pub mod throwaway;

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use chrono::{DateTime, SubsecRound as _, Utc};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
pub use sqlx::{Error, PgConnection as Connection, PgPool as Pool};

pub use self::{
    catalog::{idempotency, product, requirement, schedule, workflow},
    history::{assessment, budget, effect, event, review, run, signal, transition},
    maintenance::{archive, blob, failpoint, invariant, partition, replay, retention, server, upkeep},
    queue::{attempt, dead_letter, job, job_control, limit, rate, standing, timer, wake},
};

/// A connection that was taken from a pool.
pub type PoolConn = sqlx::pool::PoolConnection<sqlx::Postgres>;

/// The database's clock, carried on by this machine's stopwatch: no later than the true one, by at most the
/// way of an answer. For telling when something happened; what is due, the database decides itself.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    told: DateTime<Utc>,
    heard: Instant,
}

impl Clock {
    /// The clock of a database that has just said `told`.
    #[must_use]
    pub fn at(told: DateTime<Utc>) -> Self {
        Self { told, heard: Instant::now() }
    }

    /// What the database's clock shows now, in whole microseconds, as the database keeps them.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        (self.told + self.heard.elapsed()).trunc_subsecs(6)
    }
}

/// What a question to the database comes to.
pub type Result<T> = std::result::Result<T, Error>;

/// The schema's versions, in order.
static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// How long a connection that is lent or taken back may take to say that it is well.
const HEALTHY: Duration = Duration::from_secs(2);

/// A pool of at most `connections` connections. Waiting for one ends after 5 s, a statement after 30 s. One that
/// does not say within 2 s that it is well, when it is lent or taken back, leaves its place to another.
///
/// # Errors
/// When the URL cannot be read or the first connection cannot be made within 5 s.
pub async fn connect(url: &str, connections: u32) -> Result<Pool> {
    let options = PgConnectOptions::from_str(url)?.application_name("aspora").options([
        ("statement_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "10s"),
        // Every statement is written to have one good plan. Making it anew for each value costs more
        // than the work itself, the more so the more months there are; so do compiling and helpers.
        ("plan_cache_mode", "force_generic_plan"),
        ("jit", "off"),
        ("max_parallel_workers_per_gather", "0"),
    ]);
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(5))
        // A pool asks by itself, but would wait for ever where a machine between has forgotten the connection:
        // so we ask instead before it lends one, and first when it takes one back.
        .test_before_acquire(false)
        .before_acquire(|line, _| Box::pin(async { Ok(is_well(line).await) }))
        .after_release(|line, _| Box::pin(async { Ok(is_well(line).await) }))
        .connect_with(options)
        .await
}

async fn is_well(line: &mut Connection) -> bool {
    let told = tokio::time::timeout(HEALTHY, sqlx::Connection::ping(line)).await;
    matches!(told, Ok(Ok(())))
}

/// Brings the schema to this release's version. Two at once are fine: the second waits.
///
/// # Errors
/// When a migration fails (nothing of it stays) or the database is of a later release.
pub async fn migrate(pool: &Pool) -> std::result::Result<(), sqlx::migrate::MigrateError> {
    MIGRATOR.run(pool).await
}

/// How many migrations of this release the database has not seen.
///
/// # Errors
/// When the database does not answer.
pub async fn migrations_missing(pool: &Pool) -> Result<usize> {
    // The migrator's own table, which is not there before the first migration.
    let is_there: bool =
        sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null").fetch_one(pool).await?;
    let applied: Vec<i64> = if is_there {
        sqlx::query_scalar("select version from _sqlx_migrations where success").fetch_all(pool).await?
    } else {
        Vec::new()
    };
    Ok(MIGRATOR.iter().filter(|migration| !applied.contains(&migration.version)).count())
}

/// What is asked over this connection must be answered within `patience`. A machine between may have forgotten
/// the connection; then neither side would ever hear of it. It is given up, so that its pool opens another.
///
/// # Errors
/// As what is asked, and [`Error::Io`] when time is up. Whether it was done is then not known.
pub async fn within<T>(
    patience: Duration,
    conn: &mut Option<PoolConn>,
    ask: impl AsyncFnOnce(&mut Connection) -> Result<T>,
) -> Result<T> {
    let Some(connection) = conn.as_mut() else { return Err(Error::PoolClosed) };
    let answer = tokio::time::timeout(patience, ask(connection)).await;
    answer.unwrap_or_else(|_| {
        // Returned, it would be asked after its health, which would last as long.
        drop(conn.take().map(PoolConn::detach));
        Err(unanswered())
    })
}

/// What is told of a question that was not answered in time.
#[must_use]
pub fn unanswered() -> Error {
    Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database does not answer"))
}

/// A transaction inside of one: rolled back, it gives up what it locked.
///
/// # Errors
/// When the database does not answer.
pub async fn inner(connection: &mut Connection) -> Result<sqlx::Transaction<'_, sqlx::Postgres>> {
    sqlx::Connection::begin(connection).await
}

/// Whether the database answers.
///
/// # Errors
/// When it does not.
pub async fn ping(pool: &Pool) -> Result<()> {
    sqlx::query!("select 1 as one").fetch_one(pool).await.map(|_| ())
}

/// The database's clock, the only one that decides anything.
///
/// # Errors
/// When the database does not answer.
pub async fn now(connection: &mut Connection) -> Result<DateTime<Utc>> {
    sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(connection).await
}

/// Whether a failed statement may succeed when tried again: the connection, not the question, was at fault.
#[must_use]
pub fn is_transient(error: &Error) -> bool {
    match error {
        Error::Io(_) | Error::PoolTimedOut | Error::WorkerCrashed | Error::Protocol(_) | Error::Tls(_) => {
            true
        }
        Error::Database(error) => {
            // Connection exceptions, too many connections, shutdowns and serialisation losses.
            let code = error.code().unwrap_or_default();
            ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class))
        }
        _ => false,
    }
}
