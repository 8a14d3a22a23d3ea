//! A webhook of GitHub as an argument of its handler: received, verified and read.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{FromRequest, FromRequestParts as _, Request},
    http::{HeaderMap, header},
};
use secrecy::SecretString;

use super::{body::Intake, error::Error, problem::Kind};
use crate::github::webhook::{self, ContentType, Delivery, Secrets, Signature, Unreadable};

/// Takes deliveries that are signed with one of our secrets. The router makes it once and attaches it to the route.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    secrets: Arc<[Secrets]>,
    intake: Intake,
}

/// A delivery that GitHub has signed.
#[derive(Debug)]
pub(crate) struct Signed(pub(crate) Delivery);

impl Receiver {
    /// Accepts what any of these secrets has signed, so that a secret can be changed without a gap.
    pub(crate) fn new(secrets: &[SecretString]) -> Self {
        let secrets = secrets.iter().filter_map(|secret| Secrets::new(secret.clone(), None).ok()).collect();
        Self { secrets, intake: Intake::new(webhook::BODY_LIMIT) }
    }

    /// Reads a delivery. What the headers say is checked before the body is read.
    async fn receive(&self, headers: &HeaderMap, body: Body) -> Result<Delivery, Error> {
        let signature = Signature::parse(text(headers, webhook::SIGNATURE_HEADER)).map_err(|_| unsigned())?;
        let content = content_type(headers)?;
        let held = self.intake.read(headers, body).await?;
        self.verify(&held.bytes, signature)?;
        let payload = content.payload(&held.bytes).map_err(|error| unreadable(&error))?;
        let (event, id) = (text(headers, webhook::EVENT_HEADER), text(headers, webhook::DELIVERY_HEADER));
        webhook::read(event, id, &payload).map_err(|error| unreadable(&error))
    }

    /// Tries every secret, so that the time it takes does not reveal which one is in use.
    fn verify(&self, body: &[u8], signature: Signature) -> Result<(), Error> {
        let is_signed = |secrets: &&Secrets| webhook::verify(secrets, body, signature).is_ok();
        if self.secrets.iter().filter(is_signed).count() > 0 { Ok(()) } else { Err(unsigned()) }
    }
}

impl<S: Send + Sync> FromRequest<S> for Signed {
    type Rejection = Error;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let receiver = Extension::<Receiver>::from_request_parts(&mut parts, state).await;
        let Extension(receiver) = receiver.map_err(|_| Error::internal())?;
        receiver.receive(&parts.headers, body).await.map(Self)
    }
}

fn content_type(headers: &HeaderMap) -> Result<ContentType, Error> {
    let given = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    ContentType::of(given).ok_or_else(|| {
        let choose = "choose application/json or application/x-www-form-urlencoded in the webhook's settings";
        Error::new(Kind::NotWebhook, format!("the Content-Type is {given:?}; {choose}"))
    })
}

fn unsigned() -> Error {
    Error::new(Kind::BadSignature, webhook::BadSignature.to_string())
}

fn unreadable(error: &Unreadable) -> Error {
    match error {
        Unreadable::Header(name) => Error::parameter(name, error.to_string()),
        Unreadable::Json(_) | Unreadable::NoPayload => Error::new(Kind::BadSyntax, error.to_string()),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
