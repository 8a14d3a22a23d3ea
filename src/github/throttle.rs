//! Rate limits and outages, which all workers share: asked before a call, updated from its answer.

use chrono::{DateTime, Utc};
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, Method};

use super::{
    Error, Kind,
    headers::{server_time, text_of, until},
};
use crate::core::{
    outage::{Held, Outage, Pass, Provider},
    rate::{Observed, RateWindow},
};

/// How much a call counts towards the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A read.
    Read,
    /// A change of what exists.
    Change,
    /// A creation.
    Create,
}

/// What came of the minting of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Minting {
    /// The forge decided, whatever it decided.
    Answered,
    /// This failure of the server or of the way to it.
    Failed(String),
    /// A limit or an outage held one of its calls back.
    Held,
}

/// Decides before each call whether it may be made, and observes each answer.
pub trait Throttle: Send + Sync {
    /// The forge, as its breaker knows it.
    fn provider(&self) -> Provider;

    /// Admits a call of an account, such as `installation/7`, possibly after a short wait.
    ///
    /// # Errors
    /// [`Held`] says for how long no call may be made.
    fn pass<'a>(&'a self, account: &'a str, effort: Effort) -> BoxFuture<'a, Result<Pass, Held>>;

    /// Observes what an answer says about the limits of an account.
    fn observe<'a>(&'a self, account: &'a str, observed: Observed) -> BoxFuture<'a, ()>;

    /// Admits the minting of a token, which takes two calls; the first of them is often answered while the second is not.
    ///
    /// # Errors
    /// [`Held`] says for how long no token may be minted.
    fn pass_minting(&self) -> BoxFuture<'_, Result<Pass, Held>> {
        futures::future::ready(Ok(Pass::default())).boxed()
    }

    /// Learns what came of a minting that was admitted.
    fn ended_minting(&self, _pass: Pass, _minting: Minting) -> BoxFuture<'_, Option<Outage>> {
        futures::future::ready(None).boxed()
    }

    /// Learns how a call ended that was admitted: with an answer, whatever it was, or with this failure of the
    /// server or of the way to it. A failure may be part of an outage.
    fn ended(&self, pass: Pass, failure: Option<String>) -> BoxFuture<'_, Option<Outage>>;
}

impl Effort {
    pub(super) fn of(method: &Method) -> Self {
        match *method {
            Method::GET | Method::HEAD => Self::Read,
            Method::POST => Self::Create,
            _ => Self::Change,
        }
    }
}

/// What an answer says about limits; a failure may carry a penalty.
///
/// A penalty does not keep the server's message, which may quote the token.
pub(super) fn observed(headers: &HeaderMap, error: Option<&Error>, now: DateTime<Utc>) -> Observed {
    let asks_to_wait = |error: &&Error| matches!(error.kind(), Kind::RateLimited | Kind::Server);
    let penalty = error
        .filter(asks_to_wait)
        .and_then(|error| Some((error.retry_after()?, format!("{} ({})", error.kind(), error.status()?))));
    Observed { penalty, calls: window(headers, now), tokens: None }
}

/// GitHub counts in windows and says when the current one ends. Searches and GraphQL are counted separately.
fn window(headers: &HeaderMap, now: DateTime<Utc>) -> Option<RateWindow> {
    if text_of(headers, "x-ratelimit-resource").is_some_and(|resource| resource != "core") {
        return None;
    }
    let number = |name| text_of(headers, name)?.trim().parse::<u32>().ok();
    let limit = number("x-ratelimit-limit").filter(|limit| *limit > 0)?;
    let remaining = number("x-ratelimit-remaining")?;
    let reset = text_of(headers, "x-ratelimit-reset")?.trim().parse().ok()?;
    let reset = DateTime::from_timestamp(reset, 0)?;
    // One second more, since the reset is given in whole seconds.
    let full_in = until(reset, server_time(headers, now)) + std::time::Duration::from_secs(1);
    Some(RateWindow { limit, remaining, full_in, is_gradual: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |&(name, value): &(&'static str, &'static str)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_window_is_read_from_the_headers_by_the_servers_clock() {
        let check = |limit, remaining, reset, resource, expected: Option<(u32, u32, u64)>| {
            let headers = headers(&[
                ("date", "Sun, 22 Nov 2026 18:00:00 GMT"),
                ("x-ratelimit-limit", limit),
                ("x-ratelimit-remaining", remaining),
                ("x-ratelimit-reset", reset),
                ("x-ratelimit-resource", resource),
            ]);
            let found = observed(&headers, None, Utc::now()).calls;
            let found = found.map(|window| (window.limit, window.remaining, window.full_in.as_secs()));
            assert_eq!(found, expected, "{limit} {remaining} {reset} {resource}");
        };
        // 1795370430 is 18:00:30 of that day.
        check("5000", "4999", "1795370430", "core", Some((5_000, 4_999, 31)));
        check("5000", "0", "1", "core", Some((5_000, 0, 1)));
        check("30", "29", "1795370430", "search", None);
        check("0", "0", "1795370430", "core", None);
        check("many", "-1", "soon", "core", None);
        assert_eq!(observed(&HeaderMap::new(), None, Utc::now()), Observed::default());
    }

    #[test]
    fn a_rate_limit_is_a_penalty_and_so_is_a_server_error_with_a_retry_after() {
        let check = |status, named, expected: Option<u64>| {
            let headers = if named { headers(&[("retry-after", "7")]) } else { HeaderMap::new() };
            let status = http::StatusCode::from_u16(status).unwrap();
            let error = Error::answered("GET /x", status, &headers, b"{}");
            let penalty = observed(&headers, Some(&error), Utc::now()).penalty;
            assert_eq!(penalty.map(|(wait, _)| wait.as_secs()), expected, "{status} {named}");
        };
        check(429, true, Some(7));
        check(429, false, Some(60));
        check(403, true, Some(7));
        check(403, false, None);
        check(503, true, Some(7));
        check(503, false, None);
        check(404, true, None);
    }
}
