//! Databases that are created for one measurement and dropped after it, and questions to their server.

use std::{path::PathBuf, str::FromStr, time::Duration};

use sqlx::{
    Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use crate::store::{
    Connection, Error, Pool, Result,
    dynamic::{Identifier, Statement},
};

/// The prefix of the name of every such database.
const PREFIX: &str = "aspora_bench_";

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// A host and a port.
    Tcp(String, u16),
    /// The file of a Unix socket.
    Unix(PathBuf),
}

/// The settings of a server on which figures depend.
#[derive(Debug, Clone)]
pub(super) struct ServerSettings {
    /// The version, such as `15.6`.
    pub(super) version: String,
    /// Whether commits reach the disk.
    pub(super) fsync: String,
    /// Whether a commit waits for that.
    pub(super) synchronous_commit: String,
    /// The server's own cache, such as `128MB`.
    pub(super) shared_buffers: String,
}

/// The address in a database's URL.
///
/// # Errors
/// When the URL cannot be read.
pub(super) fn address(url: &str) -> Result<Address> {
    let options = PgConnectOptions::from_str(url)?;
    let (host, port) = (options.get_host().to_owned(), options.get_port());
    let folder =
        options.get_socket().cloned().or_else(|| host.starts_with('/').then(|| PathBuf::from(&host)));
    Ok(match folder {
        Some(folder) => Address::Unix(folder.join(format!(".s.PGSQL.{port}"))),
        None => Address::Tcp(host, port),
    })
}

/// One connection to `url` without timeouts.
///
/// # Errors
/// When it cannot be made.
pub(super) async fn connect(url: &str) -> Result<PgConnection> {
    PgConnection::connect(url).await
}

/// A pool of `connections` open connections without timeouts.
///
/// # Errors
/// When one cannot be made within a minute.
pub(super) async fn pool(url: &str, connections: u32) -> Result<Pool> {
    let options = PgPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(60));
    let pool = options.connect(url).await?;
    // Connecting must not be part of what is measured.
    let all = (0..connections).map(|_| pool.acquire());
    futures::future::try_join_all(all).await?;
    Ok(pool)
}

/// Creates an empty database on the server of `admin` and returns its name.
///
/// # Errors
/// When the account may not create databases.
pub(super) async fn create(admin: &mut Connection) -> Result<String> {
    let name = Identifier::new(format!("{PREFIX}{}", Uuid::new_v4().simple()))?;
    let create = Statement::new("create database ").identifier(&name).text(" template template0");
    sqlx::query(create.into_sql()).execute(admin).await?;
    Ok(name.as_str().to_owned())
}

/// Drops a database that [`create`] made, and ends the connections to it.
///
/// # Errors
/// When the server does not do it; the name of any other database is refused.
pub(super) async fn drop(admin: &mut Connection, name: &str) -> Result<()> {
    let ours = name.strip_prefix(PREFIX).is_some_and(|rest| Uuid::parse_str(rest).is_ok());
    if !ours {
        return Err(Error::Configuration(format!("{name:?} is not a database of the bench").into()));
    }
    let drop = Statement::new("drop database if exists ").identifier(&Identifier::new(name)?);
    sqlx::query(drop.text(" with (force)").into_sql()).execute(admin).await.map(|_| ())
}

/// Reads the settings of the server.
///
/// # Errors
/// When it does not answer.
pub(super) async fn settings(admin: &mut Connection) -> Result<ServerSettings> {
    let (version, fsync, synchronous_commit, shared_buffers) = sqlx::query_as(
        "select current_setting('server_version'), current_setting('fsync'),
                current_setting('synchronous_commit'), current_setting('shared_buffers')",
    )
    .fetch_one(admin)
    .await?;
    Ok(ServerSettings { version, fsync, synchronous_commit, shared_buffers })
}

/// How many client connections this database has.
///
/// # Errors
/// When the server does not answer.
pub(super) async fn connections(admin: &mut Connection, database: &str) -> Result<i64> {
    let count = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where datname = $1 and backend_type = 'client backend'",
    );
    count.bind(database).fetch_one(admin).await
}

/// Vacuums the job table, as autovacuum would have done by then, and analyzes all tables for the planner.
///
/// # Errors
/// When the database does not do it.
pub(super) async fn vacuum_jobs(pool: &Pool) -> Result<()> {
    for sql in ["vacuum (analyze) job", "analyze run", "analyze event", "analyze requirement"] {
        sqlx::query(sql).execute(pool).await?;
    }
    Ok(())
}

/// Leaves rows that were inserted in bulk as they would be after some days: vacuumed, frozen, analyzed and on
/// disk. Else autovacuum would run in the middle of a measurement.
///
/// # Errors
/// When the database does not do it. An account that may not ask for a checkpoint goes without one.
pub(super) async fn vacuum_all(pool: &Pool) -> Result<()> {
    sqlx::query("vacuum (freeze, analyze)").execute(pool).await?;
    match sqlx::query("checkpoint").execute(pool).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => Ok(()),
        done => done.map(|_| ()),
    }
}

/// A transaction that keeps seeing the database as it is now, until it is dropped: no row that is deleted
/// meanwhile can be vacuumed.
#[derive(Debug)]
pub(super) struct Snapshot {
    _connection: PgConnection,
}

impl Snapshot {
    /// Opens one.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub(super) async fn open(url: &str) -> Result<Self> {
        let mut connection = connect(url).await?;
        sqlx::query("begin isolation level repeatable read").execute(&mut connection).await?;
        // The first query takes the snapshot.
        sqlx::query("select count(*) from product").execute(&mut connection).await?;
        Ok(Self { _connection: connection })
    }
}
