//! A Postgres of a test's own, which the test may kill.

use std::sync::Arc;

use aspora::dev::postgres::Cluster;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::FaultEnv;

/// A cluster in a folder of its own, as killed and stopped workers keep many connections for a while. Clones are
/// handles of the same cluster.
#[derive(Clone)]
pub(crate) struct TestPostgres {
    pub(crate) cluster: Arc<Cluster>,
    _folder: Arc<TempDir>,
}

/// How Postgres ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// `kill -9` of the postmaster.
    Kill,
    /// An immediate shutdown: every connection is cut, and what is not in the write-ahead log yet is lost.
    ImmediateShutdown,
}

impl TestPostgres {
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("aspora-").tempdir().unwrap();
        let cluster = tokio::task::block_in_place(|| Cluster::start(folder.path()).unwrap());
        Self { cluster: Arc::new(cluster), _folder: Arc::new(folder) }
    }

    /// Creates an empty database; its URL.
    pub(crate) fn create_database(&self, name: &str) -> String {
        tokio::task::block_in_place(|| self.cluster.create_database(name).unwrap());
        self.cluster.url(name)
    }

    /// An environment over a new database of this name.
    pub(crate) async fn fault_env(&self, name: &str) -> FaultEnv {
        FaultEnv::open(&self.create_database(name)).await
    }

    pub(crate) fn kill(&self) {
        tokio::task::block_in_place(|| self.cluster.kill().unwrap());
    }

    pub(crate) fn restart(&self) {
        tokio::task::block_in_place(|| self.cluster.restart().unwrap());
    }

    /// Ends the server as `crash` says and starts it again.
    pub(crate) fn crash(&self, crash: Crash) {
        match (crash, self.cluster.pid()) {
            (Crash::ImmediateShutdown, Some(postmaster)) => {
                let pid = Pid::from_raw(i32::try_from(postmaster).unwrap()).unwrap();
                kill_process(pid, Signal::QUIT).unwrap();
            }
            (Crash::Kill | Crash::ImmediateShutdown, _) => self.kill(),
        }
        self.restart();
    }
}
