//! Databases that are made for one measurement and dropped after it, and what can be asked of their server.

use std::{path::PathBuf, str::FromStr, time::Duration};

use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use uuid::Uuid;

use super::{Connection, Pool, Result};

/// The start of the name of every such database.
const PREFIX: &str = "aspora_bench_";

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host and a port.
    Tcp(String, u16),
    /// The file of a socket.
    Unix(PathBuf),
}

/// How a server was set up, as far as figures depend on it.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its version, such as `15.6`.
    pub version: String,
    /// Whether commits reach the disk.
    pub fsync: String,
    /// Whether a commit waits for that.
    pub synchronous_commit: String,
    /// Its own cache, such as `128MB`.
    pub shared_buffers: String,
}

/// Where the server of this URL listens.
///
/// # Errors
/// When the URL cannot be read.
pub fn address(url: &str) -> Result<Address> {
    let options = PgConnectOptions::from_str(url)?;
    let (host, port) = (options.get_host().to_owned(), options.get_port());
    let folder =
        options.get_socket().cloned().or_else(|| host.starts_with('/').then(|| PathBuf::from(&host)));
    Ok(match folder {
        Some(folder) => Address::Unix(folder.join(format!(".s.PGSQL.{port}"))),
        None => Address::Tcp(host, port),
    })
}

/// One connection to `url` without limits of time.
///
/// # Errors
/// When it cannot be made.
pub async fn reach(url: &str) -> Result<PgConnection> {
    PgConnection::connect(url).await
}

/// A pool of `connections` connections that are there already, without limits of time.
///
/// # Errors
/// When one cannot be made within a minute.
pub async fn pool(url: &str, connections: u32) -> Result<Pool> {
    let options = PgPoolOptions::new()
        .min_connections(connections)
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(60));
    let pool = options.connect(url).await?;
    // What is measured shall not begin with the making of connections.
    let all = (0..connections).map(|_| pool.acquire());
    futures::future::try_join_all(all).await?;
    Ok(pool)
}

/// Makes an empty database beside the one of `admin` and tells its name.
///
/// # Errors
/// When the account may not make databases.
pub async fn create(admin: &mut Connection) -> Result<String> {
    let name = format!("{PREFIX}{}", Uuid::new_v4().simple());
    sqlx::query(AssertSqlSafe(format!(r#"create database "{name}" template template0"#)))
        .execute(admin)
        .await?;
    Ok(name)
}

/// Drops a database that [`create`] made, with whoever is still connected to it.
///
/// # Errors
/// When the server does not do it; a name that is not of such a database is refused.
pub async fn drop(admin: &mut Connection, name: &str) -> Result<()> {
    let ours = name.strip_prefix(PREFIX).is_some_and(|rest| Uuid::parse_str(rest).is_ok());
    if !ours {
        return Err(super::Error::Configuration(format!("{name:?} is no throw-away database").into()));
    }
    let done = sqlx::query(AssertSqlSafe(format!(r#"drop database if exists "{name}" with (force)"#)));
    done.execute(admin).await.map(|_| ())
}

/// How the server was set up.
///
/// # Errors
/// When it does not answer.
pub async fn server(admin: &mut Connection) -> Result<Server> {
    let (version, fsync, synchronous_commit, shared_buffers) = sqlx::query_as(
        "select current_setting('server_version'), current_setting('fsync'),
                current_setting('synchronous_commit'), current_setting('shared_buffers')",
    )
    .fetch_one(admin)
    .await?;
    Ok(Server { version, fsync, synchronous_commit, shared_buffers })
}

/// How many connections others have to this database.
///
/// # Errors
/// When the server does not answer.
pub async fn connections(admin: &mut Connection, database: &str) -> Result<i64> {
    let count = sqlx::query_scalar(
        "select count(*) from pg_stat_activity where datname = $1 and backend_type = 'client backend'",
    );
    count.bind(database).fetch_one(admin).await
}

/// Does for the job table what autovacuum would have done by then, and lets the planner know all tables.
///
/// # Errors
/// When the database does not do it.
pub async fn tidy(pool: &Pool) -> Result<()> {
    for sql in ["vacuum (analyze) job", "analyze run", "analyze event", "analyze requirement"] {
        sqlx::query(sql).execute(pool).await?;
    }
    Ok(())
}

/// Leaves what was made in bulk as it would lie after some days: swept, frozen, known to the planner and on disk.
/// Else the server's own housekeeping would come in the middle of what is measured.
///
/// # Errors
/// When the database does not do it. An account that may not ask for a checkpoint goes without one.
pub async fn settle(pool: &Pool) -> Result<()> {
    sqlx::query("vacuum (freeze, analyze)").execute(pool).await?;
    match sqlx::query("checkpoint").execute(pool).await {
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42501") => Ok(()),
        done => done.map(|_| ()),
    }
}

/// A transaction that keeps seeing the database as it is now, until it is dropped: nothing that dies after
/// this can be swept.
#[derive(Debug)]
pub struct Snapshot {
    _connection: PgConnection,
}

impl Snapshot {
    /// Takes one.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn hold(url: &str) -> Result<Self> {
        let mut connection = reach(url).await?;
        sqlx::query("begin isolation level repeatable read").execute(&mut connection).await?;
        // Only a first question takes the snapshot.
        sqlx::query("select count(*) from product").execute(&mut connection).await?;
        Ok(Self { _connection: connection })
    }
}
