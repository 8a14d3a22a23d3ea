//! The primary rate limit, on demand: so many calls in a window, told with each answer.

use std::sync::{Mutex, PoisonError};

use axum::response::Response;
use chrono::Utc;
use http::HeaderValue;

/// A budget of calls; without one the twin limits nothing and tells nothing, as a server of somebody's
/// own does whose limits are switched off.
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
    /// Grants `limit` calls within the next `seconds`, or any number.
    pub(crate) fn set(&self, grant: Option<(u64, i64)>) {
        let window = grant.map(|(limit, seconds)| Window {
            limit,
            used: 0,
            reset: Utc::now().timestamp().saturating_add(seconds),
        });
        *self.window.lock().unwrap_or_else(PoisonError::into_inner) = window;
    }

    /// Counts a call; the window as it is afterwards, if there is one.
    pub(crate) fn spend(&self) -> Option<Window> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.take_if(|window| window.reset <= Utc::now().timestamp());
        let window = window.as_mut()?;
        window.used += 1;
        Some(*window)
    }
}

impl Window {
    /// Whether the call that was just counted is one too many.
    pub(crate) const fn is_over(self) -> bool {
        self.used > self.limit
    }

    /// The answer with the headers that tell of the window.
    pub(crate) fn told(self, mut answer: Response) -> Response {
        let headers = answer.headers_mut();
        headers.insert("x-ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("x-ratelimit-remaining", HeaderValue::from(self.limit.saturating_sub(self.used)));
        headers.insert("x-ratelimit-used", HeaderValue::from(self.used.min(self.limit)));
        headers.insert("x-ratelimit-reset", HeaderValue::from(self.reset));
        headers.insert("x-ratelimit-resource", HeaderValue::from_static("core"));
        answer
    }
}
