//! What the environment says: one table, read once, every wrong value named.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use url::Url;

use super::app::{App, GitHub};
use crate::{
    activities::{CALLS_WITHOUT_HEAD, Polling},
    llm,
    queue::Timing,
    worker,
};

/// Every variable that is read, with its default and what it means; held against the README's
/// by `tests/docs.rs`.
pub const TABLE: &[(&str, &str, &str)] = &[
    ("DATABASE_URL", "", "Postgres; unset: `dev` and `demo` start their own"),
    ("ASPORA_LISTEN", "127.0.0.1:8080", "where the server listens"),
    ("ASPORA_PUBLIC_URL", "http://<listen>", "where people reach the server"),
    ("ASPORA_DATA", "<data home>/aspora", "where mirrors and the embedded parts live"),
    ("ASPORA_LEASE_MS", "30000", "how long a worker's claim holds without a renewal"),
    ("ASPORA_POLL_MS", "1000", "how long an idle queue rests before it looks again"),
    (
        "ASPORA_LOOK_MS",
        "15000",
        "how soon a waiting run looks at the forge by itself, without having been told",
    ),
    ("ASPORA_DRAIN_MS", "25000", "how long running jobs may go on after SIGTERM, before they are given back"),
    ("GITHUB_TOKEN", "", "an installation token; unset: `dev` and `demo` use the GitHub twin"),
    ("GITHUB_API_URL", "https://api.github.com", "GitHub's REST API"),
    ("GITHUB_URL", "https://github.com", "GitHub for git and people"),
    (
        "GITHUB_WEBHOOK_SECRET",
        "",
        "what GitHub signs webhooks with; two, separated by a comma, while it is changed",
    ),
    ("OPENAI_API_KEY", "", "the model's key; unset: `dev` and `demo` use the scripted model"),
    ("OPENAI_BASE_URL", "https://api.openai.com/v1", "any server that speaks /chat/completions"),
    ("ASPORA_MODEL", "gpt-5", "the model that writes"),
    ("ASPORA_REVIEW_MODEL", "<ASPORA_MODEL>", "the model that reviews"),
    (
        "ASPORA_PRICES",
        "",
        "micro-dollars per million tokens, `input,output`, to count the cost; a budget in dollars needs them",
    ),
    (
        "ASPORA_MODEL_OUTPUT_TOKENS",
        "",
        "the most tokens of an answer, as the model is told; unset: it is not, and budgets hold 32768 a call",
    ),
    (
        "ASPORA_MODEL_CALLS_WITHOUT_HEAD",
        "12",
        "how many answered model calls a run may make without pushing a new head, before it is paused",
    ),
    ("ASPORA_SERVER", "http://127.0.0.1:8080", "the server that `requirement` and `run` talk to"),
    ("RUST_LOG", "warn,aspora=info", "what is logged"),
];

/// The environment, read.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Postgres.
    pub database_url: Option<String>,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Where people reach the server, without a trailing slash.
    pub public_url: Option<String>,
    /// Where mirrors and the embedded parts live.
    pub data: PathBuf,
    /// How patient workers are.
    pub timing: Timing,
    /// How often a waiting run looks at the forge by itself.
    pub polling: Polling,
    /// How long running jobs may go on after a stop was asked for.
    pub drain: Duration,
    /// The most model calls that a run may have answered without pushing a new head.
    pub calls_without_head: u32,
    /// GitHub, if it is the real one.
    pub github: Option<GitHub>,
    /// What webhooks are signed with.
    pub webhook_secrets: Vec<SecretString>,
    /// The model, if it is a real one.
    pub model: Option<llm::Config>,
}

impl Settings {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// The first value that cannot be used: its name, what is wrong with it, an example.
    pub fn from_env() -> anyhow::Result<Self> {
        Self::read(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn read(get: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let listen = get("ASPORA_LISTEN").unwrap_or_else(|| "127.0.0.1:8080".to_owned());
        let listen = listen.parse().with_context(|| {
            format!("ASPORA_LISTEN is `{listen}`; an address such as 127.0.0.1:8080 is needed")
        })?;
        let timing = Timing {
            lease: millis(&get, "ASPORA_LEASE_MS", Timing::default().lease, 100)?,
            poll: millis(&get, "ASPORA_POLL_MS", Timing::default().poll, 10)?,
        };
        let look = millis(&get, "ASPORA_LOOK_MS", Polling::default().least, 100)?;
        let polling = Polling { least: look, most: Polling::default().most.max(look) };
        let secrets = get("GITHUB_WEBHOOK_SECRET").unwrap_or_default();
        Ok(Self {
            database_url: get("DATABASE_URL"),
            listen,
            public_url: get("ASPORA_PUBLIC_URL").map(|url| url.trim_end_matches('/').to_owned()),
            data: get("ASPORA_DATA").map_or_else(data_home, |folder| Ok(PathBuf::from(folder)))?,
            timing,
            polling,
            drain: millis(&get, "ASPORA_DRAIN_MS", worker::DRAIN, 0)?,
            calls_without_head: count(&get, "ASPORA_MODEL_CALLS_WITHOUT_HEAD")?.unwrap_or(CALLS_WITHOUT_HEAD),
            github: github(&get)?,
            webhook_secrets: secrets.split(',').filter(|it| !it.is_empty()).map(SecretString::from).collect(),
            model: model(&get)?,
        })
    }

    /// The house that this environment describes, with every part real.
    ///
    /// # Errors
    /// Naming the variable that is missing.
    pub fn house(&self) -> anyhow::Result<App> {
        let missing = |name: &str| format!("{name} is not set; `aspora dev` does without it, by a stand-in");
        Ok(App {
            database_url: self.need_database()?.to_owned(),
            public_url: self.public_url(),
            mirrors: self.data.join("mirrors"),
            forge: self.github.clone().with_context(|| missing("GITHUB_TOKEN"))?,
            forge_is_stand_in: false,
            webhook_secrets: self.webhook_secrets.clone(),
            model: self.model.clone().with_context(|| missing("OPENAI_API_KEY"))?,
            model_is_stand_in: false,
            timing: self.timing,
            polling: self.polling,
            drain: self.drain,
            calls_without_head: self.calls_without_head,
        })
    }

    /// Where people reach the server, without a trailing slash.
    #[must_use]
    pub fn public_url(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen))
    }

    /// The database's URL, for the parts that cannot start one.
    ///
    /// # Errors
    /// When it is not set.
    pub fn need_database(&self) -> anyhow::Result<&str> {
        self.database_url.as_deref().context(
            "DATABASE_URL is not set; give it a Postgres such as postgres://aspora@db.example/aspora, or run `aspora dev`",
        )
    }
}

fn github(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<GitHub>> {
    let Some(token) = get("GITHUB_TOKEN") else { return Ok(None) };
    let api = get("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned());
    let api_url = Url::parse(&api).with_context(|| format!("GITHUB_API_URL is `{api}`, which is no URL"))?;
    let url = get("GITHUB_URL").unwrap_or_else(|| "https://github.com".to_owned());
    Ok(Some(GitHub { api_url, url: url.trim_end_matches('/').to_owned(), token: token.into() }))
}

fn model(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<llm::Config>> {
    let Some(key) = get("OPENAI_API_KEY") else { return Ok(None) };
    let url = get("OPENAI_BASE_URL").unwrap_or_else(|| llm::OPENAI_URL.to_owned());
    let name = get("ASPORA_MODEL").unwrap_or_else(|| "gpt-5".to_owned());
    let mut config = llm::Config::new(&url, key.into(), &name);
    if let Some(review) = get("ASPORA_REVIEW_MODEL") {
        config.review_model = review;
    }
    config.most_output = count(get, "ASPORA_MODEL_OUTPUT_TOKENS")?;
    if let Some(prices) = get("ASPORA_PRICES") {
        let read = |text: &str| text.trim().parse::<u64>().ok();
        let (input, output) = prices.split_once(',').unwrap_or_default();
        let (Some(input), Some(output)) = (read(input), read(output)) else {
            bail!(
                "ASPORA_PRICES is `{prices}`; micro-dollars per million tokens are needed, such as 1250000,10000000"
            );
        };
        config.prices = Some(llm::Prices { input, output });
    }
    Ok(Some(config))
}

fn count(get: &impl Fn(&str) -> Option<String>, name: &str) -> anyhow::Result<Option<u32>> {
    let Some(text) = get(name) else { return Ok(None) };
    match text.parse::<u32>() {
        Ok(value) if value >= 1 => Ok(Some(value)),
        _ => bail!("{name} is `{text}`; a whole number from 1 to {} is needed", u32::MAX),
    }
}

fn millis(
    get: &impl Fn(&str) -> Option<String>,
    name: &str,
    default: Duration,
    least: u64,
) -> anyhow::Result<Duration> {
    let Some(text) = get(name) else { return Ok(default) };
    match text.parse::<u64>() {
        Ok(value) if value >= least => Ok(Duration::from_millis(value)),
        _ => bail!("{name} is `{text}`; milliseconds of {least} or more are needed"),
    }
}

fn data_home() -> anyhow::Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")));
    Ok(home.context("neither ASPORA_DATA nor HOME is set; say where data shall be kept")?.join("aspora"))
}
