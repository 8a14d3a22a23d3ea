//! Headers of an answer: rate limits and the server's clock.

use std::time::Duration;

use chrono::{DateTime, Utc};
use http::HeaderMap;

/// The longest wait that is believed: GitHub's windows are an hour long.
const LONGEST_WAIT: Duration = Duration::from_secs(3_660);

/// Whether a 403 reports a rate limit: a header says so, or for a secondary limit only the message.
pub(super) fn is_rate_limit(headers: &HeaderMap, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    // A refusal may be the last answer of a window.
    if message.starts_with("resource not accessible by") {
        return false;
    }
    headers.contains_key("retry-after")
        || text_of(headers, "x-ratelimit-remaining") == Some("0")
        || ["rate limit", "abuse detection"].iter().any(|phrase| message.contains(phrase))
}

/// How long a rate limit lasts, if the answer says so.
pub(super) fn rate_limit_wait(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let now = server_time(headers, now);
    retry_after(headers, now).or_else(|| {
        let spent = text_of(headers, "x-ratelimit-remaining") == Some("0");
        let reset = text_of(headers, "x-ratelimit-reset")?.parse().ok()?;
        let reset = DateTime::from_timestamp(reset, 0)?;
        // One second more, since the reset is given in whole seconds.
        spent.then(|| until(reset, now).saturating_add(Duration::from_secs(1)).min(LONGEST_WAIT))
    })
}

/// `Retry-After` in seconds or as a date; a negative or malformed one counts as absent.
pub(super) fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = text_of(headers, "retry-after")?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => until(DateTime::parse_from_rfc2822(text).ok()?.to_utc(), now),
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The server's clock, which its other headers are relative to; ours may be an hour off.
pub(super) fn server_time(headers: &HeaderMap, ours: DateTime<Utc>) -> DateTime<Utc> {
    clock(headers).unwrap_or(ours)
}

/// The server's clock, if the answer shows it.
pub(super) fn clock(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text_of(headers, "date")?).ok().map(|date| date.to_utc())
}

/// How long from `now` until `moment`; zero if it has passed.
pub(super) fn until(moment: DateTime<Utc>, now: DateTime<Utc>) -> Duration {
    (moment - now).to_std().unwrap_or_default()
}

/// A header as text, if it is there and is ASCII.
pub(super) fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
