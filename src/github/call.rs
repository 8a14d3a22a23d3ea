//! One request and its answer: sent, redirected where GitHub says so, and every failure mapped.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use secrecy::ExposeSecret as _;
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use super::{
    ANSWER_LIMIT, Error, Forge, Kind,
    credentials::{Authorization, Scope, repository_of},
    throttle::{self, Effort},
    versions,
};
use crate::core::{
    outage::{Outage, Pass},
    rate::Observed,
};

/// How many redirects of one call are followed.
const REDIRECTS: usize = 4;

/// A call that is to be sent.
pub(super) struct Outgoing<'a, B: ?Sized> {
    pub(super) method: &'a Method,
    pub(super) route: &'a str,
    pub(super) body: Option<&'a B>,
    /// Statuses beside success that are answers and not errors.
    pub(super) also: &'a [StatusCode],
    /// Method and route, for errors.
    pub(super) call: &'a str,
}

/// A successful answer, read completely.
pub(super) struct Answer {
    call: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An answer of any status.
struct Raw {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Forge {
    /// Makes one call with the credential for what it is about.
    pub(super) async fn call<B>(&self, method: Method, route: &str, body: Option<&B>) -> Result<Answer, Error>
    where
        B: Serialize + ?Sized,
    {
        self.call_also(method, route, body, &[]).await
    }

    /// As [`Self::call`]; answers with these statuses too are answers and not errors.
    pub(super) async fn call_also<B>(
        &self,
        method: Method,
        route: &str,
        body: Option<&B>,
        also: &[StatusCode],
    ) -> Result<Answer, Error>
    where
        B: Serialize + ?Sized,
    {
        let call = format!("{method} {route}");
        let outgoing = Outgoing { method: &method, route, body, also, call: &call };
        // Boxed, as it is part of the future of every activity.
        Box::pin(self.authorized(&outgoing, &Scope::of(route))).await
    }

    /// Sends one call once, with this authorization; the only place in this room that maps failures.
    pub(super) async fn send<B>(
        &self,
        outgoing: &Outgoing<'_, B>,
        authorization: &Authorization,
    ) -> Result<Answer, Error>
    where
        B: Serialize + ?Sized,
    {
        let call = outgoing.call;
        let pass = match &self.throttle {
            Some(throttle) => {
                let pass = throttle.pass(&authorization.account, Effort::of(outgoing.method));
                pass.await.map_err(|held| Error::held(call, held))?
            }
            None => Pass::default(),
        };
        let limit = self.config.timeouts.total;
        let outcome = match tokio::time::timeout(limit, self.exchange(outgoing, authorization)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::timeout(call.to_owned(), limit)),
        };
        let outcome = outcome.map_err(|error| error.without(authorization.token.expose_secret()));
        self.ended(pass, outcome).await
    }

    /// Reports how a call ended, and learns whether its failure is part of an outage. A call that a rate limit turned
    /// away is waited out like one that fails alone.
    async fn ended<T>(&self, pass: Pass, outcome: Result<T, Error>) -> Result<T, Error> {
        let Some(throttle) = &self.throttle else { return outcome };
        let failure = outcome.as_ref().err().filter(|error| error.kind().is_outage());
        let outage = throttle.ended(pass, failure.map(ToString::to_string)).await;
        outcome.map_err(|error| match outage {
            Some(outage) => error.part_of(Some(outage)),
            None => self.limited(error),
        })
    }

    /// The same error; of a call that a rate limit turned away, as one that is waited out.
    pub(super) fn limited(&self, error: Error) -> Error {
        let wait = error.retry_after().filter(|_| error.kind() == Kind::RateLimited);
        let Some((throttle, wait)) = self.throttle.as_ref().zip(wait) else { return error };
        let alone = Outage::of_one_call(throttle.provider(), wait, error.to_string());
        error.part_of(Some(alone))
    }

    async fn exchange<B>(
        &self,
        outgoing: &Outgoing<'_, B>,
        authorization: &Authorization,
    ) -> Result<Answer, Error>
    where
        B: Serialize + ?Sized,
    {
        let call = outgoing.call;
        let mut url = self.address(outgoing.route).map_err(|why| Error::unsent(call, &why))?;
        let mut raw = self.request(outgoing, &url, authorization).await?;
        for _ in 0..REDIRECTS {
            let Some(next) = self.redirected(outgoing, &url, &raw) else { break };
            url = next;
            raw = self.request(outgoing, &url, authorization).await?;
        }
        self.notices.read(&raw.headers);
        match raw.status {
            StatusCode::OK | StatusCode::CREATED | StatusCode::ACCEPTED | StatusCode::NO_CONTENT => {
                self.observe(authorization, &raw.headers, None).await;
                Ok(Answer { call: call.to_owned(), headers: raw.headers, body: raw.body })
            }
            status if outgoing.also.contains(&status) => {
                self.observe(authorization, &raw.headers, None).await;
                Ok(Answer { call: call.to_owned(), headers: raw.headers, body: raw.body })
            }
            status => {
                let error = versions::explain(Error::answered(call, status, &raw.headers, &raw.body));
                self.observe(authorization, &raw.headers, Some(&error)).await;
                Err(error)
            }
        }
    }

    /// Sends one request; the token only to GitHub itself.
    async fn request<B>(
        &self,
        outgoing: &Outgoing<'_, B>,
        url: &Url,
        authorization: &Authorization,
    ) -> Result<Raw, Error>
    where
        B: Serialize + ?Sized,
    {
        let call = outgoing.call;
        let mut request = http::Request::builder().method(outgoing.method.clone()).uri(url.as_str());
        if url.origin() == self.config.api_url.origin() {
            let bearer = format!("Bearer {}", authorization.token.expose_secret());
            let mut bearer = http::HeaderValue::from_str(&bearer)
                .map_err(|_| Error::unsent(call, "the token has characters that no header may have"))?;
            bearer.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, bearer);
        }
        let request = self
            .octocrab
            .build_request(request, outgoing.body)
            .map_err(|error| Error::unbuilt(call, &error))?;
        let answer = self.octocrab.execute(request).await.map_err(|error| Error::broken(call, &error))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_LIMIT)
            .collect()
            .await
            .map_err(|error| Error::cut(call, error.as_ref()))?
            .to_bytes();
        Ok(Raw { status: head.status, headers: head.headers, body })
    }

    /// Where an answer sends the call: a renamed repository at GitHub itself, by the same method and with the
    /// same body; a download elsewhere only for a read. docs.github.com "Best practices for using the REST API".
    fn redirected<B: ?Sized>(&self, outgoing: &Outgoing<'_, B>, from: &Url, raw: &Raw) -> Option<Url> {
        if !matches!(raw.status.as_u16(), 301 | 302 | 307 | 308) {
            return None;
        }
        let to = from.join(raw.headers.get(header::LOCATION)?.to_str().ok()?).ok()?;
        let is_ours = to.origin() == self.config.api_url.origin();
        if is_ours && let Some(repo) = repository_of(outgoing.route) {
            self.names.moved(&repo, &to);
        }
        let is_safe = to.scheme() == "https" || to.scheme() == self.config.api_url.scheme();
        (is_ours || is_safe && *outgoing.method == Method::GET).then_some(to)
    }

    async fn observe(&self, authorization: &Authorization, headers: &HeaderMap, error: Option<&Error>) {
        if let Some(throttle) = &self.throttle {
            let observed = throttle::observed(headers, error, chrono::Utc::now());
            if let (Some(formerly), Some(_)) = (&authorization.formerly, &observed.penalty) {
                let penalty = observed.penalty.clone();
                throttle.observe(formerly, Observed { penalty, ..Observed::default() }).await;
            }
            throttle.observe(&authorization.account, observed).await;
        }
    }

    /// The address of a route below the API's base; that of GraphQL stands beside REST on a server of one's own
    /// (`/api/graphql`, docs.github.com "Forming calls with GraphQL").
    fn address(&self, route: &str) -> Result<Url, String> {
        let base = self.config.api_url.as_str().trim_end_matches('/');
        let base = if route == "/graphql" { base.strip_suffix("/v3").unwrap_or(base) } else { base };
        Url::parse(&format!("{base}{route}")).map_err(|error| format!("`{route}` makes no URL: {error}"))
    }
}

impl Answer {
    pub(super) fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::unreadable(self.call, &format!("the answer is not as expected: {error}")))
    }

    pub(super) fn has_more(&self) -> bool {
        let links = self.headers.get_all(header::LINK).iter();
        links.filter_map(|link| link.to_str().ok()).any(|link| link.contains("rel=\"next\""))
    }
}
