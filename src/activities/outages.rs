//! The breakers of the servers that are called, which all workers share through the database.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use uuid::Uuid;

use crate::{
    core::{
        outage::{Held, Outage, Pass, Provider},
        rate::Wait,
    },
    store::{
        Pool,
        outage::{self, Admission},
    },
    workspace,
};

/// How long no call is made when the database fails and cannot admit one.
const DATABASE_WAIT: Duration = Duration::from_secs(2);
/// Over how long the jobs are spread that waited for a provider.
const SPREAD: Duration = Duration::from_secs(2);

/// The breaker of one provider.
#[derive(Debug, Clone)]
pub struct Breaker {
    pool: Pool,
    provider: Provider,
    probes: Probes,
}

/// The probes that a process has under way. What is still under way when it stops is given back, so that another
/// process need not wait for it.
#[derive(Debug, Clone, Default)]
pub struct Probes(Arc<Mutex<BTreeMap<Uuid, Provider>>>);

impl Probes {
    /// Gives back every probe that is under way; its call must not go on.
    pub async fn give_back(&self, pool: &Pool) {
        let left = std::mem::take(&mut *self.lock());
        for (probe, provider) in left {
            give_back(pool, &provider, probe).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Uuid, Provider>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, pass: Pass) {
        if let Some(probe) = pass.probe {
            self.lock().remove(&probe);
        }
    }
}

impl Breaker {
    /// The breaker of this provider, in this database.
    #[must_use]
    pub fn new(pool: Pool, provider: Provider) -> Self {
        Self { pool, provider, probes: Probes::default() }
    }

    /// The same breaker, with its probes noted here.
    #[must_use]
    pub fn noting(self, probes: &Probes) -> Self {
        Self { probes: probes.clone(), ..self }
    }

    /// The breaker of git at a forge with this base URL; `None` for one that cannot be read.
    #[must_use]
    pub fn of_git(pool: Pool, base: &str) -> Option<Self> {
        let url = url::Url::parse(base).ok()?;
        Some(Self::new(pool, Provider::git(super::rate_limits::host(&url))))
    }

    /// Admits a call, unless the provider is down.
    ///
    /// # Errors
    /// [`Held`] says for how long no call may be made.
    pub async fn pass(&self) -> Result<Pass, Held> {
        match outage::pass(&self.pool, &self.provider).await {
            Ok(Admission::Go(pass)) => {
                if let Some(probe) = pass.probe {
                    self.probes.lock().insert(probe, self.provider.clone());
                }
                Ok(pass)
            }
            Ok(Admission::Wait(outage)) => Err(Held::Outage(outage)),
            Err(error) => {
                let why = format!("the database failed: {error}");
                let key = self.provider.to_string();
                Err(Held::Limit(Wait { key, wait: DATABASE_WAIT, is_penalty: true, why }))
            }
        }
    }

    /// Gives back the pass of a call that is not made.
    pub async fn give_back(&self, pass: Pass) {
        self.probes.ended(pass);
        if let Some(probe) = pass.probe {
            give_back(&self.pool, &self.provider, probe).await;
        }
    }

    /// Records how a call ended: with an answer, or with this failure. Returns the outage of a failure.
    pub async fn ended(&self, pass: Pass, failure: Option<String>) -> Option<Outage> {
        let Self { pool, provider, probes } = self;
        probes.ended(pass);
        let Some(error) = failure else {
            match outage::answered(pool, provider, pass, SPREAD).await {
                Ok(Some(due)) => {
                    tracing::info!(%provider, jobs = due, "{} answers again", provider.in_words());
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%provider, %error, "an answer was not recorded: {error}"),
            }
            return None;
        };
        Some(outage::failed(pool, provider, pass, &error).await.unwrap_or_else(|unrecorded| {
            tracing::warn!(%provider, %unrecorded, "a failure was not recorded: {unrecorded}");
            Outage::of_one_call(provider.clone(), DATABASE_WAIT, error)
        }))
    }
}

async fn give_back(pool: &Pool, provider: &Provider, probe: Uuid) {
    if let Err(error) = outage::give_back(pool, provider, probe).await {
        tracing::debug!(%provider, %error, "a probe was not given back: {error}");
    }
}

impl workspace::Throttle for Breaker {
    fn pass(&self) -> BoxFuture<'_, Result<Pass, Held>> {
        self.pass().boxed()
    }

    fn ended(&self, pass: Pass, failure: Option<String>) -> BoxFuture<'_, Option<Outage>> {
        self.ended(pass, failure).boxed()
    }
}
