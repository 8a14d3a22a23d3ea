//! Settings from environment variables: one table, read once; an invalid value is an error that names it.

mod reviewers;
mod table;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use url::Url;

pub use self::table::TABLE;
use super::{
    app::{App, GitHub},
    oidc,
};
use crate::{
    activities::{CALLS_WITHOUT_HEAD, Polling},
    core::outage::LONGEST_OUTAGE,
    github::{AppKey, Credential},
    http::OidcConfig,
    llm::{self, Task},
    notify::{self, Smtp},
    queue::Timing,
    worker,
};

/// The settings of this process.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Postgres.
    pub database_url: Option<String>,
    /// Address that the server listens on.
    pub listen: SocketAddr,
    /// URL under which people reach the server, without a trailing slash.
    pub public_url: Option<String>,
    /// Names of the server besides that of its URL.
    pub hosts: Vec<String>,
    /// The identity provider, if one is set up.
    pub oidc: Option<OidcConfig>,
    /// Directory of the mirrors and the embedded parts.
    pub data: PathBuf,
    /// Lease and poll intervals of workers.
    pub timing: Timing,
    /// How often a waiting run polls the forge.
    pub polling: Polling,
    /// How long running jobs may continue during a shutdown.
    pub drain: Duration,
    /// How long a run waits for a provider that is out of reach.
    pub longest_outage: Duration,
    /// Maximum number of model calls of a run without a new head.
    pub calls_without_head: u32,
    /// GitHub, if it is configured.
    pub github: Option<GitHub>,
    /// The secrets that webhooks may be signed with.
    pub webhook_secrets: Vec<SecretString>,
    /// The model, if it is configured.
    pub model: Option<llm::Config>,
    /// The mail server, if it is configured.
    pub smtp: Option<Smtp>,
    /// Whether people may be notified at private addresses.
    pub notify_private: bool,
    /// The keys of reviewers that are asked by HTTP, each with the origin of its server.
    pub reviewer_keys: Vec<(String, SecretString)>,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// The first invalid value: its name, what is wrong with it and an example.
    pub fn from_env() -> anyhow::Result<Self> {
        Self::read(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn read(get: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let listen = get("ASPORA_LISTEN").unwrap_or_else(|| "127.0.0.1:8080".to_owned());
        let listen = listen.parse().with_context(|| {
            format!("ASPORA_LISTEN is `{listen}`; expected an address such as 127.0.0.1:8080")
        })?;
        let timing = Timing {
            lease: millis(&get, "ASPORA_LEASE_MS", Timing::default().lease, 100)?,
            poll: millis(&get, "ASPORA_POLL_MS", Timing::default().poll, 10)?,
        };
        let least = millis(&get, "ASPORA_LOOK_MS", Polling::default().least, 100)?;
        let secrets = get("GITHUB_WEBHOOK_SECRET").unwrap_or_default();
        Ok(Self {
            database_url: get("DATABASE_URL"),
            listen,
            public_url: get("ASPORA_PUBLIC_URL").map(|url| url.trim_end_matches('/').to_owned()),
            hosts: hosts(&get)?,
            oidc: oidc::config(&get)?,
            data: get("ASPORA_DATA").map_or_else(data_home, |folder| Ok(PathBuf::from(folder)))?,
            timing,
            polling: Polling::at_least(least),
            drain: millis(&get, "ASPORA_DRAIN_MS", worker::DRAIN, 0)?,
            longest_outage: millis(&get, "ASPORA_OUTAGE_MS", LONGEST_OUTAGE, 0)?,
            calls_without_head: count(&get, "ASPORA_MODEL_CALLS_WITHOUT_HEAD")?.unwrap_or(CALLS_WITHOUT_HEAD),
            github: github(&get)?,
            webhook_secrets: secrets.split(',').filter(|it| !it.is_empty()).map(SecretString::from).collect(),
            model: model(&get)?,
            smtp: smtp(&get)?,
            notify_private: notify_private(&get)?,
            reviewer_keys: reviewers::keys(&get)?,
        })
    }

    /// The configuration of a server or worker, without stand-ins.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn app(&self) -> anyhow::Result<App> {
        let missing = |name: &str| format!("{name} is not set; only `aspora dev` has a stand-in for it");
        Ok(App {
            database_url: self.need_database()?.to_owned(),
            public_url: self.public_url(),
            mirrors: self.data.join("mirrors"),
            forge: self.github.clone().with_context(|| missing("GITHUB_APP_ID or GITHUB_TOKEN"))?,
            forge_is_stand_in: false,
            hosts: self.hosts.clone(),
            local_key: None,
            oidc: self.oidc.clone(),
            webhook_secrets: self.webhook_secrets.clone(),
            model: self.model.clone().with_context(|| missing("OPENAI_API_KEY"))?,
            model_is_stand_in: false,
            timing: self.timing,
            polling: self.polling,
            drain: self.drain,
            longest_outage: self.longest_outage,
            calls_without_head: self.calls_without_head,
            smtp: self.smtp.clone(),
            notify_private: self.notify_private,
            reviewer_keys: self.reviewer_keys.clone(),
        })
    }

    /// URL under which people reach the server, without a trailing slash.
    #[must_use]
    pub fn public_url(&self) -> String {
        self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen))
    }

    /// The URL of the database.
    ///
    /// # Errors
    /// When it is not set.
    pub fn need_database(&self) -> anyhow::Result<&str> {
        self.database_url.as_deref().context(
            "DATABASE_URL is not set; expected a URL such as postgres://aspora@db.example/aspora. `aspora dev` starts its own Postgres",
        )
    }
}

fn smtp(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<Smtp>> {
    match (get("ASPORA_SMTP_URL"), get("ASPORA_MAIL_FROM")) {
        (Some(url), Some(from)) => {
            let smtp = Smtp { url: url.into(), from };
            notify::Sender::new(notify::Config { smtp: Some(smtp.clone()), ..notify::Config::default() })?;
            Ok(Some(smtp))
        }
        (None, None) => Ok(None),
        (Some(_), None) => bail!("ASPORA_SMTP_URL is set, but ASPORA_MAIL_FROM is not; set it to an address"),
        (None, Some(_)) => {
            bail!("ASPORA_MAIL_FROM is set, but ASPORA_SMTP_URL is not; set it, or unset both")
        }
    }
}

fn notify_private(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<bool> {
    match get("ASPORA_NOTIFY_PRIVATE").as_deref() {
        None | Some("refuse") => Ok(false),
        Some("allow") => Ok(true),
        Some(other) => bail!("ASPORA_NOTIFY_PRIVATE is `{other}`; expected `allow` or `refuse`"),
    }
}

fn github(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<GitHub>> {
    let credential = match (app(get)?, get("GITHUB_TOKEN")) {
        (Some(_), Some(_)) => bail!(
            "GITHUB_APP_ID and GITHUB_TOKEN are both set; unset GITHUB_TOKEN to act as the App, or GITHUB_APP_ID \
             and its key to act with the token"
        ),
        (Some(app), None) => Credential::App(app),
        (None, Some(token)) => Credential::Token(token.trim().into()),
        (None, None) => return Ok(None),
    };
    let api = get("GITHUB_API_URL").unwrap_or_else(|| "https://api.github.com".to_owned());
    let api_url =
        Url::parse(&api).with_context(|| format!("GITHUB_API_URL is `{api}`, which is not a URL"))?;
    let url = get("GITHUB_URL").unwrap_or_else(|| "https://github.com".to_owned());
    Ok(Some(GitHub { api_url, url: url.trim_end_matches('/').to_owned(), credential }))
}

/// The App, from its id and its key; the key from the variable or from the file.
fn app(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<AppKey>> {
    let pem = match (get("GITHUB_APP_PRIVATE_KEY"), get("GITHUB_APP_PRIVATE_KEY_FILE")) {
        (Some(_), Some(_)) => {
            bail!("GITHUB_APP_PRIVATE_KEY and GITHUB_APP_PRIVATE_KEY_FILE are both set; unset one of them")
        }
        (Some(pem), None) => Some(pem),
        (None, Some(file)) => Some(std::fs::read_to_string(&file).with_context(|| {
            format!("read the App's private key from `{file}` (GITHUB_APP_PRIVATE_KEY_FILE)")
        })?),
        (None, None) => None,
    };
    match (get("GITHUB_APP_ID"), pem) {
        (Some(id), Some(pem)) => {
            let app = AppKey::new(id.trim(), &pem.into());
            Ok(Some(app.context("GITHUB_APP_ID and its private key cannot be used")?))
        }
        (Some(_), None) => bail!(
            "GITHUB_APP_ID is set, but neither GITHUB_APP_PRIVATE_KEY nor GITHUB_APP_PRIVATE_KEY_FILE is"
        ),
        (None, Some(_)) => bail!("the App's private key is set, but GITHUB_APP_ID is not"),
        (None, None) => Ok(None),
    }
}

fn model(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<llm::Config>> {
    let fallback_name = get("ASPORA_FALLBACK_MODEL");
    for name in ["ASPORA_FALLBACK_BASE_URL", "ASPORA_FALLBACK_API_KEY", "ASPORA_FALLBACK_PRICES"] {
        if fallback_name.is_none() && get(name).is_some() {
            bail!(
                "{name} is set, but ASPORA_FALLBACK_MODEL is not; set it to a model's name, or unset {name}"
            );
        }
    }
    let Some(key) = get("OPENAI_API_KEY") else {
        anyhow::ensure!(
            fallback_name.is_none(),
            "ASPORA_FALLBACK_MODEL is set, but OPENAI_API_KEY is not: there is no model to stand in for"
        );
        return Ok(None);
    };
    let url = get("OPENAI_BASE_URL").unwrap_or_else(|| llm::OPENAI_URL.to_owned());
    let name = get("ASPORA_MODEL").unwrap_or_else(|| "gpt-5".to_owned());
    let mut config = llm::Config::new(&url, key.into(), &name);
    if let Some(review) = get("ASPORA_REVIEW_MODEL") {
        config.review_model = review;
    }
    config.most_output = count(get, "ASPORA_MODEL_OUTPUT_TOKENS")?;
    config.prices = prices(get, "ASPORA_PRICES")?;
    config.check().context("OPENAI_BASE_URL or OPENAI_API_KEY cannot be used")?;
    if let Some(name) = fallback_name {
        config.fallback = Some(Box::new(fallback(get, &config, &name)?));
    }
    Ok(Some(config))
}

/// The model that is asked while `main` is down. A key is only sent to the server that it was given for.
fn fallback(
    get: &impl Fn(&str) -> Option<String>,
    main: &llm::Config,
    name: &str,
) -> anyhow::Result<llm::Config> {
    let url = get("ASPORA_FALLBACK_BASE_URL").unwrap_or_else(|| main.base_url.clone());
    let key = match get("ASPORA_FALLBACK_API_KEY") {
        Some(key) => key.into(),
        None if llm::host(&url) == llm::host(&main.base_url) => main.api_key.clone(),
        None => bail!(
            "ASPORA_FALLBACK_BASE_URL is another server than OPENAI_BASE_URL, and ASPORA_FALLBACK_API_KEY is not set; \
             set it, to any text if that server wants no key"
        ),
    };
    let mut config = llm::Config::new(&url, key, name);
    config.check().context("ASPORA_FALLBACK_BASE_URL or ASPORA_FALLBACK_API_KEY cannot be used")?;
    config.prices = prices(get, "ASPORA_FALLBACK_PRICES")?;
    config.most_output = main.most_output;
    let is_main = [Task::Generate, Task::Review].map(|task| config.provider(task) == main.provider(task));
    if is_main == [true, true] {
        bail!(
            "ASPORA_FALLBACK_MODEL is `{name}`, which is the model itself at the same server; name another"
        );
    }
    Ok(config)
}

fn prices(get: &impl Fn(&str) -> Option<String>, name: &str) -> anyhow::Result<Option<llm::Prices>> {
    let Some(prices) = get(name) else { return Ok(None) };
    let read = |text: &str| text.trim().parse::<u64>().ok();
    let (input, output) = prices.split_once(',').unwrap_or_default();
    let (Some(input), Some(output)) = (read(input), read(output)) else {
        bail!("{name} is `{prices}`; expected micro-dollars per million tokens, such as 1250000,10000000");
    };
    Ok(Some(llm::Prices { input, output }))
}

fn count(get: &impl Fn(&str) -> Option<String>, name: &str) -> anyhow::Result<Option<u32>> {
    let Some(text) = get(name) else { return Ok(None) };
    match text.parse::<u32>() {
        Ok(value) if value >= 1 => Ok(Some(value)),
        _ => bail!("{name} is `{text}`; expected a whole number from 1 to {}", u32::MAX),
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
        _ => bail!("{name} is `{text}`; expected at least {least} milliseconds"),
    }
}

/// Names without a port.
fn hosts(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Vec<String>> {
    let text = get("ASPORA_HOSTS").unwrap_or_default();
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            match name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
                true => Ok(name.to_owned()),
                false => {
                    bail!("ASPORA_HOSTS has `{name}`; expected names such as aspora.example, without a port")
                }
            }
        })
        .collect()
}

/// The directory of the mirrors and the embedded parts.
pub(crate) fn data_folder() -> anyhow::Result<PathBuf> {
    match std::env::var_os("ASPORA_DATA").filter(|value| !value.is_empty()) {
        Some(folder) => Ok(folder.into()),
        None => data_home(),
    }
}

fn data_home() -> anyhow::Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = variable("XDG_DATA_HOME").or_else(|| Some(variable("HOME")?.join(".local/share")));
    Ok(home.context("neither ASPORA_DATA nor HOME is set; set ASPORA_DATA to a directory")?.join("aspora"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &'static [(&str, &str)]) -> anyhow::Result<Settings> {
        Settings::read(move |name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found
                .map(|(_, value)| (*value).to_owned())
                .or_else(|| (name == "ASPORA_DATA").then(|| "/x".to_owned()))
        })
    }

    #[test]
    fn exactly_one_credential_for_github_is_accepted() {
        let check = |variables, expected: &str| {
            let error = format!("{:#}", of(variables).unwrap_err());
            assert!(error.contains(expected) && !error.contains("canary"), "{error}");
        };
        check(&[("GITHUB_APP_ID", "1")], "neither GITHUB_APP_PRIVATE_KEY nor GITHUB_APP_PRIVATE_KEY_FILE is");
        check(&[("GITHUB_APP_PRIVATE_KEY", "canary")], "GITHUB_APP_ID is not");
        check(&[("GITHUB_APP_ID", "1"), ("GITHUB_APP_PRIVATE_KEY", "canary")], "not an RSA key in PEM");
        check(
            &[("GITHUB_APP_ID", "1"), ("GITHUB_APP_PRIVATE_KEY_FILE", "/none")],
            "GITHUB_APP_PRIVATE_KEY_FILE",
        );
        check(
            &[("GITHUB_APP_PRIVATE_KEY", "canary"), ("GITHUB_APP_PRIVATE_KEY_FILE", "/none")],
            "unset one of them",
        );
        assert!(of(&[]).unwrap().github.is_none());
        let token = of(&[("GITHUB_TOKEN", "ghp_canary\n")]).unwrap();
        assert!(format!("{:?}", token.github.unwrap().credential).starts_with("Token"));
        assert!(!format!("{:?}", of(&[("GITHUB_TOKEN", "ghp_canary")]).unwrap()).contains("canary"));
    }

    #[test]
    fn a_fallback_is_another_model_and_its_key_goes_to_no_other_server() {
        fn with(more: &[(&'static str, &'static str)]) -> anyhow::Result<Settings> {
            let all = [("OPENAI_API_KEY", "sk-canary"), ("ASPORA_FALLBACK_MODEL", "b")];
            let all = [&all, more].concat();
            Settings::read(|name| {
                // What is named later counts.
                let found = all.iter().rev().find(|(variable, _)| *variable == name);
                let found = found.map(|(_, value)| (*value).to_owned()).filter(|value| !value.is_empty());
                found.or_else(|| (name == "ASPORA_DATA").then(|| "/x".to_owned()))
            })
        }
        let check = |more: &[_], expected: &str| {
            let error = format!("{:#}", with(more).unwrap_err());
            assert!(error.contains(expected) && !error.contains("canary"), "{error}");
        };
        let elsewhere = ("ASPORA_FALLBACK_BASE_URL", "https://other.example/v1");
        check(&[("ASPORA_FALLBACK_MODEL", ""), elsewhere], "ASPORA_FALLBACK_BASE_URL is set, but");
        check(&[("OPENAI_API_KEY", "")], "ASPORA_FALLBACK_MODEL is set, but OPENAI_API_KEY is not");
        check(&[elsewhere], "ASPORA_FALLBACK_API_KEY is not set");
        check(
            &[("ASPORA_FALLBACK_BASE_URL", "other"), ("ASPORA_FALLBACK_API_KEY", "k")],
            "ASPORA_FALLBACK_BASE_URL",
        );
        check(&[("ASPORA_FALLBACK_PRICES", "1")], "ASPORA_FALLBACK_PRICES is `1`");
        check(&[("ASPORA_FALLBACK_MODEL", "gpt-5")], "which is the model itself");
        check(&[("OPENAI_BASE_URL", "other")], "OPENAI_BASE_URL");
        let same = with(&[("ASPORA_FALLBACK_PRICES", "1,2")]).unwrap().model.unwrap();
        let fallback = same.fallback.as_ref().unwrap();
        assert_eq!((&fallback.base_url, fallback.prices.unwrap().output), (&same.base_url, 2));
        with(&[elsewhere, ("ASPORA_FALLBACK_API_KEY", "k")]).unwrap();
        with(&[("ASPORA_REVIEW_MODEL", "b")]).unwrap();
    }
}
