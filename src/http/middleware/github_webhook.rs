//! A webhook of GitHub as an argument of its handler: verified, read, and reduced to what runs wait for.

use axum::{
    Extension,
    body::Body,
    extract::{FromRequest, FromRequestParts as _, Request},
    http::HeaderMap,
};
use secrecy::SecretString;

use super::{error::Error, extract, problem::Kind};
use crate::{
    github::webhook::{self, Secrets, Unreadable},
    store::signal,
};

/// The secrets that deliveries may be signed with. The router makes them once and attaches them to the route.
#[derive(Debug, Clone)]
pub(crate) struct Verifier(std::sync::Arc<[Secrets]>);

/// A delivery that GitHub has signed; `None` when no run could wait for it.
#[derive(Debug)]
pub(crate) struct Delivery(pub(crate) Option<signal::News>);

impl Verifier {
    /// Accepts what any of these secrets has signed, so that a secret can be changed without a gap.
    pub(crate) fn new(secrets: &[SecretString]) -> Self {
        Self(secrets.iter().filter_map(|secret| Secrets::new(secret.clone(), None).ok()).collect())
    }

    /// Tries every secret, so that the time it takes does not reveal which one is in use.
    fn verify(&self, body: &[u8], signature: Option<&str>) -> Result<(), Error> {
        let good = self.0.iter().filter(|secrets| webhook::verify(secrets, body, signature).is_ok()).count();
        if good > 0 {
            return Ok(());
        }
        Err(Error::new(Kind::BadSignature, "the webhook's signature is missing or wrong"))
    }
}

impl<S: Send + Sync> FromRequest<S> for Delivery {
    type Rejection = Error;

    async fn from_request(request: Request<Body>, state: &S) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let verifier = Extension::<Verifier>::from_request_parts(&mut parts, state).await;
        let Extension(verifier) = verifier.map_err(|_| Error::internal())?;
        let headers = parts.headers.clone();
        let body = extract::bytes(Request::from_parts(parts, body), state, webhook::BODY_LIMIT).await?;
        verifier.verify(&body, header(&headers, webhook::SIGNATURE_HEADER))?;
        read(&headers, &body).map(Self)
    }
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Option<signal::News>, Error> {
    let (event, delivery) =
        (header(headers, webhook::EVENT_HEADER), header(headers, webhook::DELIVERY_HEADER));
    match webhook::read(event, delivery, body) {
        Ok(news) => Ok(signal(news)),
        Err(Unreadable::NoRepository) => Ok(None),
        Err(error @ Unreadable::Header(name)) => Err(Error::parameter(name, error.to_string())),
        Err(error @ Unreadable::Json(_)) => Err(Error::new(Kind::BadSyntax, error.to_string())),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The signal to store; `None` when no run waits for its topic.
fn signal(delivery: webhook::Delivery) -> Option<signal::News> {
    Some(signal::News {
        topic: delivery.topic?,
        delivery: delivery.id,
        repository: delivery.repository.to_string(),
        branch: delivery.branch,
        pull: delivery.pull.and_then(|number| i64::try_from(number).ok()),
        sha: delivery.sha.map(String::from),
    })
}
