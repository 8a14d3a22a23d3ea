//! The primary rate limit, on demand: a number of calls in a window, reported in the headers of each answer.

use std::sync::{Mutex, PoisonError};

use axum::response::Response;
use chrono::Utc;
use http::HeaderValue;

/// The limit in force. Without one the twin sends no rate limit headers, like a GitHub Enterprise Server whose
/// limits are switched off.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    window: Mutex<Option<Window>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    limit: u64,
    used: u64,
    /// Seconds since 1970.
    reset: i64,
}

impl Quota {
    /// Allows `limit` calls within the next `seconds`, or any number.
    pub(crate) fn set(&self, limit: Option<(u64, i64)>) {
        let window = limit.map(|(limit, seconds)| Window {
            limit,
            used: 0,
            reset: Utc::now().timestamp().saturating_add(seconds),
        });
        *self.window.lock().unwrap_or_else(PoisonError::into_inner) = window;
    }

    /// Counts a call; the window after it, if there is one.
    pub(crate) fn spend(&self) -> Option<Window> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.take_if(|window| window.reset <= Utc::now().timestamp());
        let window = window.as_mut()?;
        window.used += 1;
        Some(*window)
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
}
