//! The client of a model: one call is one HTTP request, streamed and bounded.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_openai::{
    Client,
    config::OpenAIConfig,
    error::OpenAIError,
    types::chat::{
        ChatCompletionRequestAssistantMessage, ChatCompletionRequestMessage,
        ChatCompletionRequestSystemMessage, ChatCompletionRequestUserMessage, ChatCompletionStreamOptions,
        CreateChatCompletionRequest, ResponseFormat, ResponseFormatJsonSchema,
    },
};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use super::{
    BadConfig, Config, Error, Message, Prompt, Reply, Role, Sign, Throttle, Usage, stream::collect,
    transport::send_once,
};
use crate::core::{
    budget::{Amount, Estimate, Price},
    outage::{FIRST_PROBE, Outage, Pass},
};

/// The most tokens that an answer is assumed to have, reasoning included, where no limit is set.
pub const ASSUMED_OUTPUT: u32 = 32_768;

/// A client of a model; cheap to clone.
#[derive(Clone)]
pub struct Model {
    http: reqwest::Client,
    client: Client<OpenAIConfig>,
    config: Config,
    throttle: Option<Arc<dyn Throttle>>,
}

impl Model {
    /// A client for this configuration. Sends nothing.
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
        // No redirect and no retry: one call is one request, as the ledger assumes.
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

    /// The same client, with this throttle asked before every call.
    #[must_use]
    pub fn behind(self, throttle: Arc<dyn Throttle>) -> Self {
        Self { throttle: Some(throttle), ..self }
    }

    /// The configuration of this client.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The most that this prompt can use.
    #[must_use]
    pub fn estimate(&self, prompt: &Prompt) -> Estimate {
        let schema = prompt.json_schema.as_ref().map_or(0, |schema| schema.schema.to_string().len());
        let most_output = u64::from(self.config.most_output.unwrap_or(ASSUMED_OUTPUT));
        let price = self.config.prices.map(|prices| Price { input: prices.input, output: prices.output });
        Estimate::of_call(prompt.size() + schema, prompt.messages.len(), most_output, price)
    }

    /// What was used, in tokens and, where prices are set, in micro-dollars.
    #[must_use]
    pub fn amount(&self, usage: Usage) -> Amount {
        let cost = self.config.prices.map(|prices| usage.micro_dollars(prices.input, prices.output));
        Amount { tokens: usage.tokens(), micro_dollars: cost.unwrap_or(0) }
    }

    /// Sends the prompt once and waits for the complete answer.
    ///
    /// # Errors
    /// [`Error`]; a failed call is not retried here.
    pub async fn ask(&self, prompt: &Prompt) -> Result<Reply, Error> {
        let model = self.config.model_for(prompt.task);
        let pass = match &self.throttle {
            Some(throttle) => {
                let tokens = u32::try_from(Usage::estimate(prompt, "").input_tokens).unwrap_or(u32::MAX);
                throttle.pass(model, tokens).await.map_err(Error::Held)?
            }
            None => Pass::default(),
        };
        let total = self.config.timeouts.total;
        let asked = timeout(total, self.ask_bounded(prompt, pass)).await;
        let answered = asked.unwrap_or_else(|_| Err(Error::timed_out("the complete answer", total)));
        self.ended(model, pass, answered.map_err(|error| self.redacted(error))).await
    }

    /// Reports how a call ended, and learns whether its failure is part of an outage. A call that was turned away for
    /// the server's load says nothing of others, and is waited out like one that fails alone.
    async fn ended(&self, model: &str, pass: Pass, answered: Result<Reply, Error>) -> Result<Reply, Error> {
        let Some(throttle) = &self.throttle else { return answered };
        let failure = match &answered {
            Err(Error::Transient { message, sign: Sign::Outage, .. }) => Some(message.clone()),
            _ => None,
        };
        match (throttle.ended(model, pass, failure).await, answered) {
            (Some(outage), Err(Error::Transient { maybe_paid, .. })) => {
                Err(Error::Down { outage: Box::new(outage), maybe_paid })
            }
            (_, Err(Error::Transient { retry_after, message, maybe_paid, sign: Sign::Load })) => {
                let wait = retry_after.unwrap_or(FIRST_PROBE);
                let outage = Box::new(Outage::of_one_call(throttle.provider(model), wait, message));
                Err(Error::Down { outage, maybe_paid })
            }
            (_, answered) => answered,
        }
    }

    async fn ask_bounded(&self, prompt: &Prompt, pass: Pass) -> Result<Reply, Error> {
        let is_over = Arc::new(AtomicBool::new(false));
        let asked = self.stream(prompt, pass, &is_over).await;
        // A limit breaks the stream, and the client does not say why a stream broke.
        if is_over.load(Ordering::Relaxed) { Err(Error::Oversize) } else { asked }
    }

    async fn stream(&self, prompt: &Prompt, pass: Pass, is_over: &Arc<AtomicBool>) -> Result<Reply, Error> {
        let idle = self.config.timeouts.idle;
        let model = self.config.model_for(prompt.task).to_owned();
        let request = request(prompt, &model, self.config.most_output);
        let (http, throttle, is_over) = (self.http.clone(), self.throttle.clone(), Arc::clone(is_over));
        // The client's own service retries 429 and 5xx; ours sends once.
        let service = tower::service_fn(move |request| {
            let (http, is_over) = (http.clone(), Arc::clone(&is_over));
            let (throttle, model) = (throttle.clone(), model.clone());
            async move {
                let (answer, observed) = send_once(http, request, is_over).await?;
                if let Some(throttle) = throttle {
                    throttle.observe(&model, observed).await;
                    // Others need not wait for the end of a probe's answer, which may take minutes.
                    if pass.probe.is_some() && answer.is_ok() {
                        throttle.ended(&model, pass, None).await;
                    }
                }
                answer.map_err(|error| OpenAIError::Boxed(Box::new(error)))
            }
        });
        let client = self.client.clone().with_http_service(service);
        let opened = timeout(idle, client.chat().create_stream(request)).await;
        let stream =
            opened.map_err(|_| Error::timed_out("the start of the answer", idle))?.map_err(Error::from)?;
        collect(stream, idle).await?.finish(prompt)
    }

    /// The error without the key, which some servers quote when they reject it.
    fn redacted(&self, error: Error) -> Error {
        let key = self.config.api_key.expose_secret();
        let hide = |text: String| if key.is_empty() { text } else { text.replace(key, "***") };
        match error {
            Error::Transient { retry_after, message, maybe_paid, sign } => {
                Error::Transient { retry_after, message: hide(message), maybe_paid, sign }
            }
            Error::Auth(message) => Error::Auth(hide(message)),
            Error::Rejected(message) => Error::Rejected(hide(message)),
            Error::Refused(message, usage) => Error::Refused(hide(message), usage),
            Error::Down { .. } | Error::Held(_) | Error::TooLong(_) | Error::Empty(_) | Error::Oversize => {
                error
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_limited_only_if_a_limit_is_set() {
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
}
