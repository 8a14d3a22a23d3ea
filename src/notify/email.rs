//! Mail over SMTP.

use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message as Mail, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::Error,
};
use secrecy::ExposeSecret as _;

use super::{BadConfig, Config, Failure, Message, Smtp, TIMEOUT};

/// How long a server that asks for patience is left alone.
const LATER: Duration = Duration::from_secs(60);

/// A connection to a mail server.
#[derive(Clone)]
pub(super) struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mailer({})", self.from)
    }
}

impl Mailer {
    /// A mailer for this server; it connects when a mail is sent.
    ///
    /// # Errors
    /// [`BadConfig`] when the URL or the sender cannot be read.
    pub(super) fn new(smtp: &Smtp) -> Result<Self, BadConfig> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp.url.expose_secret())
            .map_err(|_| BadConfig::Smtp)?
            .timeout(Some(TIMEOUT))
            .build();
        let from = smtp.from.parse().map_err(|_| BadConfig::From)?;
        Ok(Self { transport, from })
    }

    /// Sends a message to a mailbox.
    ///
    /// # Errors
    /// [`Failure`]: a refusal of the server with a code from 500 on is final.
    pub(super) async fn send(
        &self,
        config: &Config,
        address: &str,
        message: &Message<'_>,
    ) -> Result<(), Failure> {
        let mail = self.mail(config, address, message).map_err(|error| {
            let error = format!("the mail cannot be written: {error}");
            Failure::Final { error, status: None }
        })?;
        self.transport.send(mail).await.map(|_| ()).map_err(|error| failure(&error))
    }

    fn mail(
        &self,
        config: &Config,
        address: &str,
        message: &Message<'_>,
    ) -> Result<Mail, Box<dyn std::error::Error + Send + Sync>> {
        let content = message.content;
        let mut text = format!("{}\n\n{}\n{}\n\n", content.headline(), content.line(), content.advice);
        text += &format!("The run: {}\n", config.page(content));
        if let Some(pull) = config.pull(content) {
            text += &format!("Pull request: {pull}\n");
        }
        if !content.product.is_empty() {
            text += &format!("Product: {}\n", content.product);
        }
        let auto =
            HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        let host = self.from.email.domain();
        Ok(Mail::builder()
            .from(self.from.clone())
            .to(address.parse()?)
            .subject(content.headline())
            // Servers and readers know a mail that comes twice by its id.
            .message_id(Some(format!("<{}@{host}>", message.id.simple())))
            .date(message.now.into())
            .raw_header(auto)
            .header(ContentType::TEXT_PLAIN)
            .body(text)?)
    }
}

fn failure(error: &Error) -> Failure {
    let status = error.status().map(u16::from);
    let text = format!("the mail server: {error}");
    if error.is_permanent() {
        return Failure::Final { error: text, status };
    }
    Failure::Retry { error: text, status, after: error.is_transient().then_some(LATER) }
}
