//! Outages of other servers: when a provider counts as down, and when it is probed again.
//!
//! A provider has one breaker for all workers. Failures in a row open it; while it is open every call is held back but
//! for one probe at a time, and the first answer closes it. Only what says nothing about one request counts as a
//! failure: no connection, a reset, a timeout, a 5xx.

use std::{fmt, str::FromStr, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::rate::Wait;

/// How many failures in a row open a breaker.
pub const THRESHOLD: u32 = 3;
/// How long a failure counts as part of a row. A call that times out takes up to ten minutes.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);
/// The interval before the first probe, before random spread; each failed probe doubles it.
pub const FIRST_PROBE: Duration = Duration::from_secs(1);
/// The longest interval between two probes.
pub const LONGEST_PROBE: Duration = Duration::from_secs(60);
/// How long other calls wait for a probe under way; a probe that takes longer is no longer alone.
pub const PROBE_LEASE: Duration = Duration::from_secs(60);
/// A provider that fails again this soon after it answered has the same outage.
pub const RELAPSE: Duration = Duration::from_secs(120);
/// The longest delay of a job whose own calls fail while those of others are answered.
pub const LONGEST_DELAY: Duration = Duration::from_secs(600);
/// For how long a job waits for its providers, unless configured.
pub const LONGEST_OUTAGE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a provider offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The forge's REST API.
    Forge,
    /// The forge's git.
    Git,
    /// A model.
    Model,
}

/// A server that we call; its text is the key of its breaker, such as `forge api.github.com`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Provider {
    /// What it offers.
    pub service: Service,
    /// The host, with its port if it has one; for a model `host/model`.
    pub at: String,
}

/// A call that was not answered or not made, because of an outage. It uses up no attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Who is out of reach.
    pub provider: Provider,
    /// For how long from now no call is made.
    pub wait: Duration,
    /// Since when the calls of all workers are held back; `None`: only this one failed so far.
    pub since: Option<DateTime<Utc>>,
    /// The last failure, in a sentence for people.
    pub error: String,
    /// Whether this call was made; otherwise it was held back.
    pub was_made: bool,
    /// The outage of the model that would have been asked instead.
    pub fallback: Option<Box<Self>>,
}

/// Why a call was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// A rate limit that all workers share.
    Limit(Wait),
    /// The provider is down.
    Outage(Outage),
}

/// The permission to make one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pass {
    /// The token of the probe, if the call is one.
    pub probe: Option<Uuid>,
    /// Whether the provider has failed since it answered last, so that an answer has to be recorded.
    pub is_troubled: bool,
}

/// The breaker of a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row.
    pub failures: u32,
    /// The first of them.
    pub first_failed_at: Option<DateTime<Utc>>,
    /// The last of them.
    pub last_failed_at: Option<DateTime<Utc>>,
    /// When the outage began; kept after its end for [`RELAPSE`].
    pub since: Option<DateTime<Utc>>,
    /// When the breaker opened; `None`: it is closed.
    pub opened_at: Option<DateTime<Utc>>,
    /// When it closed last.
    pub closed_at: Option<DateTime<Utc>>,
    /// Failed probes of the outage.
    pub probes: u32,
    /// When the next probe is due.
    pub next_probe_at: Option<DateTime<Utc>>,
}

impl Breaker {
    /// The breaker after a failed call. `random` is between 0 and 1 and spreads the next probe.
    #[must_use]
    pub fn failed(&self, now: DateTime<Utc>, was_probe: bool, random: f64) -> Self {
        let in_a_row = self.last_failed_at.is_some_and(|last| within(last, now, WINDOW)) && self.failures > 0;
        let mut next = Self {
            failures: if in_a_row { self.failures.saturating_add(1) } else { 1 },
            first_failed_at: self.first_failed_at.filter(|_| in_a_row).or(Some(now)),
            last_failed_at: Some(now),
            ..self.clone()
        };
        if self.opened_at.is_some() {
            // A call that began before the breaker opened says nothing new.
            if was_probe {
                next.probes = self.probes.saturating_add(1);
                next.next_probe_at = Some(now + interval(next.probes, random));
            }
        } else if next.failures >= THRESHOLD {
            let relapsed = self.closed_at.is_some_and(|closed| within(closed, now, RELAPSE));
            if !relapsed {
                (next.since, next.probes) = (next.first_failed_at, 0);
            }
            next.opened_at = Some(now);
            next.next_probe_at = Some(now + interval(next.probes, random));
        }
        next
    }

    /// How long a call waits that has just failed: until the next probe, or while the breaker is closed for a second,
    /// and twice as long after each further failure.
    #[must_use]
    pub fn wait(&self, now: DateTime<Utc>) -> Duration {
        match self.next_probe_at.filter(|_| self.opened_at.is_some()) {
            Some(next) => (next - now).to_std().unwrap_or_default(),
            None => doubled(self.failures.saturating_sub(1)),
        }
    }
}

/// The delay of a job whose own call failed, when its calls have failed since `since`: a quarter of that time, so that
/// a day of failures is some hundred and fifty calls.
#[must_use]
pub fn delay(since: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    let waited = (now - since).to_std().unwrap_or_default();
    (waited / 4).min(LONGEST_DELAY)
}

fn within(from: DateTime<Utc>, to: DateTime<Utc>, most: Duration) -> bool {
    to - from <= TimeDelta::from_std(most).unwrap_or(TimeDelta::MAX)
}

/// The interval after so many failed probes, and up to a quarter more or less.
fn interval(probes: u32, random: f64) -> TimeDelta {
    let spread = doubled(probes).mul_f64(0.75 + 0.5 * random.clamp(0.0, 1.0)).min(LONGEST_PROBE);
    TimeDelta::from_std(spread).unwrap_or_default()
}

/// [`FIRST_PROBE`], doubled so often.
fn doubled(times: u32) -> Duration {
    2_u32
        .checked_pow(times)
        .and_then(|factor| FIRST_PROBE.checked_mul(factor))
        .map_or(LONGEST_PROBE, |wait| wait.min(LONGEST_PROBE))
}

impl Service {
    const ALL: [Self; 3] = [Self::Forge, Self::Git, Self::Model];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Forge => "forge",
            Self::Git => "git",
            Self::Model => "model",
        }
    }
}

impl Provider {
    /// The forge's REST API at this host.
    #[must_use]
    pub fn forge(host: impl Into<String>) -> Self {
        Self { service: Service::Forge, at: host.into() }
    }

    /// What mints the forge's tokens at this host; other calls of the forge may be answered meanwhile.
    #[must_use]
    pub fn minting(host: &str) -> Self {
        Self { service: Service::Forge, at: format!("{host}/tokens") }
    }

    /// The forge's git at this host.
    #[must_use]
    pub fn git(host: impl Into<String>) -> Self {
        Self { service: Service::Git, at: host.into() }
    }

    /// A model at this host. Of a longer name only the first hundred characters count.
    #[must_use]
    pub fn model(host: &str, model: &str) -> Self {
        let model: String = model.chars().take(100).collect();
        Self { service: Service::Model, at: format!("{host}/{model}") }
    }

    /// The provider in words for people, such as `the model gpt-5 at api.openai.com`.
    #[must_use]
    pub fn in_words(&self) -> String {
        match (self.service, self.at.split_once('/')) {
            (Service::Model, Some((host, model))) => format!("the model {model} at {host}"),
            (Service::Model, None) => format!("the model at {}", self.at),
            (Service::Forge, Some((host, _))) => format!("the minting of tokens at {host}"),
            (Service::Forge, None) => format!("the forge at {}", self.at),
            (Service::Git, _) => format!("git at {}", self.at),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.service.as_str(), self.at)
    }
}

/// A text that is no provider, such as the key of a rate limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no provider: expected `forge HOST`, `git HOST` or `model HOST/MODEL`")]
pub struct NoProvider(String);

impl FromStr for Provider {
    type Err = NoProvider;

    fn from_str(text: &str) -> Result<Self, NoProvider> {
        let found = text.split_once(' ').and_then(|(name, at)| {
            let service = Service::ALL.into_iter().find(|service| service.as_str() == name)?;
            Some(Self { service, at: at.to_owned() })
        });
        found.filter(|provider| !provider.at.is_empty()).ok_or_else(|| NoProvider(text.to_owned()))
    }
}

impl Outage {
    /// A call that was turned away and was not part of an outage of all workers: the next one may be made after
    /// `wait`.
    #[must_use]
    pub const fn of_one_call(provider: Provider, wait: Duration, error: String) -> Self {
        Self { provider, wait, since: None, error, was_made: true, fallback: None }
    }

    /// The outage of a model whose fallback is down too: the earlier of the two probes ends the wait.
    #[must_use]
    pub fn with_fallback(self, fallback: Self) -> Self {
        let (wait, was_made) = (self.wait.min(fallback.wait), self.was_made || fallback.was_made);
        Self { wait, was_made, fallback: Some(Box::new(fallback)), ..self }
    }

    /// The last failure, and that of the fallback, in a sentence for people.
    #[must_use]
    pub fn errors(&self) -> String {
        match &self.fallback {
            Some(fallback) => format!("{}; its fallback: {}", self.error, fallback.sentence()),
            None => self.error.clone(),
        }
    }

    /// The outage in a sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        let (who, errors) = (self.provider.in_words(), self.errors());
        match self.since {
            Some(since) => format!("{who} is down since {}: {errors}", since.format("%H:%M UTC")),
            None => format!("{who} could not be used: {errors}"),
        }
    }
}

impl Held {
    /// The key of the limit or of the provider.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Limit(wait) => wait.key.clone(),
            Self::Outage(outage) => outage.provider.to_string(),
        }
    }

    /// For how long from now no call is made.
    #[must_use]
    pub const fn wait(&self) -> Duration {
        match self {
            Self::Limit(wait) => wait.wait,
            Self::Outage(outage) => outage.wait,
        }
    }

    /// Why, in a sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Limit(wait) => wait.sentence(),
            Self::Outage(outage) => outage.sentence(),
        }
    }
}

impl From<Wait> for Held {
    fn from(wait: Wait) -> Self {
        Self::Limit(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    /// A breaker after failures at these seconds, none of them a probe.
    fn after(failures: &[i64]) -> Breaker {
        failures.iter().fold(Breaker::default(), |breaker, second| breaker.failed(at(*second), false, 0.5))
    }

    #[test]
    fn three_failures_in_a_row_open_it_and_the_outage_began_with_the_first() {
        let opened = |failures: &[i64]| after(failures).opened_at;
        assert_eq!(opened(&[0, 1]), None);
        assert_eq!(opened(&[0, 1, 2]), Some(at(2)));
        assert_eq!(after(&[0, 1, 2]).since, Some(at(0)));
        assert_eq!(opened(&[0, 1, 1_000]), None, "the first two are too old to count");
        assert_eq!(opened(&[0, 1, 1_000, 1_001, 1_002]), Some(at(1_002)));
        assert_eq!(after(&[0, 1, 2, 3]).opened_at, Some(at(2)), "a late failure opens nothing anew");
    }

    #[test]
    fn failed_probes_double_the_interval_up_to_a_minute() {
        let mut breaker = after(&[0, 1, 2]);
        let mut waits = Vec::new();
        for _ in 0..8 {
            let now = breaker.next_probe_at.unwrap();
            breaker = breaker.failed(now, true, 0.5);
            waits.push(breaker.wait(now).as_secs());
        }
        assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
        let spread = |random| after(&[0, 1]).failed(at(2), false, random).wait(at(2)).as_millis();
        assert_eq!((spread(0.0), spread(1.0)), (750, 1_250));
    }

    #[test]
    fn a_call_from_before_the_outage_does_not_delay_the_next_probe() {
        let open = after(&[0, 1, 2]);
        let late = open.failed(at(3), false, 0.5);
        assert_eq!((late.next_probe_at, late.probes), (open.next_probe_at, 0));
    }

    #[test]
    fn a_relapse_is_the_same_outage() {
        let mut closed = after(&[0, 1, 2]).failed(at(3), true, 0.5);
        (closed.opened_at, closed.closed_at, closed.failures) = (None, Some(at(10)), 0);
        let again = |seconds: [i64; 3]| {
            let row = seconds.iter().fold(closed.clone(), |it, second| it.failed(at(*second), false, 0.5));
            (row.since, row.probes, row.opened_at)
        };
        assert_eq!(again([20, 21, 22]), (Some(at(0)), 1, Some(at(22))));
        assert_eq!(again([500, 501, 502]), (Some(at(500)), 0, Some(at(502))));
    }

    #[test]
    fn a_job_that_fails_alone_is_delayed_by_a_quarter_of_the_time() {
        let delay = |seconds| super::delay(at(0), at(seconds)).as_secs();
        assert_eq!([delay(0), delay(100), delay(86_400), delay(-5)], [0, 25, 600, 0]);
        assert_eq!(after(&[0]).wait(at(0)).as_secs(), 1);
        assert_eq!(after(&[0, 1]).wait(at(1)).as_secs(), 2);
    }

    #[test]
    fn a_model_and_its_fallback_that_are_both_down_are_both_named() {
        let down = |model, wait, was_made| Outage {
            provider: Provider::model("x.ai", model),
            wait: Duration::from_secs(wait),
            since: Some(at(0)),
            error: "503".to_owned(),
            was_made,
            fallback: None,
        };
        let both = down("a", 40, true).with_fallback(down("b", 7, false));
        assert_eq!((both.wait.as_secs(), both.was_made), (7, true));
        let sentence = "the model a at x.ai is down since 00:00 UTC: 503; its fallback: the model b at x.ai is down \
                        since 00:00 UTC: 503";
        assert_eq!(both.sentence(), sentence);
    }

    #[test]
    fn a_provider_is_read_back_and_a_rate_limit_is_none() {
        let check = |provider: Provider, key: &str, words: &str| {
            assert_eq!((provider.to_string().as_str(), provider.in_words().as_str()), (key, words));
            assert_eq!(key.parse(), Ok(provider));
        };
        check(Provider::forge("ghe.example:8443"), "forge ghe.example:8443", "the forge at ghe.example:8443");
        check(
            Provider::minting("ghe.example"),
            "forge ghe.example/tokens",
            "the minting of tokens at ghe.example",
        );
        check(Provider::git("github.com"), "git github.com", "git at github.com");
        check(Provider::model("x.ai", "a/b c"), "model x.ai/a/b c", "the model a/b c at x.ai");
        for key in ["github:api.github.com:x", "model:x/y", "forge", "forge ", ""] {
            assert!(key.parse::<Provider>().is_err(), "{key}");
        }
    }
}
