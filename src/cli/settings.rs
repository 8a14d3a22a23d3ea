//! Settings from environment variables: one table, read once; all invalid values are one error that names each.

mod env;
mod incidents;
mod model;
mod reviewers;
mod table;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use url::Url;

use self::env::Faults;
pub(in crate::cli) use self::env::variable;
pub use self::{
    env::{SECRETS, secret},
    table::TABLE,
};
use super::{
    app::{App, GitHub},
    oidc,
};
use crate::{
    activities::{CALLS_WITHOUT_HEAD, Polling},
    core::outage::LONGEST_OUTAGE,
    github::{AppKey, Credential},
    http::{IncidentSender, OidcConfig},
    llm,
    notify::{self, Smtp},
    queue::Timing,
    worker,
};

/// Where the server listens, unless it is said otherwise.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

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
    /// Who may tell of incidents by webhooks.
    pub incident_senders: BTreeMap<String, IncidentSender>,
    /// The model, if it is configured.
    pub model: Option<llm::Config>,
    /// The mail server, if it is configured.
    pub smtp: Option<Smtp>,
    /// Whether people may be notified at private addresses.
    pub notify_private: bool,
    /// The keys of reviewers that are asked by HTTP, each with the origin of its server.
    pub reviewer_keys: Vec<(String, SecretString)>,
    /// Where metrics are read; `None`: nowhere.
    pub metrics_listen: Option<SocketAddr>,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// All invalid values: the name of each, what is wrong with it and an example.
    pub fn from_env() -> anyhow::Result<Self> {
        Self::read(variable)
    }

    fn read(get: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let faults = Faults::default();
        let get = faults.watch(get);
        let millis = |name: &str, default: Duration, least: u64| {
            faults.or(millis(&get, name, default, least), default)
        };
        let timing = Timing {
            lease: millis("ASPORA_LEASE_MS", Timing::default().lease, 100),
            poll: millis("ASPORA_POLL_MS", Timing::default().poll, 10),
        };
        let secrets = get("GITHUB_WEBHOOK_SECRET").unwrap_or_default();
        let settings = Self {
            database_url: get("DATABASE_URL"),
            listen: faults.or(address(&get, "ASPORA_LISTEN"), None).unwrap_or(LISTEN),
            public_url: get("ASPORA_PUBLIC_URL").map(|url| url.trim_end_matches('/').to_owned()),
            hosts: faults.or(hosts(&get), Vec::new()),
            oidc: faults.or(oidc::config(&get), None),
            data: faults.or(data(&get), PathBuf::new()),
            timing,
            polling: Polling::at_least(millis("ASPORA_LOOK_MS", Polling::default().least, 100)),
            drain: millis("ASPORA_DRAIN_MS", worker::DRAIN, 0),
            longest_outage: millis("ASPORA_OUTAGE_MS", LONGEST_OUTAGE, 0),
            calls_without_head: faults
                .or(count(&get, "ASPORA_MODEL_CALLS_WITHOUT_HEAD"), None)
                .unwrap_or(CALLS_WITHOUT_HEAD),
            github: faults.or(github(&get), None),
            webhook_secrets: secrets.split(',').filter(|it| !it.is_empty()).map(SecretString::from).collect(),
            incident_senders: faults.or(incidents::senders(&get), BTreeMap::new()),
            model: faults.or(model::config(&get), None),
            smtp: faults.or(smtp(&get), None),
            notify_private: faults.or(notify_private(&get), false),
            reviewer_keys: faults.or(reviewers::keys(&get), Vec::new()),
            metrics_listen: faults.or(address(&get, "ASPORA_METRICS_LISTEN"), None),
        };
        faults.none()?;
        Ok(settings)
    }

    /// The configuration of a server, without stand-ins.
    ///
    /// # Errors
    /// Names each variable that is missing.
    pub fn server(&self) -> anyhow::Result<App> {
        self.app(None)
    }

    /// The configuration of a worker, without stand-ins.
    ///
    /// # Errors
    /// Names each variable that is missing.
    pub fn worker(&self) -> anyhow::Result<App> {
        let missing =
            "OPENAI_API_KEY is not set; a worker asks a model, and only `aspora dev` has a stand-in for it";
        self.app(self.model.is_none().then_some(missing))
    }

    /// With what else is missing.
    fn app(&self, more: Option<&str>) -> anyhow::Result<App> {
        let faults = Faults::default();
        let database_url = faults.or(self.need_database().map(str::to_owned), String::new());
        let forge = self.github.clone().context(
            "neither GITHUB_APP_ID nor GITHUB_TOKEN is set; only `aspora dev` has a stand-in for GitHub",
        );
        let forge = faults.or(forge.map(Some), None);
        more.into_iter().for_each(|fault| faults.or(Err(anyhow::anyhow!("{fault}")), ()));
        faults.none()?;
        Ok(App {
            database_url,
            public_url: self.public_url(),
            mirrors: self.data.join("mirrors"),
            forge: forge.context("no forge")?,
            forge_is_stand_in: false,
            hosts: self.hosts.clone(),
            local_key: None,
            oidc: self.oidc.clone(),
            webhook_secrets: self.webhook_secrets.clone(),
            incident_senders: self.incident_senders.clone(),
            model: self.model.clone(),
            model_is_stand_in: false,
            timing: self.timing,
            polling: self.polling,
            drain: self.drain,
            longest_outage: self.longest_outage,
            calls_without_head: self.calls_without_head,
            smtp: self.smtp.clone(),
            notify_private: self.notify_private,
            reviewer_keys: self.reviewer_keys.clone(),
            metrics: Arc::default(),
            metrics_listen: self.metrics_listen,
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

/// The App, from its id and its key.
fn app(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<Option<AppKey>> {
    match (get("GITHUB_APP_ID"), get("GITHUB_APP_PRIVATE_KEY")) {
        (Some(id), Some(pem)) => {
            let app = AppKey::new(id.trim(), &pem.into());
            Ok(Some(app.context("GITHUB_APP_ID and its private key cannot be used")?))
        }
        (Some(_), None) => bail!(
            "GITHUB_APP_ID is set, but neither GITHUB_APP_PRIVATE_KEY nor GITHUB_APP_PRIVATE_KEY_FILE is"
        ),
        (None, Some(_)) => bail!("GITHUB_APP_PRIVATE_KEY is set, but GITHUB_APP_ID is not"),
        (None, None) => Ok(None),
    }
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

fn address(get: &impl Fn(&str) -> Option<String>, name: &str) -> anyhow::Result<Option<SocketAddr>> {
    let Some(address) = get(name) else { return Ok(None) };
    let read = address.parse().map(Some);
    read.with_context(|| format!("{name} is `{address}`; expected an address such as {LISTEN}"))
}

fn data(get: &impl Fn(&str) -> Option<String>) -> anyhow::Result<PathBuf> {
    get("ASPORA_DATA").map_or_else(data_home, |folder| Ok(PathBuf::from(folder)))
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
    fn all_faults_are_said_at_once_and_a_file_that_cannot_be_read_is_one() {
        let error = of(&[
            ("ASPORA_LISTEN", "8080"),
            ("ASPORA_LEASE_MS", "1"),
            ("GITHUB_APP_ID", "1"),
            ("GITHUB_APP_PRIVATE_KEY_FILE", "/none"),
            ("ASPORA_MAIL_FROM", "a@b.example"),
        ]);
        let said = format!("{:#}", error.unwrap_err());
        assert!(said.starts_with("4 settings are wrong:\n- "), "{said}");
        for fault in [
            "- ASPORA_LISTEN is `8080`; expected an address such as 127.0.0.1:8080",
            "- ASPORA_LEASE_MS is `1`; expected at least 100 milliseconds",
            "- read `/none` (GITHUB_APP_PRIVATE_KEY_FILE): ",
            "- ASPORA_MAIL_FROM is set, but ASPORA_SMTP_URL is not",
        ] {
            assert!(said.contains(fault), "{said}");
        }
    }

    #[test]
    fn a_server_needs_no_model_and_whatever_is_missing_is_said_at_once() {
        let said = |missing: anyhow::Result<App>| missing.map(|_| ()).map_err(|error| format!("{error:#}"));
        let nothing = of(&[]).unwrap();
        let worker = said(nothing.worker()).unwrap_err();
        assert!(worker.starts_with("3 settings are wrong:\n- DATABASE_URL is not set"), "{worker}");
        assert!(said(nothing.server()).unwrap_err().starts_with("2 settings are wrong:"));
        let half = of(&[("DATABASE_URL", "postgres://x/y"), ("GITHUB_TOKEN", "t")]).unwrap();
        assert_eq!(said(half.server()), Ok(()));
        assert!(
            said(half.worker()).unwrap_err().starts_with("OPENAI_API_KEY is not set; a worker asks a model")
        );
    }
}
