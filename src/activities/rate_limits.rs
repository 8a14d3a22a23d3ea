//! How fast the outside is called: the limits of the forge and the model, shared through the database.
//!
//! One statement before each call. An answer is written down if it closes a limit, or says something of a
//! budget that the database does not know yet.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::{
    core::rate::{Observed, RateWindow, Wait},
    github::{self, Effort},
    llm,
    store::{
        Pool,
        rate::{self, Admission, Bucket},
    },
};

/// How long a call waits here in all; for longer waits the attempt is put off.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long to stay away from the outside when the database does not say whether we may call.
const BLIND: Duration = Duration::from_secs(2);
/// How many times a spent budget's rest is written down while it shrinks.
const STEPS: u32 = 50;

/// Everybody's buckets, and what this process has written of them.
struct Limits {
    pool: Pool,
    told: Mutex<HashMap<String, RateWindow>>,
}

/// The limits of one account at one forge.
pub struct ForgeThrottle {
    limits: Limits,
    /// `github:<host>:<who>`: every call, as GitHub counts them.
    account: Bucket,
    /// What GitHub asks for beside; nothing for a server that is somebody's own.
    secondary: Option<Secondary>,
}

/// GitHub's secondary limits, kept from below in any window: a bucket passes its capacity and what flows
/// into it meanwhile.
struct Secondary {
    /// 900 points a minute; a read is one, anything else five.
    points: Bucket,
    /// A second between any two changes.
    changes: Bucket,
    /// 500 new things an hour.
    creations: Bucket,
}

/// The limits of the models at one provider.
pub struct ModelThrottle {
    limits: Limits,
    host: String,
}

impl ForgeThrottle {
    /// The limits of whoever holds this token. The key names it by a short digest.
    #[must_use]
    pub fn new(pool: Pool, api_url: &Url, token: &SecretString) -> Self {
        let host = host(api_url);
        let digest = hex::encode(Sha256::digest(token.expose_secret()));
        let account = format!("github:{host}:{}", &digest[..12]);
        let githubs_own = host == "api.github.com" || host.ends_with(".ghe.com");
        Self {
            secondary: githubs_own.then(|| Secondary::of(&account)),
            account: Bucket { key: account, capacity: None, refill_per_s: 0.0 },
            limits: Limits::new(pool),
        }
    }

    /// The key that every call of this account passes.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.account.key
    }

    /// The same with GitHub's secondary limits, wherever the server stands.
    #[must_use]
    pub fn as_at_github(self) -> Self {
        Self { secondary: Some(Secondary::of(&self.account.key)), ..self }
    }

    fn costs(&self, effort: Effort) -> Vec<(&Bucket, f64)> {
        let mut costs = vec![(&self.account, 1.0)];
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
    /// The limits of the models behind this address.
    #[must_use]
    pub fn new(pool: Pool, base_url: &str) -> Self {
        let host = Url::parse(base_url).map_or_else(|_| base_url.to_owned(), |url| host(&url));
        Self { limits: Limits::new(pool), host }
    }

    /// The keys of a model's calls and of its tokens.
    #[must_use]
    pub fn keys(&self, model: &str) -> (String, String) {
        let model: String = model.chars().take(100).collect();
        let calls = format!("model:{}/{model}", self.host);
        let tokens = format!("{calls}/tokens");
        (calls, tokens)
    }
}

impl github::Throttle for ForgeThrottle {
    fn pass(&self, effort: Effort) -> BoxFuture<'_, Result<(), Wait>> {
        async move { self.limits.pass(&self.costs(effort)).await }.boxed()
    }

    fn observe(&self, observed: Observed) -> BoxFuture<'_, ()> {
        async move {
            let Observed { penalty, calls, .. } = observed;
            self.limits.close(&self.account.key, penalty).await;
            self.limits.observe(&self.account.key, calls).await;
        }
        .boxed()
    }
}

impl llm::Throttle for ModelThrottle {
    fn pass<'a>(&'a self, model: &'a str, tokens: u32) -> BoxFuture<'a, Result<(), Wait>> {
        async move {
            let bucket = |key| Bucket { key, capacity: None, refill_per_s: 0.0 };
            let (of_calls, of_tokens) = self.keys(model);
            let (of_calls, of_tokens) = (bucket(of_calls), bucket(of_tokens));
            self.limits.pass(&[(&of_calls, 1.0), (&of_tokens, f64::from(tokens))]).await
        }
        .boxed()
    }

    fn observe<'a>(&'a self, model: &'a str, observed: Observed) -> BoxFuture<'a, ()> {
        async move {
            let (of_calls, of_tokens) = self.keys(model);
            self.limits.close(&of_calls, observed.penalty).await;
            self.limits.observe(&of_calls, observed.calls).await;
            self.limits.observe(&of_tokens, observed.tokens).await;
        }
        .boxed()
    }
}

impl Limits {
    fn new(pool: Pool) -> Self {
        Self { pool, told: Mutex::default() }
    }

    /// Takes what a call costs. A short wait for a budget is waited out here, since an attempt that is put
    /// off begins again from its start; after a penalty, workers shall not come back at one moment.
    async fn pass(&self, costs: &[(&Bucket, f64)]) -> Result<(), Wait> {
        let mut left = PATIENCE;
        loop {
            match self.take(costs).await {
                Ok(Admission::Go) => return Ok(()),
                Ok(Admission::Wait(held)) if !held.is_penalty && held.wait <= left => {
                    left -= held.wait;
                    tokio::time::sleep(held.wait).await;
                }
                Ok(Admission::Wait(held)) => return Err(held),
                Err(error) => {
                    let why = format!("the database failed: {error}");
                    return Err(Wait { key: costs[0].0.key.clone(), wait: BLIND, is_penalty: true, why });
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

    /// Closes a limit for everybody.
    async fn close(&self, key: &str, penalty: Option<(Duration, String)>) {
        let Some((wait, why)) = penalty else { return };
        tracing::warn!(
            rate.key = key,
            rate.wait_s = wait.as_secs(),
            "nobody calls {key} for {wait:?}: {why}"
        );
        if let Err(error) = rate::penalise(&self.pool, key, wait, &why).await {
            tracing::warn!(rate.key = key, %error, "a penalty was not recorded: {error}");
        }
    }

    async fn observe(&self, key: &str, budget: Option<RateWindow>) {
        let Some(budget) = budget.filter(|budget| self.is_news(key, budget)) else { return };
        if let Err(error) = rate::observe(&self.pool, key, &budget).await {
            tracing::debug!(rate.key = key, %error, "a budget was not recorded: {error}");
        }
    }

    /// Whether the database should hear of it: workers count what they take themselves, but others may
    /// spend of the same budget.
    fn is_news(&self, key: &str, budget: &RateWindow) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = told.get(key).is_none_or(|last| {
            let step = (budget.limit / STEPS).max(1);
            last.limit != budget.limit
                || budget.remaining > last.remaining
                || last.remaining - budget.remaining >= step
                || budget.remaining < budget.limit / 10
        });
        if is_news {
            told.insert(key.to_owned(), *budget);
        }
        is_news
    }
}

/// The host of an address, with its port if it names one.
fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}
