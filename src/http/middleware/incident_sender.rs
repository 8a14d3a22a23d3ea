//! Who may tell of incidents by webhooks: Sentry, and senders that an operator describes. A delivery counts if its body is
//! signed with the sender's secret.

use std::{collections::BTreeMap, sync::Arc};

use axum::{body::Body, http::HeaderMap};
use secrecy::SecretString;
use serde_json::Value;

use super::{body::Intake, error::Error, problem::Kind};
use crate::{
    core::incident::{Delivered, Mapping, RESOURCE_HEADER, SIGNATURE_HEADER, read_sentry},
    github::webhook::{Secrets, Signature, verify},
};

/// The most bytes of a delivery (1 MiB); Sentry's events are cut to less than that.
const BODY_LIMIT: usize = 1024 * 1024;

/// How one sender's deliveries are verified and read.
#[derive(Debug, Clone)]
pub struct IncidentSender {
    /// The header with the signature, in lower case.
    pub header: String,
    /// What stands before the hexadecimal in it.
    pub prefix: String,
    /// What bodies are signed with.
    pub secret: SecretString,
    /// How bodies are read.
    pub what: SenderKind,
}

/// How bodies are read.
#[derive(Debug, Clone)]
pub enum SenderKind {
    /// As Sentry documents them.
    Sentry,
    /// By a mapping.
    Mapped(Mapping),
}

impl IncidentSender {
    /// Sentry, with the client secret of its integration.
    #[must_use]
    pub fn sentry(secret: SecretString) -> Self {
        Self { header: SIGNATURE_HEADER.to_owned(), prefix: String::new(), secret, what: SenderKind::Sentry }
    }

    /// What a payload of Sentry's tells.
    pub(crate) fn read_sentry(&self, headers: &HeaderMap, payload: &Value) -> Result<Delivered, Error> {
        let resource =
            headers.get(RESOURCE_HEADER).and_then(|value| value.to_str().ok()).ok_or_else(|| {
                Error::parameter(RESOURCE_HEADER, "the header is missing: it says what the webhook is about")
            })?;
        Ok(read_sentry(resource, payload))
    }
}

/// The senders by the name in their address. The router makes it once and attaches it to the route.
#[derive(Debug, Clone)]
pub(crate) struct Senders {
    known: Arc<BTreeMap<String, IncidentSender>>,
    intake: Intake,
}

impl Senders {
    pub(crate) fn new(known: &BTreeMap<String, IncidentSender>) -> Self {
        Self { known: Arc::new(known.clone()), intake: Intake::new(BODY_LIMIT) }
    }

    /// The sender of this name.
    pub(crate) fn get(&self, name: &str) -> Result<&IncidentSender, Error> {
        self.known.get(name).ok_or_else(|| {
            let remedy = match name {
                "sentry" => "set ASPORA_SENTRY_SECRET to the client secret of Sentry's integration",
                _ => "describe it in the file that ASPORA_INCIDENT_SENDERS names",
            };
            Error::new(Kind::NotFound, format!("this server takes no incidents from `{name}`; {remedy}"))
        })
    }

    /// The body of a delivery that the sender signed. What the headers say is checked before it is read.
    pub(crate) async fn read(
        &self,
        sender: &IncidentSender,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Vec<u8>, Error> {
        let unsigned = || {
            let detail = format!("the header {} is missing, or no signature of this body", sender.header);
            Error::new(Kind::BadSignature, detail)
        };
        let given = headers.get(&sender.header).and_then(|value| value.to_str().ok()).ok_or_else(unsigned)?;
        let hex = given.strip_prefix(sender.prefix.as_str()).ok_or_else(unsigned)?;
        let signature = Signature::parse(Some(&format!("sha256={hex}"))).map_err(|_| unsigned())?;
        let held = self.intake.read(headers, body).await?;
        let secrets = Secrets::new(sender.secret.clone(), None).map_err(|_| unsigned())?;
        verify(&secrets, &held.bytes, signature).map_err(|_| unsigned())?;
        Ok(held.bytes)
    }
}
