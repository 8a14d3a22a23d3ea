//! What workloads share: the plan, the server, and the databases that are created once.

use anyhow::Context as _;
use tokio::sync::OnceCell;

use super::{
    Plan, baseline,
    fill::{self, Fill},
    progress,
    server::{Database, DatabaseServer},
    throwaway,
    worker::{Commits, Setup},
};
use crate::{core::subject::SubjectKind, engine::Engine, store::Pool};

/// Clients of the baseline that insert, each over a connection of its own.
pub(super) const CLIENTS: usize = 8;
/// Clients that work in batches: more only wait for each other on a machine of few cores.
const BATCH_CLIENTS: usize = 2;

/// What a workload runs in.
pub(super) struct Environment<'a> {
    pub(super) plan: &'a Plan,
    pub(super) server: &'a DatabaseServer,
    baseline: OnceCell<Pool>,
    past: OnceCell<Database>,
}

impl<'a> Environment<'a> {
    pub(super) fn new(plan: &'a Plan, server: &'a DatabaseServer) -> Self {
        Self { plan, server, baseline: OnceCell::new(), past: OnceCell::new() }
    }

    /// The settings of the worker of `drain` and `chain`.
    pub(super) const fn setup(&self, commits: Commits) -> Setup {
        Setup { slots: self.plan.sizes.slots, connections: self.plan.connections, commits }
    }

    /// The database of the baseline.
    pub(super) async fn baseline(&self) -> anyhow::Result<&Pool> {
        let make = || async {
            let (url, _) = self.server.create_empty().await?;
            let connections = u32::try_from(CLIENTS).unwrap_or(u32::MAX) + 1;
            let pool = throwaway::pool(&url, connections).await?;
            baseline::prepare(&pool).await.context("create the tables of the baseline")?;
            Ok(pool)
        };
        self.baseline.get_or_try_init(make).await
    }

    /// What Postgres does now: jobs a second, claimed and finished in batches of 100.
    pub(super) async fn batch_baseline(&self) -> anyhow::Result<f64> {
        Ok(baseline::batches(self.baseline().await?, BATCH_CLIENTS, self.plan.sizes.limit).await?)
    }

    /// What Postgres does now: whole transitions a second, in batches of 100.
    pub(super) async fn transition_baseline(&self) -> anyhow::Result<f64> {
        Ok(baseline::transitions(self.baseline().await?, BATCH_CLIENTS, self.plan.sizes.limit).await?)
    }

    /// A database with many finished runs.
    pub(super) async fn past(&self) -> anyhow::Result<&Database> {
        let make = || async {
            let runs = self.plan.sizes.past;
            progress(&format!("inserting {runs} finished runs"));
            let database = self.server.create().await?;
            let pool = throwaway::pool(&database.url, 2).await?;
            let graph = Engine::open(pool.clone()).await?.newest(SubjectKind::Requirement)?;
            let past = Fill { runs: u32::try_from(runs)?, ..Fill::default() };
            fill::fill(&pool, &graph, &past).await.context("insert finished runs")?;
            throwaway::vacuum_all(&pool).await.context("vacuum the finished runs")?;
            pool.close().await;
            Ok(database)
        };
        self.past.get_or_try_init(make).await
    }
}
