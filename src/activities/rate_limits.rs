//! The rate limits of the forge and the model, which all workers share through the database.
//!
//! Two statements are run before each call: of its breaker and of its limits. An answer is recorded if it carries a penalty, or if it reports a
//! window that differs enough from the one recorded last.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use url::Url;

use super::outages::{Breaker, Probes};
use crate::{
    core::{
        outage::{Held, Outage, Pass, Provider},
        rate::{Observed, RateWindow, Wait},
    },
    github::{self, Effort, Minting},
    llm,
    store::{
        Pool,
        rate::{self, Admission, Bucket},
    },
};

/// The longest that a call waits here in all; for longer waits the job is snoozed.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long no call is made when the database fails and cannot admit one.
const DATABASE_WAIT: Duration = Duration::from_secs(2);
/// How many times a window is recorded while it is used up.
const RECORDINGS: u32 = 50;

/// The buckets in the database, and the window of each that this process recorded last.
struct Limits {
    pool: Pool,
    recorded: Mutex<HashMap<String, RateWindow>>,
}

/// The limits of our accounts at one forge.
pub struct ForgeThrottle {
    limits: Limits,
    breaker: Breaker,
    minting: Breaker,
    host: String,
    /// Whether the forge has GitHub's secondary limits; a server of one's own has none by default.
    is_github: bool,
}

/// The limits of one account: `github:<host>:installation/<id>` or `…:account/<id>`. They are named by what GitHub
/// counts by, so that a penalty outlives a token.
struct Account {
    /// Every call, as GitHub counts them.
    calls: Bucket,
    secondary: Option<Secondary>,
}

/// GitHub's secondary limits. They hold in any window, since a bucket admits at most its capacity plus what is
/// refilled in the meantime.
struct Secondary {
    /// 900 points a minute: a read is one, any other call five.
    points: Bucket,
    /// One second between two changes.
    changes: Bucket,
    /// 500 creations an hour.
    creations: Bucket,
}

/// The limits of the models at one provider.
pub struct ModelThrottle {
    limits: Limits,
    host: String,
    probes: Probes,
}

impl ForgeThrottle {
    /// The limits at this forge.
    #[must_use]
    pub fn new(pool: Pool, api_url: &Url) -> Self {
        let host = host(api_url);
        let is_github = host == "api.github.com" || host.ends_with(".ghe.com");
        let breaker = Breaker::new(pool.clone(), Provider::forge(host.clone()));
        let minting = Breaker::new(pool.clone(), Provider::minting(&host));
        Self { limits: Limits::new(pool), breaker, minting, host, is_github }
    }

    /// The key of the limit that counts every call of an account.
    #[must_use]
    pub fn key(&self, account: &str) -> String {
        format!("github:{}:{account}", self.host)
    }

    /// The same, with its probes noted here.
    #[must_use]
    pub fn noting(self, probes: &Probes) -> Self {
        Self { breaker: self.breaker.noting(probes), minting: self.minting.noting(probes), ..self }
    }

    /// With GitHub's secondary limits, whatever the server.
    #[must_use]
    pub fn as_at_github(self) -> Self {
        Self { is_github: true, ..self }
    }

    fn account(&self, account: &str) -> Account {
        let key = self.key(account);
        Account {
            secondary: self.is_github.then(|| Secondary::of(&key)),
            calls: Bucket { key, capacity: None, refill_per_s: 0.0 },
        }
    }
}

impl Account {
    fn costs(&self, effort: Effort) -> Vec<(&Bucket, f64)> {
        let mut costs = vec![(&self.calls, 1.0)];
        if let Some(secondary) = &self.secondary {
            costs.push((&secondary.points, if effort == Effort::Read { 1.0 } else { 5.0 }));
            if effort != Effort::Read {
                costs.push((&secondary.changes, 1.0));
            }
            if effort == Effort::Create {
                costs.push((&secondary.creations, 1.0));
            }
        }
        costs
    }
}

impl Secondary {
    fn of(account: &str) -> Self {
        let bucket = |name: &str, capacity, refill_per_s| Bucket {
            key: format!("{account}/{name}"),
            capacity: Some(capacity),
            refill_per_s,
        };
        Self {
            points: bucket("points", 300.0, 10.0),
            changes: bucket("changes", 1.0, 1.0),
            creations: bucket("creations", 100.0, 400.0 / 3600.0),
        }
    }
}

impl ModelThrottle {
    /// The limits of the models at this address.
    #[must_use]
    pub fn new(pool: Pool, base_url: &str) -> Self {
        Self { limits: Limits::new(pool), host: llm::host(base_url), probes: Probes::default() }
    }

    /// The same, with its probes noted here.
    #[must_use]
    pub fn noting(self, probes: &Probes) -> Self {
        Self { probes: probes.clone(), ..self }
    }

    fn breaker(&self, model: &str) -> Breaker {
        let provider = Provider::model(&self.host, model);
        Breaker::new(self.limits.pool.clone(), provider).noting(&self.probes)
    }

    /// The keys of the limits of a model's calls and of its tokens.
    #[must_use]
    pub fn keys(&self, model: &str) -> (String, String) {
        let model: String = model.chars().take(100).collect();
        let calls = format!("model:{}/{model}", self.host);
        let tokens = format!("{calls}/tokens");
        (calls, tokens)
    }
}

impl github::Throttle for ForgeThrottle {
    fn provider(&self) -> Provider {
        Provider::forge(self.host.clone())
    }

    fn pass<'a>(&'a self, account: &'a str, effort: Effort) -> BoxFuture<'a, Result<Pass, Held>> {
        async move { self.limits.pass(&self.breaker, &self.account(account).costs(effort)).await }.boxed()
    }

    fn ended(&self, pass: Pass, failure: Option<String>) -> BoxFuture<'_, Option<Outage>> {
        self.breaker.ended(pass, failure).boxed()
    }

    fn pass_minting(&self) -> BoxFuture<'_, Result<Pass, Held>> {
        self.minting.pass().boxed()
    }

    fn ended_minting(&self, pass: Pass, minting: Minting) -> BoxFuture<'_, Option<Outage>> {
        async move {
            match minting {
                Minting::Answered => self.minting.ended(pass, None).await,
                Minting::Failed(error) => self.minting.ended(pass, Some(error)).await,
                Minting::Held => {
                    self.minting.give_back(pass).await;
                    None
                }
            }
        }
        .boxed()
    }

    fn observe<'a>(&'a self, account: &'a str, observed: Observed) -> BoxFuture<'a, ()> {
        async move {
            let (Observed { penalty, calls, .. }, key) = (observed, self.key(account));
            self.limits.penalise(&key, penalty).await;
            self.limits.observe(&key, calls).await;
        }
        .boxed()
    }
}

impl llm::Throttle for ModelThrottle {
    fn provider(&self, model: &str) -> Provider {
        Provider::model(&self.host, model)
    }

    fn pass<'a>(&'a self, model: &'a str, tokens: u32) -> BoxFuture<'a, Result<Pass, Held>> {
        async move {
            let bucket = |key| Bucket { key, capacity: None, refill_per_s: 0.0 };
            let (of_calls, of_tokens) = self.keys(model);
            let (of_calls, of_tokens) = (bucket(of_calls), bucket(of_tokens));
            let costs = [(&of_calls, 1.0), (&of_tokens, f64::from(tokens))];
            self.limits.pass(&self.breaker(model), &costs).await
        }
        .boxed()
    }

    fn ended<'a>(
        &'a self,
        model: &'a str,
        pass: Pass,
        failure: Option<String>,
    ) -> BoxFuture<'a, Option<Outage>> {
        async move { self.breaker(model).ended(pass, failure).await }.boxed()
    }

    fn observe<'a>(&'a self, model: &'a str, observed: Observed) -> BoxFuture<'a, ()> {
        async move {
            let (of_calls, of_tokens) = self.keys(model);
            self.limits.penalise(&of_calls, observed.penalty).await;
            self.limits.observe(&of_calls, observed.calls).await;
            self.limits.observe(&of_tokens, observed.tokens).await;
        }
        .boxed()
    }
}

impl Limits {
    fn new(pool: Pool) -> Self {
        Self { pool, recorded: Mutex::default() }
    }

    /// Admits a call unless its provider is down, and takes what it costs.
    async fn pass(&self, breaker: &Breaker, costs: &[(&Bucket, f64)]) -> Result<Pass, Held> {
        let pass = breaker.pass().await?;
        match self.afford(costs).await {
            Ok(()) => Ok(pass),
            Err(wait) => {
                breaker.give_back(pass).await;
                Err(wait.into())
            }
        }
    }

    /// Takes what a call costs. A short wait is slept here, since a snoozed attempt starts over; a penalty is
    /// not, so that workers do not all come back at the same moment.
    async fn afford(&self, costs: &[(&Bucket, f64)]) -> Result<(), Wait> {
        let mut patience = PATIENCE;
        loop {
            match self.take(costs).await {
                Ok(Admission::Go) => return Ok(()),
                Ok(Admission::Wait(held)) if !held.is_penalty && held.wait <= patience => {
                    patience -= held.wait;
                    tokio::time::sleep(held.wait).await;
                }
                Ok(Admission::Wait(held)) => return Err(held),
                Err(error) => {
                    let why = format!("the database failed: {error}");
                    return Err(Wait {
                        key: costs[0].0.key.clone(),
                        wait: DATABASE_WAIT,
                        is_penalty: true,
                        why,
                    });
                }
            }
        }
    }

    async fn take(&self, costs: &[(&Bucket, f64)]) -> Result<Admission, crate::store::Error> {
        let keys: Vec<String> = costs.iter().map(|(bucket, _)| bucket.key.clone()).collect();
        let prices: Vec<f64> = costs.iter().map(|(_, cost)| *cost).collect();
        loop {
            if let Some(taken) = rate::take(&self.pool, &keys, &prices).await? {
                return Ok(taken);
            }
            let buckets: Vec<Bucket> = costs.iter().map(|(bucket, _)| (*bucket).clone()).collect();
            rate::declare(&self.pool, &buckets).await?;
        }
    }

    /// Closes a limit for all workers.
    async fn penalise(&self, key: &str, penalty: Option<(Duration, String)>) {
        let Some((wait, why)) = penalty else { return };
        tracing::warn!(rate.key = key, rate.wait_s = wait.as_secs(), "no calls of {key} for {wait:?}: {why}");
        if let Err(error) = rate::penalise(&self.pool, key, wait, &why).await {
            tracing::warn!(rate.key = key, %error, "a penalty was not recorded: {error}");
        }
    }

    /// Records a window, if it says something new.
    async fn observe(&self, key: &str, window: Option<RateWindow>) {
        let Some(window) = window.filter(|window| self.is_new(key, window)) else { return };
        if let Err(error) = rate::observe(&self.pool, key, &window).await {
            tracing::debug!(rate.key = key, %error, "a rate window was not recorded: {error}");
        }
    }

    /// Whether the window differs enough from the one recorded last: the database counts what workers take,
    /// but not what others use of the same limit.
    fn is_new(&self, key: &str, window: &RateWindow) -> bool {
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = recorded.get(key).is_none_or(|last| {
            let step = (window.limit / RECORDINGS).max(1);
            last.limit != window.limit
                || window.remaining > last.remaining
                || last.remaining - window.remaining >= step
                || window.remaining < window.limit / 10
        });
        if is_new {
            recorded.insert(key.to_owned(), *window);
        }
        is_new
    }
}

/// The host of an address, with its port if it names one.
pub(super) fn host(url: &Url) -> String {
    url[url::Position::BeforeHost..url::Position::AfterPort].to_owned()
}
