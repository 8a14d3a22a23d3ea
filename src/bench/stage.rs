//! What workloads share: the ground, the sizes, and what is dear to make and made once.

use anyhow::Context as _;
use tokio::sync::OnceCell;

use super::{
    Plan,
    crew::{Commits, Setup},
    ground::{Database, Ground},
    say,
};
use crate::{
    core::subject::SubjectKind,
    engine::Engine,
    store::{
        Pool,
        fill::{self, Fill},
        limits_of_postgres as postgres, throwaway,
    },
};

/// Connections of the limits; also how many clients insert.
pub(super) const CLIENTS: usize = 8;
/// Clients that work by batches: more only wait for each other on a machine of few cores.
const BATCH_CLIENTS: usize = 2;

/// Where a workload is measured.
pub(super) struct Stage<'a> {
    pub(super) plan: &'a Plan,
    pub(super) ground: &'a Ground,
    limits: OnceCell<Pool>,
    past: OnceCell<Database>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(plan: &'a Plan, ground: &'a Ground) -> Self {
        Self { plan, ground, limits: OnceCell::new(), past: OnceCell::new() }
    }

    /// The worker of `drain` and `chain`.
    pub(super) const fn setup(&self, commits: Commits) -> Setup {
        Setup { slots: self.plan.sizes.slots, connections: self.plan.connections, commits }
    }

    /// A database for the limits.
    pub(super) async fn limits(&self) -> anyhow::Result<&Pool> {
        let make = || async {
            let (url, _) = self.ground.empty().await?;
            let connections = u32::try_from(CLIENTS).unwrap_or(u32::MAX) + 1;
            let pool = throwaway::pool(&url, connections).await?;
            postgres::prepare(&pool).await.context("make the tables of the limits")?;
            Ok(pool)
        };
        self.limits.get_or_try_init(make).await
    }

    /// What Postgres gives now: jobs a second, claimed and finished by batches of 100.
    pub(super) async fn batch_limit(&self) -> anyhow::Result<f64> {
        Ok(postgres::batches(self.limits().await?, BATCH_CLIENTS, self.plan.sizes.limit).await?)
    }

    /// What Postgres gives now: whole transitions a second, in groups of 100.
    pub(super) async fn transition_limit(&self) -> anyhow::Result<f64> {
        Ok(postgres::transitions(self.limits().await?, BATCH_CLIENTS, self.plan.sizes.limit).await?)
    }

    /// A database with a long past.
    pub(super) async fn past(&self) -> anyhow::Result<&Database> {
        let make = || async {
            let runs = self.plan.sizes.past;
            say(&format!("making a past of {runs} finished runs"));
            let database = self.ground.fresh().await?;
            let pool = throwaway::pool(&database.url, 2).await?;
            let graph = Engine::open(pool.clone()).await?.newest(SubjectKind::Requirement)?;
            let past = Fill { runs: u32::try_from(runs)?, ..Fill::default() };
            fill::fill(&pool, &graph, &past).await.context("make a past")?;
            throwaway::settle(&pool).await.context("let the past settle")?;
            pool.close().await;
            Ok(database)
        };
        self.past.get_or_try_init(make).await
    }
}
