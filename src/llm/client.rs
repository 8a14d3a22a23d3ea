//! One call of the model: one HTTP request, streamed, with a limit on everything that could grow.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_openai::{
    Client,
    config::OpenAIConfig,
    error::OpenAIError,
    middleware::HttpRequestFactory,
    types::chat::{
        ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
        ChatCompletionRequestSystemMessage, ChatCompletionRequestUserMessage, ChatCompletionResponseStream,
        ChatCompletionStreamOptions, CreateChatCompletionRequest, CreateChatCompletionStreamResponse,
        FinishReason, ResponseFormat, ResponseFormatJsonSchema,
    },
};
use futures::{StreamExt, TryStreamExt};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::{BadConfig, Config, Error, Message, Prompt, Role, Throttle, error::said, throttle};
use crate::core::{
    budget::{Amount, Estimate, Price},
    rate::Observed,
};

/// The longest answer that is read, in bytes of its text.
pub const REPLY_LIMIT: usize = 4 * 1024 * 1024;
/// The most bytes read off the wire; each piece of an answer travels in some 250 bytes of JSON.
const WIRE_LIMIT: usize = 16 * REPLY_LIMIT;
/// The most bytes of one line of the stream, which is held whole until it ends.
const LINE_LIMIT: usize = REPLY_LIMIT / 2;
/// The most tokens that an answer is taken to have, thinking included, where no limit is set.
pub const ASSUMED_OUTPUT: u32 = 32_768;
/// The most bytes read of an error's body.
const ERROR_LIMIT: usize = 16 * 1024;

/// A model that can be asked; cheap to clone.
#[derive(Clone)]
pub struct Model {
    http: reqwest::Client,
    client: Client<OpenAIConfig>,
    config: Config,
    throttle: Option<Arc<dyn Throttle>>,
}

/// What a model answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The whole text; not blank.
    pub text: String,
    /// What it used.
    pub usage: Usage,
    /// The model as the server names it, which may be more precise than what was asked for.
    pub model: String,
    /// Why it ended: `stop`.
    pub finish_reason: String,
    /// The server's name of the answer, for questions to its operator.
    pub id: String,
}

/// Tokens used by one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer, thinking included.
    pub output_tokens: u64,
    /// The server gave no numbers: these are one token for four bytes.
    #[serde(default)]
    pub estimated: bool,
}

impl Usage {
    /// The cost in micro-dollars, rounded up; prices in micro-dollars per million tokens.
    #[must_use]
    pub fn micro_dollars(self, input_price: u64, output_price: u64) -> u64 {
        Price { input: input_price, output: output_price }.of(self.input_tokens, self.output_tokens)
    }

    /// Tokens read and written together.
    #[must_use]
    pub const fn tokens(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

impl Model {
    /// A client for this configuration; nothing is sent yet.
    ///
    /// # Errors
    /// [`BadConfig`] when the address or the key cannot be used.
    pub fn new(config: Config) -> Result<Self, BadConfig> {
        let url = config.checked()?;
        let is_local = match url.host() {
            Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
            Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        // No redirect and no second try: one call is one request, as the ledger of calls says.
        let http = reqwest::Client::builder()
            .connect_timeout(config.timeouts.connect)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        let http = if is_local { http.no_proxy() } else { http };
        let http = http.build().map_err(|error| BadConfig::Http(error.to_string()))?;
        let openai = OpenAIConfig::new()
            .with_api_base(config.base_url.trim_end_matches('/'))
            .with_api_key(config.api_key.expose_secret());
        let client = Client::build(http.clone(), openai);
        Ok(Self { http, client, config, throttle: None })
    }

    /// The same, but every call passes this throttle first.
    #[must_use]
    pub fn behind(self, throttle: Arc<dyn Throttle>) -> Self {
        Self { throttle: Some(throttle), ..self }
    }

    /// The configuration it was made with.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The most that asking this can use.
    #[must_use]
    pub fn estimate(&self, prompt: &Prompt) -> Estimate {
        let schema = prompt.json_schema.as_ref().map_or(0, |schema| schema.schema.to_string().len());
        let most_output = u64::from(self.config.most_output.unwrap_or(ASSUMED_OUTPUT));
        let price = self.config.prices.map(|prices| Price { input: prices.input, output: prices.output });
        Estimate::of_call(prompt.size() + schema, prompt.messages.len(), most_output, price)
    }

    /// What was used, in tokens and, where prices are set, in money.
    #[must_use]
    pub fn amount(&self, usage: Usage) -> Amount {
        let cost = self.config.prices.map(|prices| usage.micro_dollars(prices.input, prices.output));
        Amount { tokens: usage.tokens(), micro_dollars: cost.unwrap_or(0) }
    }

    /// Asks once and waits for the whole answer.
    ///
    /// # Errors
    /// [`Error`], sorted by what to do next; a failed call is never tried again here.
    pub async fn ask(&self, prompt: &Prompt) -> Result<Reply, Error> {
        if let Some(throttle) = &self.throttle {
            let tokens = u32::try_from(estimate(prompt, "").input_tokens).unwrap_or(u32::MAX);
            throttle.pass(self.config.model_for(prompt.task), tokens).await.map_err(Error::Held)?;
        }
        let total = self.config.timeouts.total;
        let asked = timeout(total, self.ask_without_end(prompt)).await;
        let answered = asked.unwrap_or_else(|_| Err(gave_up("the whole answer", total)));
        answered.map_err(|error| self.redacted(error))
    }

    async fn ask_without_end(&self, prompt: &Prompt) -> Result<Reply, Error> {
        let is_over = Arc::new(AtomicBool::new(false));
        let asked = self.ask_bounded(prompt, &is_over).await;
        // The limit breaks the stream, and the client does not say for which reason a stream broke.
        if is_over.load(Ordering::Relaxed) { Err(Error::Oversize) } else { asked }
    }

    async fn ask_bounded(&self, prompt: &Prompt, is_over: &Arc<AtomicBool>) -> Result<Reply, Error> {
        let idle = self.config.timeouts.idle;
        let model = self.config.model_for(prompt.task).to_owned();
        let request = request(prompt, &model, self.config.most_output);
        let (http, throttle, is_over) = (self.http.clone(), self.throttle.clone(), Arc::clone(is_over));
        // The client's own service retries 429 and 5xx by itself; ours sends once.
        let service = tower::service_fn(move |request| {
            let (http, is_over) = (http.clone(), Arc::clone(&is_over));
            let (throttle, model) = (throttle.clone(), model.clone());
            async move {
                let (answer, observed) = send_once(http, request, is_over).await?;
                if let Some(throttle) = throttle {
                    throttle.observe(&model, observed).await;
                }
                answer.map_err(|error| OpenAIError::Boxed(Box::new(error)))
            }
        });
        let client = self.client.clone().with_http_service(service);
        let opened = timeout(idle, client.chat().create_stream(request)).await;
        let stream = opened.map_err(|_| gave_up("the answer's start", idle))?.map_err(sorted)?;
        collect(stream, idle).await?.finish(prompt)
    }

    /// Some servers quote the key that they reject.
    fn redacted(&self, error: Error) -> Error {
        let key = self.config.api_key.expose_secret();
        let hide = |text: String| if key.is_empty() { text } else { text.replace(key, "***") };
        match error {
            Error::Transient { retry_after, message, maybe_paid } => {
                Error::Transient { retry_after, message: hide(message), maybe_paid }
            }
            Error::Auth(message) => Error::Auth(hide(message)),
            Error::Rejected(message) => Error::Rejected(hide(message)),
            Error::Refused(message, usage) => Error::Refused(hide(message), usage),
            Error::Held(_) | Error::TooLong(_) | Error::Empty(_) | Error::Oversize => error,
        }
    }
}

/// The pieces of an answer, put together.
#[derive(Default)]
struct Pieces {
    text: String,
    refusal: String,
    usage: Option<Usage>,
    model: String,
    id: String,
    finish: Option<FinishReason>,
}

async fn collect(mut stream: ChatCompletionResponseStream, idle: Duration) -> Result<Pieces, Error> {
    let mut pieces = Pieces::default();
    loop {
        let next = timeout(idle, stream.next()).await;
        match next.map_err(|_| gave_up("the next piece of the answer", idle))? {
            Some(chunk) => pieces.add(chunk.map_err(sorted)?)?,
            None => return Ok(pieces),
        }
    }
}

impl Pieces {
    fn add(&mut self, chunk: CreateChatCompletionStreamResponse) -> Result<(), Error> {
        if self.id.is_empty() {
            (self.id, self.model) = (chunk.id, chunk.model);
        }
        if let Some(usage) = chunk.usage {
            self.usage = Some(Usage {
                input_tokens: usage.prompt_tokens.into(),
                output_tokens: usage.completion_tokens.into(),
                estimated: false,
            });
        }
        for choice in chunk.choices.into_iter().filter(|choice| choice.index == 0) {
            self.text.push_str(choice.delta.content.as_deref().unwrap_or_default());
            self.refusal.push_str(choice.delta.refusal.as_deref().unwrap_or_default());
            self.finish = choice.finish_reason.or(self.finish);
        }
        if self.text.len() + self.refusal.len() > REPLY_LIMIT { Err(Error::Oversize) } else { Ok(()) }
    }

    fn finish(self, prompt: &Prompt) -> Result<Reply, Error> {
        let Some(finish) = self.finish else {
            return Err(Error::transient("the answer ends in its middle"));
        };
        let usage = self.usage.unwrap_or_else(|| estimate(prompt, &self.text));
        if !self.refusal.is_empty() {
            return Err(Error::Refused(self.refusal.chars().take(500).collect(), usage));
        }
        match finish {
            FinishReason::Length => Err(Error::TooLong(usage)),
            FinishReason::ContentFilter => {
                Err(Error::Refused("its content filter stepped in".to_owned(), usage))
            }
            FinishReason::ToolCalls | FinishReason::FunctionCall => {
                Err(Error::Refused("it called a tool, and has none".to_owned(), usage))
            }
            FinishReason::Stop if self.text.trim().is_empty() => Err(Error::Empty(usage)),
            FinishReason::Stop => {
                let (text, model, id) = (self.text, self.model, self.id);
                Ok(Reply { text, usage, model, finish_reason: "stop".to_owned(), id })
            }
        }
    }
}

fn estimate(prompt: &Prompt, text: &str) -> Usage {
    let tokens = |bytes: usize| u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX);
    Usage { input_tokens: tokens(prompt.size()), output_tokens: tokens(text.len()), estimated: true }
}

fn request(prompt: &Prompt, model: &str, most_output: Option<u32>) -> CreateChatCompletionRequest {
    let response_format = prompt.json_schema.as_ref().map(|schema| ResponseFormat::JsonSchema {
        json_schema: ResponseFormatJsonSchema {
            description: None,
            name: schema.name.clone(),
            schema: schema.schema.clone(),
            strict: Some(true),
        },
    });
    CreateChatCompletionRequest {
        messages: prompt.messages.iter().map(message).collect(),
        model: model.to_owned(),
        response_format,
        max_completion_tokens: most_output,
        stream: Some(true),
        stream_options: Some(ChatCompletionStreamOptions {
            include_usage: Some(true),
            include_obfuscation: None,
        }),
        ..CreateChatCompletionRequest::default()
    }
}

fn message(message: &Message) -> ChatCompletionRequestMessage {
    let content = message.content.as_str();
    match message.role {
        Role::System => ChatCompletionRequestSystemMessage::from(content).into(),
        Role::User => ChatCompletionRequestUserMessage::from(content).into(),
        Role::Assistant => ChatCompletionRequestAssistantMessage::from(content).into(),
    }
}

/// Sends one request, turns every answer but success into our own error, and bounds what is read. Beside
/// it stands what the answer says of limits.
async fn send_once(
    http: reqwest::Client,
    request: HttpRequestFactory,
    is_over: Arc<AtomicBool>,
) -> Result<(Result<reqwest::Response, Error>, Observed), OpenAIError> {
    let response = http.execute(request.build().await?).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    if status.is_success() {
        return Ok((Ok(bounded(response, is_over)), throttle::observed(status, &headers, None)));
    }
    let body = beginning(response).await;
    let error = Error::from_http(status, &headers, &body, chrono::Utc::now());
    let observed = throttle::observed(status, &headers, Some(&error));
    Ok((Err(error), observed))
}

/// The same answer, broken off at [`WIRE_LIMIT`] and [`LINE_LIMIT`]: a stream or a line without end
/// would fill the memory.
fn bounded(response: reqwest::Response, is_over: Arc<AtomicBool>) -> reqwest::Response {
    let (status, headers) = (response.status(), response.headers().clone());
    let (mut read, mut line) = (0, 0);
    let body = response.bytes_stream().map_err(std::io::Error::other).and_then(move |bytes| {
        read += bytes.len();
        line = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => bytes.len() - end - 1,
            None => line + bytes.len(),
        };
        let fits = read <= WIRE_LIMIT && line <= LINE_LIMIT;
        is_over.fetch_or(!fits, Ordering::Relaxed);
        futures::future::ready(if fits { Ok(bytes) } else { Err(std::io::Error::other("over the limit")) })
    });
    let mut bounded = http::Response::new(reqwest::Body::wrap_stream(body));
    *bounded.status_mut() = status;
    *bounded.headers_mut() = headers;
    bounded.into()
}

async fn beginning(response: reqwest::Response) -> String {
    let mut stream = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(Ok(bytes)) = stream.next().await {
        body.extend_from_slice(&bytes);
        if body.len() >= ERROR_LIMIT {
            body.truncate(ERROR_LIMIT);
            break;
        }
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// The client's errors as ours.
fn sorted(error: OpenAIError) -> Error {
    match error {
        OpenAIError::Boxed(error) => match error.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => Error::transient(other.to_string()),
        },
        OpenAIError::Reqwest(error) if error.is_connect() || error.is_builder() => {
            Error::unsent(with_causes(&error))
        }
        OpenAIError::Reqwest(error) => Error::transient(with_causes(&error)),
        OpenAIError::JSONDeserialize(_, content) => {
            Error::transient(format!("a piece of the answer is unreadable: {}", said(&content).0))
        }
        OpenAIError::StreamError(error) => Error::transient(error.to_string()),
        OpenAIError::InvalidArgument(message) => Error::Rejected(message),
        OpenAIError::ApiError(error) => Error::Rejected(error.to_string()),
        OpenAIError::FileSaveError(message) | OpenAIError::FileReadError(message) => Error::Rejected(message),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

fn gave_up(what: &str, after: Duration) -> Error {
    Error::transient(format!("{what} did not come within {after:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_limited_only_if_somebody_said_so() {
        let prompt = Prompt { task: super::super::Task::Review, messages: vec![], json_schema: None };
        let sent = |most| serde_json::to_value(request(&prompt, "m", most)).unwrap();
        assert_eq!(sent(Some(4_096))["max_completion_tokens"], 4_096);
        assert!(sent(None).get("max_completion_tokens").is_none());
        let mut config = Config::new("http://127.0.0.1:1/v1", "k".into(), "m");
        let tokens = |config: &Config| Model::new(config.clone()).unwrap().estimate(&prompt).tokens;
        let assumed = tokens(&config);
        config.most_output = Some(4_096);
        assert_eq!(assumed - tokens(&config), u64::from(ASSUMED_OUTPUT) - 4_096);
    }

    #[test]
    fn a_call_costs_what_its_tokens_cost_rounded_up() {
        let usage = Usage { input_tokens: 1_000, output_tokens: 10, estimated: false };
        assert_eq!(usage.micro_dollars(2_500_000, 10_000_000), 2_600);
        assert_eq!(Usage { input_tokens: 1, ..Usage::default() }.micro_dollars(1, 0), 1);
        assert_eq!(Usage::default().micro_dollars(u64::MAX, u64::MAX), 0);
        let all = Usage { input_tokens: u64::MAX, output_tokens: u64::MAX, estimated: false };
        assert_eq!(all.micro_dollars(u64::MAX, u64::MAX), u64::MAX);
    }
}
