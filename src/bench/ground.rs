//! Where measurements happen: databases made for them, on the cluster that was given or on a private one.

use std::{path::PathBuf, sync::Mutex};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::Url;

use super::graphs::{self, Graphs, PRODUCT};
use crate::{
    dev::postgres::Cluster,
    engine::Engine,
    store::{self, throwaway},
};

/// A server, and the databases that were made on it.
pub(super) struct Ground {
    place: Place,
    server: throwaway::Server,
    made: Mutex<Vec<String>>,
}

enum Place {
    /// A private cluster, and the folder that goes with it.
    Private(Cluster, TempDir),
    /// Somebody's cluster.
    Given(Url),
}

/// A database of this run of the bench.
#[derive(Debug, Clone)]
pub(super) struct Database {
    /// Its URL, with its password.
    pub(super) url: String,
    /// Its name.
    pub(super) name: String,
    /// The graphs that it knows.
    pub(super) graphs: Graphs,
}

impl Ground {
    /// Finds or starts the server.
    pub(super) async fn open(database_url: Option<&str>) -> anyhow::Result<Self> {
        let place = match database_url {
            Some(url) => Place::Given(Url::parse(url).context("read DATABASE_URL")?),
            None => tokio::task::spawn_blocking(private).await??,
        };
        let mut admin = throwaway::reach(&place.admin()).await.context("reach the database server")?;
        let server = throwaway::server(&mut admin).await?;
        // A figure of a database that may forget is no figure.
        ensure!(
            server.fsync == "on" && server.synchronous_commit != "off",
            "the server runs with fsync = {} and synchronous_commit = {}: both must be on to measure",
            server.fsync,
            server.synchronous_commit
        );
        Ok(Self { place, server, made: Mutex::default() })
    }

    /// A fresh database with the schema, the product and the graphs.
    pub(super) async fn fresh(&self) -> anyhow::Result<Database> {
        let (url, name) = self.empty().await?;
        let pool = store::connect(&url, 1).await?;
        store::migrate(&pool).await.context("migrate a throw-away database")?;
        store::product::put(&pool, &PRODUCT.parse()?, &"aspora/bench".parse()?, "main", &[]).await?;
        let graphs = graphs::keep(&pool).await?;
        pool.close().await;
        Ok(Database { url, name, graphs })
    }

    /// A database without anything in it: its URL and its name.
    pub(super) async fn empty(&self) -> anyhow::Result<(String, String)> {
        let name = throwaway::create(&mut self.admin().await?).await.context("make a throw-away database")?;
        if let Ok(mut made) = self.made.lock() {
            made.push(name.clone());
        }
        Ok((self.place.url(&name), name))
    }

    /// A connection to another database of the server, so that what it does is counted elsewhere.
    pub(super) async fn admin(&self) -> anyhow::Result<store::Connection> {
        throwaway::reach(&self.place.admin()).await.context("reach the database server")
    }

    /// Drops a database before the end, to make room.
    pub(super) async fn discard(&self, database: &Database) -> anyhow::Result<()> {
        Ok(throwaway::drop(&mut self.admin().await?, &database.name).await?)
    }

    /// What figures depend on.
    pub(super) fn describe(&self) -> Value {
        json!({
            "workload": "machine",
            "cores": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            "postgres": self.server.version,
            "fsync": self.server.fsync,
            "synchronous_commit": self.server.synchronous_commit,
            "shared_buffers": self.server.shared_buffers,
            "cluster": if matches!(self.place, Place::Given(_)) { "DATABASE_URL" } else { "private" },
            "build": if cfg!(debug_assertions) { "debug" } else { "release" },
        })
    }

    /// Drops every database that was made, and a private cluster with its folder.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        match self.place {
            Place::Given(_) => {
                let mut admin = self.admin().await?;
                let made = self.made.lock().map(|made| made.clone()).unwrap_or_default();
                for name in made {
                    throwaway::drop(&mut admin, &name).await.with_context(|| format!("drop {name}"))?;
                }
                Ok(())
            }
            Place::Private(cluster, folder) => {
                tokio::task::spawn_blocking(|| remove(cluster, folder)).await?
            }
        }
    }
}

impl Place {
    fn url(&self, database: &str) -> String {
        match self {
            Self::Private(cluster, _) => cluster.url(database),
            Self::Given(url) => {
                let mut url = url.clone();
                url.set_path(database);
                url.into()
            }
        }
    }

    fn admin(&self) -> String {
        match self {
            Self::Private(cluster, _) => cluster.url("postgres"),
            Self::Given(url) => url.clone().into(),
        }
    }
}

impl Database {
    /// An engine over at most `connections` connections.
    pub(super) async fn engine(&self, connections: u32) -> anyhow::Result<Engine> {
        let pool =
            store::connect(&self.url, connections).await.context("connect to a throw-away database")?;
        Ok(Engine::open(pool).await?)
    }
}

fn private() -> anyhow::Result<Place> {
    let folder = tempfile::Builder::new().prefix("aspora-bench-").tempdir().context("make a folder")?;
    let cluster = Cluster::start(folder.path())?;
    Ok(Place::Private(cluster, folder))
}

/// As root the data may lie elsewhere, and `cluster` points there.
fn remove(cluster: Cluster, folder: TempDir) -> anyhow::Result<()> {
    let elsewhere: Option<PathBuf> = std::fs::read_link(folder.path().join("cluster")).ok();
    cluster.stop()?;
    drop(cluster);
    if let Some(elsewhere) = elsewhere {
        std::fs::remove_dir_all(&elsewhere).with_context(|| format!("remove {}", elsewhere.display()))?;
    }
    folder.close().context("remove the folder of the private cluster")
}
