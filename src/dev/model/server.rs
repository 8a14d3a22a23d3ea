//! The server of the scripted model: its requests, its faults, its ledger.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, header::AUTHORIZATION},
    response::Response,
    routing::{get, post},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    script::Script,
    wire::{self, ChatRequest, Reply},
};
use crate::llm::Task;

const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// A running scripted model; it stops when dropped.
pub struct ScriptedModel {
    address: SocketAddr,
    shared: Arc<Shared>,
    _stop: DropGuard,
}

/// How one request fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An HTTP error with this status, and `Retry-After` in seconds if given.
    Status(u16, Option<u64>),
    /// The answer is this text.
    Garbage(String),
    /// The body is this text instead of JSON or a stream.
    Raw(String),
    /// The connection is closed in the middle of the answer.
    Cut,
    /// The answer starts only after this time.
    Slow(Duration),
    /// The answer is cut at the limit of tokens.
    Length,
    /// The model refuses with this message.
    Refusal(String),
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The task in the prompt, if it names one.
    pub task: Option<Task>,
    /// SHA-256 of the request body, in hexadecimal.
    pub digest: String,
    /// When it arrived.
    pub at: SystemTime,
    /// The requested model; empty if the body could not be read.
    pub model: String,
    /// All messages, joined.
    pub prompt: String,
    /// The status of the answer.
    pub status: u16,
}

/// What all requests share.
#[derive(Default)]
struct Shared {
    script: Script,
    key: Option<SecretString>,
    faults: Mutex<VecDeque<Fault>>,
    lasting: Mutex<Option<Fault>>,
    ledger: Mutex<Vec<Entry>>,
}

impl ScriptedModel {
    /// Listens on `address` (port 0: any) and answers from `script`. With a key, every request must carry it.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn start(
        address: SocketAddr,
        script: Script,
        key: Option<SecretString>,
    ) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared { script, key, ..Shared::default() });
        let router = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/v1/models", get(models))
            .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
            .with_state(Arc::clone(&shared));
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("listen on {address} for the model"))?;
        let address = listener.local_addr().context("read the model's address")?;
        let stop = CancellationToken::new();
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!("the scripted model stopped: {error}");
            }
        });
        Ok(Self { address, shared, _stop: stop.drop_guard() })
    }

    /// The base URL, for `OPENAI_BASE_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Queues a fault. Each request with the right key takes the next one.
    pub fn fail_next(&self, fault: Fault) {
        locked(&self.shared.faults).push_back(fault);
    }

    /// Makes every request fail like this that takes no queued fault; `None` ends that.
    pub fn fail_all(&self, fault: Option<Fault>) {
        *locked(&self.shared.lasting) = fault;
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn ledger(&self) -> Vec<Entry> {
        locked(&self.shared.ledger).clone()
    }
}

impl Shared {
    fn is_authorized(&self, headers: &HeaderMap) -> bool {
        let Some(key) = &self.key else { return true };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        given.and_then(|given| given.strip_prefix("Bearer ")) == Some(key.expose_secret())
    }

    fn next_fault(&self) -> Option<Fault> {
        locked(&self.faults).pop_front().or_else(|| locked(&self.lasting).clone())
    }

    fn reply(&self, request: &ChatRequest, fault: Option<Fault>) -> Reply {
        let scripted = || self.scripted(request);
        match fault {
            None | Some(Fault::Slow(_)) => scripted(),
            Some(Fault::Status(status, retry_after)) => Reply::Error {
                status,
                code: "scripted_fault",
                message: "a fault on demand".into(),
                retry_after,
            },
            Some(Fault::Garbage(text)) => Reply::answer(text),
            Some(Fault::Raw(text)) => Reply::Raw(text),
            Some(Fault::Cut) => scripted().cut(),
            Some(Fault::Length) => scripted().at_limit(),
            Some(Fault::Refusal(text)) => Reply::Refusal(text),
        }
    }

    fn scripted(&self, request: &ChatRequest) -> Reply {
        let unknown = |message: String| Reply::error(400, "no_scripted_answer", message);
        let Some(task) = request.task() else {
            return unknown("the first line of the system message is not `Task: <task>`".to_owned());
        };
        match self.script.answer(task, &request.text()) {
            Some(answer) => Reply::answer(answer.to_owned()),
            // A requirement or an incident that the script does not know is declined; any other gap is an error of the script.
            None if matches!(task, Task::Generate | Task::Reproduce) => Reply::answer(
                "=== decline: the scripted model knows only what its script answers; set OPENAI_API_KEY \
                 to ask a real one\n"
                    .to_owned(),
            ),
            None => unknown(format!("the script has no answer to this `{task}`")),
        }
    }
}

async fn complete(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut entry = Entry {
        task: None,
        digest: hex::encode(Sha256::digest(&body)),
        at: SystemTime::now(),
        model: String::new(),
        prompt: String::new(),
        status: 0,
    };
    let request = serde_json::from_slice::<ChatRequest>(&body);
    if let Ok(request) = &request {
        (entry.task, entry.model, entry.prompt) = (request.task(), request.model.clone(), request.text());
    }
    let is_authorized = shared.is_authorized(&headers);
    let fault = if is_authorized { shared.next_fault() } else { None };
    let reply = match &request {
        _ if !is_authorized => unauthorized(),
        Err(error) => Reply::error(400, "invalid_request", format!("the request cannot be read: {error}")),
        Ok(request) => shared.reply(request, fault.clone()),
    };
    entry.status = reply.status();
    locked(&shared.ledger).push(entry);
    if let Some(Fault::Slow(wait)) = fault {
        tokio::time::sleep(wait).await;
    }
    reply.into_response(request.ok().as_ref())
}

async fn models(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    if shared.is_authorized(&headers) { wire::models() } else { unauthorized().into_response(None) }
}

fn unauthorized() -> Reply {
    Reply::error(401, "invalid_api_key", "Incorrect API key provided.".to_owned())
}

/// A poisoned lock is safe to use: both lists are consistent at any time.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
