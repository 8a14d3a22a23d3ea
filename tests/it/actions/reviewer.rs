//! A reviewer's API that answers as it is scripted, the last answer for ever.

use std::sync::{Arc, Mutex};

use axum::{Router, http::HeaderMap, response::IntoResponse as _};
use tokio::net::TcpListener;

/// An answer: status, headers and body.
#[derive(Clone)]
pub(crate) struct Answer(
    pub(crate) u16,
    pub(crate) &'static [(&'static str, &'static str)],
    pub(crate) String,
);

/// A running reviewer.
pub(crate) struct Reviewer {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Reviewer {
    pub(crate) async fn start(script: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/v1", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
        let log = Arc::clone(&seen);
        let answer = move |uri: axum::http::Uri, headers: HeaderMap| {
            let mut log = log.lock().unwrap();
            let key = headers.get("authorization").map(|it| it.to_str().unwrap().to_owned());
            let Answer(status, headers, body) = script[log.len().min(script.len() - 1)].clone();
            log.push((uri.to_string(), key.unwrap_or_default()));
            let mut response = body.into_response();
            *response.status_mut() = status.try_into().unwrap();
            for (name, value) in headers {
                response.headers_mut().insert(*name, value.parse().unwrap());
            }
            std::future::ready(response)
        };
        let router = Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen }
    }

    /// Path with query and key of each request.
    pub(crate) fn seen(&self) -> Vec<(String, String)> {
        self.seen.lock().unwrap().clone()
    }
}
