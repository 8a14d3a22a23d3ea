//! The configuration of the model: its address, its key, its name and timeouts.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::Task;
use crate::core::outage::Provider;

/// The address of OpenAI itself.
pub const OPENAI_URL: &str = "https://api.openai.com/v1";

/// How to reach a model. `Debug` never shows the key.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address, with the version, such as [`OPENAI_URL`].
    pub base_url: String,
    /// The bearer key.
    pub api_key: SecretString,
    /// The model that writes.
    pub model: String,
    /// The model that reviews.
    pub review_model: String,
    /// The prices, where they are known.
    pub prices: Option<Prices>,
    /// The most tokens that an answer may have, reasoning included, which the request says. With `None` the
    /// request has no limit, and [`super::ASSUMED_OUTPUT`] is reserved for each call.
    pub most_output: Option<u32>,
    /// When a call times out.
    pub timeouts: Timeouts,
    /// The model that is asked while this one does not answer, for every task.
    pub fallback: Option<Box<Self>>,
}

/// Prices in micro-dollars per million tokens: $2.50 per million is 2,500,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    /// For tokens of the prompt.
    pub input: u64,
    /// For tokens of the answer.
    pub output: u64,
}

/// When a call times out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To open a connection.
    pub connect: Duration,
    /// Between two chunks of the answer; a reasoning model may be silent for minutes.
    pub idle: Duration,
    /// For the whole call.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        let (connect, idle, total) = (10, 5 * 60, 15 * 60);
        let seconds = Duration::from_secs;
        Self { connect: seconds(connect), idle: seconds(idle), total: seconds(total) }
    }
}

/// Why a [`Config`] cannot be used; never shows the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadConfig {
    /// The address is not an http or https URL.
    #[error("the model's address {0:?} is not an http or https URL")]
    BaseUrl(String),
    /// The key cannot be sent in a header, most often because it ends in a line break.
    #[error("the model's key has characters that an HTTP header cannot carry")]
    ApiKey,
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be built: {0}")]
    Http(String),
}

impl Config {
    /// One model for every task, unknown prices and the default timeouts.
    #[must_use]
    pub fn new(base_url: &str, api_key: SecretString, model: &str) -> Self {
        Self {
            base_url: base_url.trim_end_matches('/').to_owned(),
            api_key,
            model: model.to_owned(),
            review_model: model.to_owned(),
            prices: None,
            most_output: None,
            timeouts: Timeouts::default(),
            fallback: None,
        }
    }

    /// The provider that is asked for this task, as its breaker knows it.
    #[must_use]
    pub fn provider(&self, task: Task) -> Provider {
        Provider::model(&host(&self.base_url), self.model_for(task))
    }

    /// The fallback for this task, unless it is the same model at the same address.
    #[must_use]
    pub fn fallback_for(&self, task: Task) -> Option<&Self> {
        self.fallback.as_deref().filter(|fallback| fallback.provider(task) != self.provider(task))
    }

    /// Whether the model that writes would review its own work once the fallback stands in for one of two models that
    /// are set to be different.
    #[must_use]
    pub fn fallback_reviews_itself(&self) -> bool {
        let (writer, reviewer) = (self.provider(Task::Generate), self.provider(Task::Review));
        let fallback = self.fallback.as_ref().map(|fallback| fallback.provider(Task::Review));
        writer != reviewer && fallback.is_some_and(|fallback| fallback == writer || fallback == reviewer)
    }

    /// The model that is asked for this task.
    #[must_use]
    pub fn model_for(&self, task: Task) -> &str {
        match task {
            Task::Review => &self.review_model,
            Task::Reproduce | Task::Generate | Task::Repair | Task::Remediate => &self.model,
        }
    }

    /// Whether the address and the key can be used.
    ///
    /// # Errors
    /// [`BadConfig`] when one of them cannot.
    pub fn check(&self) -> Result<(), BadConfig> {
        self.checked().map(|_| ())
    }

    /// The address, if the address and the key can be used.
    pub(super) fn checked(&self) -> Result<Url, BadConfig> {
        let wrong = || BadConfig::BaseUrl(self.base_url.chars().take(200).collect());
        let url = Url::parse(&self.base_url).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong());
        }
        let header = format!("Bearer {}", self.api_key.expose_secret());
        http::HeaderValue::from_str(&header).map_err(|_| BadConfig::ApiKey)?;
        Ok(url)
    }
}

/// The host of a model's address, with its port if it names one; of no URL, the text itself.
#[must_use]
pub fn host(base_url: &str) -> String {
    let of = |url: Url| url[url::Position::BeforeHost..url::Position::AfterPort].to_owned();
    Url::parse(base_url).map_or_else(|_| base_url.to_owned(), of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fallback_that_is_the_model_itself_is_none_and_one_that_would_review_itself_is_known() {
        let config = |model: &str, review: &str, fallback: (&str, &str)| {
            let fallback = Config::new(fallback.0, "k".into(), fallback.1);
            let config = Config::new("https://x.ai/v1", "k".into(), model);
            Config { review_model: review.to_owned(), fallback: Some(Box::new(fallback)), ..config }
        };
        let check = |config: &Config, generate, review, itself| {
            let has = |task| config.fallback_for(task).is_some();
            let found = (has(Task::Generate), has(Task::Review), config.fallback_reviews_itself());
            assert_eq!(found, (generate, review, itself), "{config:?}");
        };
        check(&config("a", "a", ("https://x.ai/v1", "b")), true, true, false);
        check(&config("a", "b", ("https://x.ai/v1", "c")), true, true, false);
        check(&config("a", "b", ("https://x.ai/v1", "b")), true, false, true);
        check(&config("a", "b", ("https://x.ai/v1", "a")), false, true, true);
        check(&config("a", "b", ("https://y.ai:8443/v1", "b")), true, true, false);
        assert_eq!(host("https://u:p@y.ai:8443/v1"), "y.ai:8443");
    }

    #[test]
    fn a_key_is_never_shown() {
        let config = Config::new(OPENAI_URL, "sk-canary".into(), "m");
        assert!(!format!("{config:?}").contains("canary"));
        let wrong = Config::new(OPENAI_URL, "sk-canary\n".into(), "m").checked().unwrap_err();
        assert_eq!(wrong, BadConfig::ApiKey);
        assert!(!format!("{wrong} {wrong:?}").contains("canary"));
    }

    #[test]
    fn an_address_is_an_http_url() {
        for wrong in ["", "api.openai.com/v1", "file:///etc/passwd", "ftp://x/v1"] {
            assert!(
                matches!(Config::new(wrong, "k".into(), "m").checked(), Err(BadConfig::BaseUrl(_))),
                "{wrong}"
            );
        }
        assert!(Config::new("http://127.0.0.1:1/v1/", "".into(), "m").checked().is_ok());
    }
}
