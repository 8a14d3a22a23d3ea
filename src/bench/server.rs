//! The Postgres server of the measurements, the one that was given or a private one, and its databases.

use std::{path::PathBuf, sync::Mutex};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::{
    graphs::{self, Graphs, PRODUCT},
    throwaway::{self, ServerSettings},
};
use crate::{dev::postgres::Cluster, engine::Engine, store};

/// A Postgres server, and the databases that were created on it.
pub(super) struct DatabaseServer {
    location: Location,
    settings: ServerSettings,
    created: Mutex<Vec<String>>,
}

enum Location {
    /// A cluster of our own and its folder; both are removed at the end.
    Private(Cluster, TempDir),
    /// The server of the caller.
    External(Url),
}

/// A database of this run of the bench.
#[derive(Debug, Clone)]
pub(super) struct Database {
    /// Its URL, with its password.
    pub(super) url: String,
    /// Its name.
    pub(super) name: String,
    /// The graphs in it.
    pub(super) graphs: Graphs,
}

impl DatabaseServer {
    /// Connects to the server of this URL, or starts a private one.
    pub(super) async fn open(database_url: Option<&str>) -> anyhow::Result<Self> {
        let location = match database_url {
            Some(url) => Location::External(Url::parse(url).context("read DATABASE_URL")?),
            None => tokio::task::spawn_blocking(private).await??,
        };
        let mut admin =
            throwaway::connect(&location.admin()).await.context("connect to the database server")?;
        let settings = throwaway::settings(&mut admin).await?;
        // Without durable commits the figures would mean nothing.
        ensure!(
            settings.fsync == "on" && settings.synchronous_commit != "off",
            "the server runs with fsync = {} and synchronous_commit = {}: both must be on to measure",
            settings.fsync,
            settings.synchronous_commit
        );
        Ok(Self { location, settings, created: Mutex::default() })
    }

    /// Creates a database with the schema, the product and the graphs.
    pub(super) async fn create(&self) -> anyhow::Result<Database> {
        let (url, name) = self.create_empty().await?;
        let pool = store::connect(&url, 1).await?;
        store::migrate(&pool).await.context("migrate a database of the bench")?;
        store::product::put(&pool, &PRODUCT.parse()?, &"aspora/bench".parse()?, "main", &[]).await?;
        let graphs = graphs::store(&pool).await?;
        pool.close().await;
        Ok(Database { url, name, graphs })
    }

    /// Creates a database without anything in it and returns its URL and its name.
    pub(super) async fn create_empty(&self) -> anyhow::Result<(String, String)> {
        let name = throwaway::create(&mut self.admin().await?).await.context("create a database")?;
        if let Ok(mut created) = self.created.lock() {
            created.push(name.clone());
        }
        Ok((self.location.url(&name), name))
    }

    /// A connection to another database of the server, so that it does not count as one of the measured.
    pub(super) async fn admin(&self) -> anyhow::Result<store::Connection> {
        throwaway::connect(&self.location.admin()).await.context("connect to the database server")
    }

    /// Drops a database before the end, to free its space.
    pub(super) async fn drop_database(&self, database: &Database) -> anyhow::Result<()> {
        Ok(throwaway::drop(&mut self.admin().await?, &database.name).await?)
    }

    /// The machine and the settings on which figures depend.
    pub(super) fn describe(&self) -> Value {
        json!({
            "workload": "machine",
            "cores": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            "postgres": self.settings.version,
            "fsync": self.settings.fsync,
            "synchronous_commit": self.settings.synchronous_commit,
            "shared_buffers": self.settings.shared_buffers,
            "cluster": if matches!(self.location, Location::External(_)) { "DATABASE_URL" } else { "private" },
            "build": if cfg!(debug_assertions) { "debug" } else { "release" },
        })
    }

    /// Drops every database that was created, and removes a private cluster with its folder.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self.location {
            Location::External(_) => {
                let mut admin = self.admin().await?;
                let created = self.created.lock().map(|created| created.clone()).unwrap_or_default();
                for name in created {
                    throwaway::drop(&mut admin, &name).await.with_context(|| format!("drop {name}"))?;
                }
                Ok(())
            }
            Location::Private(cluster, folder) => {
                tokio::task::spawn_blocking(|| remove(cluster, folder)).await?
            }
        }
    }
}

impl Location {
    fn url(&self, database: &str) -> String {
        match self {
            Self::Private(cluster, _) => cluster.url(database),
            Self::External(url) => {
                let mut url = url.clone();
                url.set_path(database);
                url.into()
            }
        }
    }

    fn admin(&self) -> String {
        match self {
            Self::Private(cluster, _) => cluster.url("postgres"),
            Self::External(url) => url.clone().into(),
        }
    }
}

impl Database {
    /// An engine over at most `connections` connections.
    pub(super) async fn engine(&self, connections: u32) -> anyhow::Result<Engine> {
        let pool =
            store::connect(&self.url, connections).await.context("connect to a database of the bench")?;
        Ok(Engine::open(pool).await?)
    }
}

fn private() -> anyhow::Result<Location> {
    let folder = tempfile::Builder::new().prefix("aspora-bench-").tempdir().context("make a folder")?;
    let cluster = Cluster::start(folder.path())?;
    Ok(Location::Private(cluster, folder))
}

/// Under root the data is elsewhere, and the link `cluster` points there.
fn remove(cluster: Cluster, folder: TempDir) -> anyhow::Result<()> {
    let elsewhere: Option<PathBuf> = std::fs::read_link(folder.path().join("cluster")).ok();
    cluster.stop()?;
    drop(cluster);
    if let Some(elsewhere) = elsewhere {
        std::fs::remove_dir_all(&elsewhere).with_context(|| format!("remove {}", elsewhere.display()))?;
    }
    folder.close().context("remove the folder of the private cluster")
}
