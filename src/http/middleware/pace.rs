//! How many requests a key may make: counted for each key, minute by minute, in this process.
//!
//! It keeps one program with a mistake from taking the server away from everybody else. Several servers count each for
//! itself, so that together they admit as many times as much.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::http::{HeaderValue, Response};
use uuid::Uuid;

/// How long requests are counted together.
const WINDOW: Duration = Duration::from_secs(60);
/// Keys that are remembered before those whose minute is over are forgotten.
const REMEMBERED: usize = 10_000;
/// The most streams of events that a key may have open at once: each holds a connection.
const STREAMS: u32 = 100;

/// The requests and streams of this process, by key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Paces(Arc<Mutex<HashMap<Uuid, Usage>>>);

#[derive(Debug, Clone, Copy)]
struct Usage {
    since: Instant,
    requests: u32,
    streams: u32,
}

/// What a key may still do in its minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Allowance {
    most: u32,
    left: u32,
    /// Until the count begins again.
    pub(crate) reset: Duration,
    /// Whether this request is within it.
    pub(crate) admitted: bool,
}

/// An open stream; dropping it gives its place back.
#[derive(Debug)]
pub(crate) struct StreamPlace(Paces, Uuid);

impl Paces {
    /// Counts a request of a key that may make `most` in a minute.
    pub(crate) fn take(&self, key: Uuid, most: u32, now: Instant) -> Allowance {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.retain(|_, usage| usage.streams > 0 || now < usage.since + WINDOW);
        }
        let usage = all.entry(key).or_insert(Usage { since: now, requests: 0, streams: 0 });
        if now >= usage.since + WINDOW {
            *usage = Usage { since: now, requests: 0, ..*usage };
        }
        let admitted = usage.requests < most;
        usage.requests += u32::from(admitted);
        let reset = (usage.since + WINDOW).saturating_duration_since(now);
        Allowance { most, left: most - usage.requests.min(most), reset, admitted }
    }

    /// A place for a stream of a key; `None` if all are taken.
    pub(crate) fn stream(&self, key: Uuid, now: Instant) -> Option<StreamPlace> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = all.entry(key).or_insert(Usage { since: now, requests: 0, streams: 0 });
        if usage.streams >= STREAMS {
            return None;
        }
        usage.streams += 1;
        Some(StreamPlace(self.clone(), key))
    }
}

impl Allowance {
    /// Says in a response what is left: the fields of draft-ietf-httpapi-ratelimit-headers-10.
    pub(crate) fn show<B>(&self, response: &mut Response<B>) {
        let Self { most, left, reset, .. } = self;
        let fields = [
            ("ratelimit-policy", format!("\"key\";q={most};w={}", WINDOW.as_secs())),
            ("ratelimit", format!("\"key\";r={left};t={}", reset.as_secs())),
        ];
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(usage) = all.get_mut(&self.1) {
            usage.streams = usage.streams.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_makes_as_many_requests_as_it_may_and_again_in_the_next_minute() {
        let (paces, now) = (Paces::default(), Instant::now());
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let left = |key, at| {
            let allowance = paces.take(key, 3, at);
            (allowance.admitted, allowance.left, allowance.reset.as_secs())
        };
        assert_eq!(left(one, now), (true, 2, 60));
        assert_eq!(left(one, now + WINDOW / 2), (true, 1, 30));
        assert_eq!(left(one, now + WINDOW / 2), (true, 0, 30));
        assert_eq!(left(one, now + WINDOW / 2), (false, 0, 30));
        assert_eq!(left(other, now + WINDOW / 2), (true, 2, 60), "each key has its own count");
        assert_eq!(left(one, now + WINDOW), (true, 2, 60));
    }

    #[test]
    fn a_stream_that_ends_gives_its_place_back() {
        let (paces, now, key) = (Paces::default(), Instant::now(), Uuid::nil());
        let mut open: Vec<_> = (0..STREAMS).map(|_| paces.stream(key, now).unwrap()).collect();
        assert!(paces.stream(key, now).is_none() && paces.stream(Uuid::max(), now).is_some());
        open.pop();
        assert!(paces.stream(key, now).is_some());
    }

    #[test]
    fn many_keys_do_not_fill_the_memory() {
        let (paces, now) = (Paces::default(), Instant::now());
        for number in 0..20_000_u128 {
            paces.take(Uuid::from_u128(number), 3, now + WINDOW * u32::try_from(number / 10_000).unwrap());
        }
        assert!(paces.0.lock().unwrap().len() <= REMEMBERED);
    }
}
