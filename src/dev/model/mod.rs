//! The scripted model: a server that speaks OpenAI's chat completions from a script.
//!
//! It is a stand-in and says so. It keeps nothing between requests but a ledger of what it was
//! asked and the faults that a test wants next; the same prompt always gets the same answer.

mod script;
mod wire;

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

use crate::llm::Task;
use wire::{Asked, Reply};

pub use script::{Rule, Script};

/// The name under which the scripted model answers.
pub const MODEL: &str = "scripted";

/// A running scripted model; dropping it ends it.
pub struct ScriptedModel {
    address: SocketAddr,
    desk: Arc<Desk>,
    _until_dropped: DropGuard,
}

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An HTTP error with this status, and `Retry-After` in seconds if given.
    Status(u16, Option<u64>),
    /// The answer is this text.
    Garbage(String),
    /// The body is this text instead of JSON or a stream.
    Raw(String),
    /// The connection breaks in the middle of the answer.
    Cut,
    /// The answer begins only after this time.
    Slow(Duration),
    /// The answer ends in its middle, at the limit of tokens.
    Length,
    /// The model refuses, with these words.
    Refusal(String),
}

/// One request as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The task that the prompt names, if it names one.
    pub task: Option<Task>,
    /// SHA-256 of the request's body, in hexadecimal.
    pub digest: String,
    /// When it came.
    pub at: SystemTime,
    /// The model that was asked for; empty if the body could not be read.
    pub model: String,
    /// All messages, one after another.
    pub prompt: String,
    /// The status it got.
    pub status: u16,
}

#[derive(Default)]
struct Desk {
    script: Script,
    key: Option<SecretString>,
    faults: Mutex<VecDeque<Fault>>,
    ledger: Mutex<Vec<Entry>>,
}

impl ScriptedModel {
    /// Listens on `address` (port 0: any) and answers from `script`; with a key, every request must
    /// bear it.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(
        address: SocketAddr,
        script: Script,
        key: Option<SecretString>,
    ) -> anyhow::Result<Self> {
        let desk = Arc::new(Desk { script, key, ..Desk::default() });
        let router = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/v1/models", get(models))
            .layer(axum::extract::DefaultBodyLimit::max(16 * 1024 * 1024))
            .with_state(Arc::clone(&desk));
        let listener =
            TcpListener::bind(address).await.with_context(|| format!("listen on {address} for the model"))?;
        let address = listener.local_addr().context("read the model's address")?;
        let end = CancellationToken::new();
        let serving = axum::serve(listener, router).with_graceful_shutdown(end.clone().cancelled_owned());
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!("the scripted model ended: {error}");
            }
        });
        Ok(Self { address, desk, _until_dropped: end.drop_guard() })
    }

    /// The base address, to be used as `OPENAI_BASE_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The next request that bears the right key meets this fault; faults queue up.
    pub fn fail_next(&self, fault: Fault) {
        locked(&self.desk.faults).push_back(fault);
    }

    /// Every request so far, in the order of arrival.
    #[must_use]
    pub fn ledger(&self) -> Vec<Entry> {
        locked(&self.desk.ledger).clone()
    }
}

impl Desk {
    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let Some(key) = &self.key else { return true };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        given.and_then(|given| given.strip_prefix("Bearer ")) == Some(key.expose_secret())
    }

    fn reply(&self, asked: &Asked, fault: Option<Fault>) -> Reply {
        let scripted = || self.scripted(asked);
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

    fn scripted(&self, asked: &Asked) -> Reply {
        let unknown = |message: String| Reply::error(400, "no_scripted_answer", message);
        let Some(task) = asked.task() else {
            return unknown("the system message's first line is not `Task: <word>`".to_owned());
        };
        match self.script.answer(task, &asked.text()) {
            Some(answer) => Reply::answer(answer.to_owned()),
            // A product manager's own wish is answered honestly; any other gap is a fault of the script.
            None if task == Task::Generate => Reply::answer(
                "=== decline: the scripted model knows only the requirements of its script; set OPENAI_API_KEY \
                 to ask a real one\n"
                    .to_owned(),
            ),
            None => unknown(format!("the script has no answer to this `{task}`")),
        }
    }
}

async fn complete(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let mut entry = Entry {
        task: None,
        digest: hex::encode(Sha256::digest(&body)),
        at: SystemTime::now(),
        model: String::new(),
        prompt: String::new(),
        status: 0,
    };
    let asked = serde_json::from_slice::<Asked>(&body);
    if let Ok(asked) = &asked {
        (entry.task, entry.model, entry.prompt) = (asked.task(), asked.model.clone(), asked.text());
    }
    let is_let_in = desk.lets_in(&headers);
    let fault = if is_let_in { locked(&desk.faults).pop_front() } else { None };
    let reply = match &asked {
        _ if !is_let_in => no_entry(),
        Err(error) => Reply::error(400, "invalid_request", format!("the request cannot be read: {error}")),
        Ok(asked) => desk.reply(asked, fault.clone()),
    };
    entry.status = reply.status();
    locked(&desk.ledger).push(entry);
    if let Some(Fault::Slow(wait)) = fault {
        tokio::time::sleep(wait).await;
    }
    reply.into_response(asked.ok().as_ref())
}

async fn models(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Response {
    if desk.lets_in(&headers) { wire::models() } else { no_entry().into_response(None) }
}

fn no_entry() -> Reply {
    Reply::error(401, "invalid_api_key", "Incorrect API key provided.".to_owned())
}

/// A test that panicked while it held the lock spoils nothing here: both lists are always whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
