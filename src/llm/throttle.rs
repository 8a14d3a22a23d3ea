//! Rate limits and outages, which all workers share: asked before a call, updated from its answer.

use std::time::Duration;

use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode};

use super::Error;
use crate::core::{
    outage::{Held, Outage, Pass, Provider},
    rate::{Observed, RateWindow},
};

/// The longest time until a limit resets that is believed.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Decides before each call whether it may be made, and observes each answer.
pub trait Throttle: Send + Sync {
    /// The provider of a model, as its breaker knows it.
    fn provider(&self, model: &str) -> Provider;

    /// Admits a call of `model` that sends about so many tokens, possibly after a short wait.
    ///
    /// # Errors
    /// [`Held`] says for how long no call may be made.
    fn pass<'a>(&'a self, model: &'a str, tokens: u32) -> BoxFuture<'a, Result<Pass, Held>>;

    /// Observes what an answer of `model` says about limits.
    fn observe<'a>(&'a self, model: &'a str, observed: Observed) -> BoxFuture<'a, ()>;

    /// Learns how a call of `model` ended that was admitted: with an answer, whatever it was, or with this failure of
    /// the server or of the way to it. A failure may be part of an outage. The start of an answer to a probe is
    /// reported as an answer already.
    fn ended<'a>(
        &'a self,
        model: &'a str,
        pass: Pass,
        failure: Option<String>,
    ) -> BoxFuture<'a, Option<Outage>>;
}

/// What an answer says about limits; a failure may carry a penalty.
///
/// A penalty does not keep the server's message, which may quote the key.
pub(super) fn observed(status: StatusCode, headers: &HeaderMap, error: Option<&Error>) -> Observed {
    let penalty = error.and_then(|error| Some((error.retry_after()?, status.to_string())));
    Observed { penalty, calls: window(headers, "requests"), tokens: window(headers, "tokens") }
}

/// OpenAI's limits refill gradually; the reset is when one would be full.
fn window(headers: &HeaderMap, of: &str) -> Option<RateWindow> {
    let text = |part: &str| headers.get(format!("x-ratelimit-{part}-{of}"))?.to_str().ok().map(str::trim);
    let limit = text("limit")?.parse().ok().filter(|limit| *limit > 0)?;
    let remaining = text("remaining")?.parse().ok()?;
    let full_in = text("reset").and_then(span)?;
    Some(RateWindow { limit, remaining, full_in, is_gradual: true })
}

/// A span such as `6m0s`, `8.64s`, `120ms` or plain seconds.
fn span(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok().map(|span| span.min(LONGEST));
    }
    let (mut rest, mut seconds) = (text, 0.0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit);
        let factor = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * factor;
        rest = tail;
    }
    Duration::try_from_secs_f64(seconds).ok().filter(|_| !text.is_empty()).map(|span| span.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_as_openai_writes_it() {
        let check = |text, millis| assert_eq!(span(text).map(|span| span.as_millis()), millis, "{text:?}");
        check("8.64s", Some(8_640));
        check("6m0s", Some(360_000));
        check("1h2m3s", Some(3_723_000));
        check("120ms", Some(120));
        check("7", Some(7_000));
        check("900d", Some(86_400_000));
        for wrong in ["", "s", "-1s", "1x", "soon", "1..2s", "NaN", "inf"] {
            check(wrong, None);
        }
    }

    #[test]
    fn both_windows_of_openai_are_read() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-ratelimit-limit-requests", "60"),
            ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-reset-requests", "1s"),
            ("x-ratelimit-limit-tokens", "150000"),
            ("x-ratelimit-remaining-tokens", "149984"),
            ("x-ratelimit-reset-tokens", "6m0s"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let observed = observed(StatusCode::OK, &headers, None);
        let shown =
            |window: Option<RateWindow>| window.map(|it| (it.limit, it.remaining, it.full_in.as_secs()));
        assert_eq!(
            (shown(observed.calls), shown(observed.tokens)),
            (Some((60, 59, 1)), Some((150_000, 149_984, 360)))
        );
        assert_eq!(super::observed(StatusCode::OK, &HeaderMap::new(), None), Observed::default());
    }
}
