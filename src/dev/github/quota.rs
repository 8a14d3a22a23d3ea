//! The primary rate limit: calls in an hour for each installation, person, repository's workflows or address
//! (docs.github.com "Rate limits for the REST API"), reported in the headers of each answer.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
};

use axum::response::Response;
use chrono::Utc;
use http::HeaderValue;
use serde_json::{Value, json};

use super::credentials::{Credential, Kind};

const HOUR: i64 = 3600;

/// The limits in force.
#[derive(Debug)]
pub(crate) struct Quota {
    /// One limit for every bucket, until its time is over.
    set: Mutex<Option<Window>>,
    windows: Mutex<BTreeMap<String, Window>>,
    /// What a call over the limit is answered with: 403 or 429.
    status: AtomicU16,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    limit: u64,
    used: u64,
    /// Seconds since 1970.
    reset: i64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { set: Mutex::default(), windows: Mutex::default(), status: AtomicU16::new(403) }
    }
}

impl Quota {
    /// Allows each caller `limit` calls within the next `seconds`, or as many as GitHub does.
    pub(crate) fn set(&self, limit: Option<(u64, i64)>) {
        lock(&self.windows).clear();
        *lock(&self.set) = limit.map(|(limit, seconds)| Window {
            limit,
            used: 0,
            reset: Utc::now().timestamp().saturating_add(seconds),
        });
    }

    pub(crate) fn set_status(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn status(&self) -> u16 {
        self.status.load(Ordering::SeqCst)
    }

    /// Counts a call; the window after it.
    pub(crate) fn spend(&self, by: &Credential) -> Window {
        self.window(by, 1)
    }

    /// The window of a caller, without counting a call.
    pub(crate) fn peek(&self, by: &Credential) -> Window {
        self.window(by, 0)
    }

    fn window(&self, by: &Credential, spent: u64) -> Window {
        let now = Utc::now().timestamp();
        let mut set = lock(&self.set);
        if set.take_if(|window| window.reset <= now).is_some() {
            lock(&self.windows).clear();
        }
        let fresh = set.unwrap_or_else(|| Window { limit: hourly(by), used: 0, reset: now + HOUR });
        let mut windows = lock(&self.windows);
        let window = windows.entry(by.bucket()).or_insert(fresh);
        if window.reset <= now {
            *window = fresh;
        }
        window.used += spent;
        *window
    }
}

/// How many calls an hour a credential has.
const fn hourly(by: &Credential) -> u64 {
    match by.kind {
        Kind::Nobody => 60,
        Kind::Actions { .. } => 1000,
        Kind::App { .. } | Kind::Installation { .. } | Kind::FineGrained { .. } | Kind::Classic { .. } => {
            5000
        }
    }
}

impl Window {
    /// Whether the call that was just counted is over the limit.
    pub(crate) const fn is_over(self) -> bool {
        self.used > self.limit
    }

    /// Adds the headers that report the window.
    pub(crate) fn with_headers(self, mut answer: Response) -> Response {
        let headers = answer.headers_mut();
        headers.insert("x-ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("x-ratelimit-remaining", HeaderValue::from(self.limit.saturating_sub(self.used)));
        headers.insert("x-ratelimit-used", HeaderValue::from(self.used.min(self.limit)));
        headers.insert("x-ratelimit-reset", HeaderValue::from(self.reset));
        headers.insert("x-ratelimit-resource", HeaderValue::from_static("core"));
        answer
    }

    /// The window in the form of `GET /rate_limit`.
    pub(crate) fn shown(self) -> Value {
        json!({
            "limit": self.limit, "remaining": self.limit.saturating_sub(self.used), "reset": self.reset,
            "used": self.used.min(self.limit), "resource": "core",
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
