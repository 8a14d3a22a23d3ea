//! A streamed answer, put together from its chunks.

use std::time::Duration;

use async_openai::types::chat::{
    ChatCompletionResponseStream, CreateChatCompletionStreamResponse, FinishReason,
};
use futures::StreamExt as _;
use tokio::time::timeout;

use super::{Error, Prompt, REPLY_LIMIT, Reply, Usage};

/// An answer as far as it has been read.
#[derive(Default)]
pub(super) struct Partial {
    text: String,
    refusal: String,
    usage: Option<Usage>,
    model: String,
    id: String,
    finish: Option<FinishReason>,
}

/// Reads the stream to its end; `idle` is the longest pause between two chunks.
pub(super) async fn collect(
    mut stream: ChatCompletionResponseStream,
    idle: Duration,
) -> Result<Partial, Error> {
    let mut partial = Partial::default();
    loop {
        let next = timeout(idle, stream.next()).await;
        match next.map_err(|_| Error::timed_out("the next chunk of the answer", idle))? {
            Some(chunk) => partial.add(chunk.map_err(Error::from)?)?,
            None => return Ok(partial),
        }
    }
}

impl Partial {
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

    /// The reply, if the answer is complete and can be used.
    pub(super) fn finish(self, prompt: &Prompt) -> Result<Reply, Error> {
        let Some(finish) = self.finish else {
            return Err(Error::transient("the answer ended before its finish reason"));
        };
        let usage = self.usage.unwrap_or_else(|| Usage::estimate(prompt, &self.text));
        if !self.refusal.is_empty() {
            return Err(Error::Refused(self.refusal.chars().take(500).collect(), usage));
        }
        match finish {
            FinishReason::Length => Err(Error::TooLong(usage)),
            FinishReason::ContentFilter => {
                Err(Error::Refused("its content filter stopped the answer".to_owned(), usage))
            }
            FinishReason::ToolCalls | FinishReason::FunctionCall => {
                Err(Error::Refused("it called a tool, but has none".to_owned(), usage))
            }
            FinishReason::Stop if self.text.trim().is_empty() => Err(Error::Empty(usage)),
            FinishReason::Stop => {
                let (text, model, id) = (self.text, self.model, self.id);
                Ok(Reply { text, usage, model, finish_reason: "stop".to_owned(), id })
            }
        }
    }
}
