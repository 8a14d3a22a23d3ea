//! Messages to people, outside of the forge: webhooks, Slack, and mail, and questions to servers that people name. The only
//! room that names lettre.
//!
//! An attempt either delivers, or says whether another one may. What a target answers is foreign text: a few words of it
//! are kept as the error and nothing else of it is read.

mod address;
mod asker;
mod email;
mod http_client;
mod signature;
mod slack;
mod webhook;

use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

pub use self::{
    address::{BadAddress, Checked, check},
    asker::Asker,
    signature::{SecretError, SigningSecret},
};
use self::{email::Mailer, http_client::HttpClient};
use crate::core::notice::Content;

/// How long an attempt may take.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// How messages are sent.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The URL under which people reach the server, without a trailing slash.
    pub public_url: String,
    /// The forge's web address, without a trailing slash.
    pub forge_url: String,
    /// Whether targets may have private addresses, loopback included.
    pub allows_private: bool,
    /// The mail server; `None`: no mail can be sent.
    pub smtp: Option<Smtp>,
}

/// A mail server.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// Such as `smtps://user:password@mail.example:465`.
    pub url: SecretString,
    /// Who the mail is from, such as `Aspora <aspora@acme.example>`.
    pub from: String,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadConfig {
    /// The mail server's URL. It may hold a password, so that the error says nothing of it.
    #[error(
        "ASPORA_SMTP_URL cannot be used: expected smtps://user:password@host:465, smtp://host:587?tls=required or smtp://host:25"
    )]
    Smtp,
    /// The sender of mail.
    #[error("ASPORA_MAIL_FROM is no address such as `Aspora <aspora@acme.example>`")]
    From,
    /// This machine's certificates could not be read.
    #[error("the HTTP client could not be set up: {0}")]
    Client(#[from] reqwest::Error),
}

/// Where a message goes.
#[derive(Debug)]
pub enum Target {
    /// A program: our JSON, signed.
    Webhook(Url, SigningSecret),
    /// An incoming webhook of Slack, or of what takes the same.
    Slack(Url),
    /// A mailbox.
    Email(String),
}

/// A message to send.
#[derive(Debug)]
pub struct Message<'a> {
    /// Its id, the same in every attempt.
    pub id: Uuid,
    /// When this attempt is made.
    pub now: DateTime<Utc>,
    /// What it says.
    pub content: &'a Content,
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Another attempt may succeed.
    #[error("{error}")]
    Retry {
        /// What went wrong.
        error: String,
        /// What the target answered, if it did.
        status: Option<u16>,
        /// How long the target said to wait.
        after: Option<Duration>,
    },
    /// Another attempt would fail too.
    #[error("{error}")]
    Final {
        /// What went wrong.
        error: String,
        /// What the target answered, if it did.
        status: Option<u16>,
    },
    /// The target says that it is gone for good.
    #[error("{error}")]
    Gone {
        /// What went wrong.
        error: String,
        /// What the target answered.
        status: Option<u16>,
    },
}

/// Sends messages.
#[derive(Debug, Clone)]
pub struct Sender {
    config: Config,
    http: HttpClient,
    mailer: Option<Mailer>,
}

impl Target {
    /// The target of a stored subscription.
    ///
    /// # Errors
    /// [`Failure::Final`] when what is stored cannot be used.
    pub fn read(kind: &str, address: &str, secret: Option<&[u8]>) -> Result<Self, Failure> {
        let unusable = || Failure::Final { error: "its address cannot be used".to_owned(), status: None };
        let url = || address.parse::<Url>().map_err(|_| unusable());
        match (kind, secret) {
            ("webhook", Some(secret)) => Ok(Self::Webhook(url()?, SigningSecret::from_bytes(secret))),
            ("slack", _) => Ok(Self::Slack(url()?)),
            ("email", _) => Ok(Self::Email(address.to_owned())),
            _ => Err(unusable()),
        }
    }
}

impl Sender {
    /// A sender with this configuration.
    ///
    /// # Errors
    /// [`BadConfig`] names the setting.
    pub fn new(config: Config) -> Result<Self, BadConfig> {
        let http = HttpClient::new(config.allows_private, TIMEOUT)?;
        let mailer = config.smtp.as_ref().map(Mailer::new).transpose()?;
        Ok(Self { config, http, mailer })
    }

    /// Makes one attempt. Returns the status that the target answered, if it has one.
    ///
    /// # Errors
    /// [`Failure`] says whether to try again.
    pub async fn send(&self, target: &Target, message: &Message<'_>) -> Result<Option<u16>, Failure> {
        let attempt = async {
            match target {
                Target::Webhook(url, secret) => {
                    let body = webhook::body(&self.config, message.content);
                    let headers = webhook::headers(message, &body, secret);
                    self.http.post(url, headers, body).await.map(Some)
                }
                Target::Slack(url) => {
                    let body = slack::body(&self.config, message.content);
                    self.http.post(url, vec![], body).await.map(Some)
                }
                Target::Email(address) => match &self.mailer {
                    Some(mailer) => mailer.send(&self.config, address, message).await.map(|()| None),
                    None => Err(Failure::Retry {
                        error: "no mail server is configured: set ASPORA_SMTP_URL and ASPORA_MAIL_FROM for \
                                the workers"
                            .to_owned(),
                        status: None,
                        after: None,
                    }),
                },
            }
        };
        tokio::time::timeout(TIMEOUT, attempt).await.unwrap_or_else(|_| {
            let error = format!("no answer within {} s", TIMEOUT.as_secs());
            Err(Failure::Retry { error, status: None, after: None })
        })
    }
}

impl Config {
    /// The page of what a message is about; the list for one that is about nothing.
    fn page(&self, content: &Content) -> String {
        match content.run {
            Some(run) => format!("{}/runs/{run}", self.public_url),
            None => format!("{}/", self.public_url),
        }
    }

    /// The pull request, if there is one.
    fn pull(&self, content: &Content) -> Option<String> {
        let (repository, pull) = (content.repository.as_ref()?, content.pull?);
        Some(format!("{}/{repository}/pull/{pull}", self.forge_url))
    }
}
