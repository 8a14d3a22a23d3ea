//! OpenAI's chat completions on the wire: the fields of a request that are read, and the shapes of answers.

use axum::{
    Json,
    body::{Body, Bytes},
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use futures::stream;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::llm::Task;

/// The name of the scripted model.
pub const MODEL: &str = "scripted";

/// How many characters one event of a stream carries at least.
const CHUNK: usize = 64;
/// About how many events a stream has at most.
const MOST_CHUNKS: usize = 512;
/// A fixed time, so that equal requests get answers that are equal byte for byte.
const CREATED: u32 = 1_767_225_600;

/// The fields of a request that are read; others are ignored.
#[derive(Deserialize)]
pub(super) struct ChatRequest {
    #[serde(default)]
    pub(super) model: String,
    messages: Vec<Message>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

/// The answer to a request.
pub(super) enum Reply {
    Answer { text: String, ending: Ending },
    Refusal(String),
    Raw(String),
    Error { status: u16, code: &'static str, message: String, retry_after: Option<u64> },
}

/// How an answer ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It is complete.
    Stop,
    /// It is cut at the limit of tokens.
    Length,
    /// The connection is closed in its middle.
    Cut,
}

impl ChatRequest {
    /// The texts of all messages, joined.
    pub(super) fn text(&self) -> String {
        self.messages.iter().map(|message| plain(&message.content)).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn task(&self) -> Option<Task> {
        let system =
            self.messages.iter().find(|message| matches!(message.role.as_str(), "system" | "developer"));
        system.and_then(|message| Task::of(&plain(&message.content)))
    }

    fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }
}

impl Reply {
    pub(super) const fn answer(text: String) -> Self {
        Self::Answer { text, ending: Ending::Stop }
    }

    pub(super) const fn error(status: u16, code: &'static str, message: String) -> Self {
        Self::Error { status, code, message, retry_after: None }
    }

    pub(super) fn cut(self) -> Self {
        self.ending(Ending::Cut)
    }

    pub(super) fn at_limit(self) -> Self {
        self.ending(Ending::Length)
    }

    fn ending(self, ending: Ending) -> Self {
        match self {
            Self::Answer { text, .. } => Self::Answer { text: first_half(&text).to_owned(), ending },
            other @ (Self::Refusal(_) | Self::Raw(_) | Self::Error { .. }) => other,
        }
    }

    pub(super) const fn status(&self) -> u16 {
        match self {
            Self::Answer { .. } | Self::Refusal(_) | Self::Raw(_) => 200,
            Self::Error { status, .. } => *status,
        }
    }

    pub(super) fn into_response(self, request: Option<&ChatRequest>) -> Response {
        match self {
            Self::Error { status, code, message, retry_after } => error(status, code, &message, retry_after),
            Self::Raw(text) => ([(CONTENT_TYPE, "text/event-stream")], text).into_response(),
            Self::Answer { text, ending } => respond(request, &json!({"content": text}), &text, ending),
            Self::Refusal(text) => respond(request, &json!({"refusal": text}), &text, Ending::Stop),
        }
    }
}

/// The list of models, which has one.
pub(super) fn models() -> Response {
    let model = json!({"id": MODEL, "object": "model", "created": CREATED, "owned_by": "aspora"});
    Json(json!({"object": "list", "data": [model]})).into_response()
}

fn respond(request: Option<&ChatRequest>, message: &Value, text: &str, ending: Ending) -> Response {
    let prompt = request.map(ChatRequest::text).unwrap_or_default();
    let usage = usage(&prompt, text);
    match request {
        Some(request) if request.stream => {
            let field = if message.get("refusal").is_some() { "refusal" } else { "content" };
            streamed(field, text, ending, request.wants_usage().then_some(usage))
        }
        _ => whole(message, ending, &usage),
    }
}

fn whole(message: &Value, ending: Ending, usage: &Value) -> Response {
    let mut whole = json!({"role": "assistant", "content": null, "refusal": null});
    for (field, text) in message.as_object().into_iter().flatten() {
        whole[field] = text.clone();
    }
    let choice = json!({"index": 0, "message": whole, "logprobs": null, "finish_reason": finish(ending)});
    let completion = json!({
        "id": "chatcmpl-scripted", "object": "chat.completion", "created": CREATED, "model": MODEL,
        "choices": [choice], "usage": usage,
    });
    if ending != Ending::Cut {
        return Json(completion).into_response();
    }
    let half = Bytes::from(first_half(&completion.to_string()).to_owned());
    breaking(CONTENT_JSON, vec![half])
}

fn streamed(field: &str, text: &str, ending: Ending, usage: Option<Value>) -> Response {
    let mut events = vec![event(&json!({"role": "assistant", "content": ""}), None)];
    let letters: Vec<char> = text.chars().collect();
    for chunk in letters.chunks(CHUNK.max(letters.len() / MOST_CHUNKS)) {
        events.push(event(&json!({field: chunk.iter().collect::<String>()}), None));
    }
    if ending == Ending::Cut {
        return breaking(CONTENT_STREAM, events);
    }
    events.push(event(&json!({}), Some(finish(ending))));
    if let Some(usage) = usage {
        events.push(line(&chunk(&json!([]), &usage)));
    }
    events.push(Bytes::from_static(b"data: [DONE]\n\n"));
    let body = Body::from_stream(stream::iter(events.into_iter().map(Ok::<_, std::io::Error>)));
    ([(CONTENT_TYPE, CONTENT_STREAM)], body).into_response()
}

const CONTENT_JSON: &str = "application/json";
const CONTENT_STREAM: &str = "text/event-stream";

/// A body whose connection breaks after these chunks.
fn breaking(content_type: &'static str, chunks: Vec<Bytes>) -> Response {
    let broken = Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "cut on demand"));
    let body = Body::from_stream(stream::iter(chunks.into_iter().map(Ok).chain([broken])));
    ([(CONTENT_TYPE, content_type)], body).into_response()
}

fn event(delta: &Value, finish: Option<&str>) -> Bytes {
    let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish});
    line(&chunk(&json!([choice]), &Value::Null))
}

fn chunk(choices: &Value, usage: &Value) -> Value {
    json!({
        "id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": CREATED, "model": MODEL,
        "choices": choices, "usage": usage,
    })
}

fn line(chunk: &Value) -> Bytes {
    Bytes::from(format!("data: {chunk}\n\n"))
}

const fn finish(ending: Ending) -> &'static str {
    match ending {
        Ending::Length => "length",
        Ending::Stop | Ending::Cut => "stop",
    }
}

/// Counts one token for four characters, which is about right for English and code.
fn usage(prompt: &str, answer: &str) -> Value {
    let tokens = |text: &str| text.chars().count().div_ceil(4);
    let (input, output) = (tokens(prompt), tokens(answer));
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}

fn error(status: u16, code: &str, message: &str, retry_after: Option<u64>) -> Response {
    let kind = match status {
        401 => "authentication_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(body)).into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The text of a message, whose content is a string or a list of parts.
fn plain(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

fn first_half(text: &str) -> &str {
    &text[..text.floor_char_boundary(text.len() / 2)]
}
