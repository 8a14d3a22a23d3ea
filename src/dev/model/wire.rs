//! OpenAI's chat completions on the wire: what is read of a request, and the shapes of answers.

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

use super::MODEL;
use crate::llm::Task;

/// The fewest characters of an answer that one event of a stream carries.
const PIECE: usize = 64;
/// The most events of a stream, about.
const PIECES: usize = 512;
/// A moment in the past, so that equal questions get equal answers to the byte.
const CREATED: u32 = 1_767_225_600;

/// What is read of a request; everything else in it is let be.
#[derive(Deserialize)]
pub(super) struct Asked {
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

/// What a request gets.
pub(super) enum Reply {
    Answer { text: String, ending: Ending },
    Refusal(String),
    Raw(String),
    Error { status: u16, code: &'static str, message: String, retry_after: Option<u64> },
}

/// How an answer ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// In full.
    Stop,
    /// In its middle, at the limit of tokens.
    Length,
    /// In its middle, with the connection.
    Cut,
}

impl Asked {
    /// All messages' texts, one after another.
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

    pub(super) fn into_response(self, asked: Option<&Asked>) -> Response {
        match self {
            Self::Error { status, code, message, retry_after } => error(status, code, &message, retry_after),
            Self::Raw(text) => ([(CONTENT_TYPE, "text/event-stream")], text).into_response(),
            Self::Answer { text, ending } => respond(asked, &json!({"content": text}), &text, ending),
            Self::Refusal(text) => respond(asked, &json!({"refusal": text}), &text, Ending::Stop),
        }
    }
}

/// The list of models: one.
pub(super) fn models() -> Response {
    let model = json!({"id": MODEL, "object": "model", "created": CREATED, "owned_by": "aspora"});
    Json(json!({"object": "list", "data": [model]})).into_response()
}

fn respond(asked: Option<&Asked>, said: &Value, text: &str, ending: Ending) -> Response {
    let prompt = asked.map(Asked::text).unwrap_or_default();
    let usage = usage(&prompt, text);
    match asked {
        Some(asked) if asked.stream => {
            let field = if said.get("refusal").is_some() { "refusal" } else { "content" };
            streamed(field, text, ending, asked.wants_usage().then_some(usage))
        }
        _ => whole(said, ending, &usage),
    }
}

fn whole(said: &Value, ending: Ending, usage: &Value) -> Response {
    let mut message = json!({"role": "assistant", "content": null, "refusal": null});
    for (field, text) in said.as_object().into_iter().flatten() {
        message[field] = text.clone();
    }
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish(ending)});
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
    for piece in letters.chunks(PIECE.max(letters.len() / PIECES)) {
        events.push(event(&json!({field: piece.iter().collect::<String>()}), None));
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

/// A body whose connection breaks after these pieces.
fn breaking(content_type: &'static str, pieces: Vec<Bytes>) -> Response {
    let broken = Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "cut on demand"));
    let body = Body::from_stream(stream::iter(pieces.into_iter().map(Ok).chain([broken])));
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

/// One token for four characters, which is about right for English and code.
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

/// A message's content is a text, or a list of parts of which some are text.
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
