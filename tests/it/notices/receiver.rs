//! A receiver of webhooks that answers as a test says.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::post,
};

/// A request that arrived.
#[derive(Debug, Clone)]
pub(super) struct Arrived {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Arrived {
    pub(super) fn header(&self, name: &str) -> String {
        self.headers[name].to_str().unwrap().to_owned()
    }
}

/// What the receiver answers, one after the other; the last one stays.
#[derive(Debug, Clone, Copy)]
pub(super) enum Behaviour {
    Status(u16),
    RetryAfter(u16, u64),
    Redirect,
    Silence,
}

#[derive(Debug, Default)]
struct Log {
    behaviours: Vec<Behaviour>,
    arrived: Vec<Arrived>,
}

/// A listening receiver.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    pub(super) url: String,
    log: Arc<Mutex<Log>>,
}

impl Receiver {
    pub(super) async fn start(behaviours: &[Behaviour]) -> Self {
        let log = Arc::new(Mutex::new(Log { behaviours: behaviours.to_vec(), arrived: Vec::new() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/hook", post(receive))
            .route("/elsewhere", post(receive))
            .with_state(Arc::clone(&log));
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, log }
    }

    pub(super) fn arrived(&self) -> Vec<Arrived> {
        self.log.lock().unwrap().arrived.clone()
    }
}

async fn receive(State(log): State<Arc<Mutex<Log>>>, headers: HeaderMap, body: Bytes) -> Response {
    let behaviour = {
        let mut log = log.lock().unwrap();
        log.arrived.push(Arrived { headers, body });
        if log.behaviours.len() > 1 { log.behaviours.remove(0) } else { log.behaviours[0] }
    };
    match behaviour {
        Behaviour::Status(status) => {
            (StatusCode::from_u16(status).unwrap(), "as\r\nthe test says").into_response()
        }
        Behaviour::RetryAfter(status, seconds) => {
            (StatusCode::from_u16(status).unwrap(), [("retry-after", seconds.to_string())]).into_response()
        }
        Behaviour::Redirect => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response(),
        Behaviour::Silence => std::future::pending().await,
    }
}
