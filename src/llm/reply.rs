//! The reply of a model and what it used.

use serde::{Deserialize, Serialize};

use super::Prompt;
use crate::core::budget::Price;

/// The longest answer that is accepted, in bytes of its text.
pub const REPLY_LIMIT: usize = 4 * 1024 * 1024;

/// A model's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The whole text; not blank, but where the answer was cut.
    pub text: String,
    /// The tokens used.
    pub usage: Usage,
    /// The model that the server names, which may be more specific than the one requested.
    pub model: String,
    /// Why it ended: `stop`, or `length` where it was cut at the token limit and nothing of it is kept.
    pub finish_reason: String,
    /// The server's id of the answer, to quote to its operator.
    pub id: String,
}

/// Tokens used by one call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: u64,
    /// Tokens of the answer, reasoning included.
    pub output_tokens: u64,
    /// The server reported no usage: one token is assumed for four bytes.
    #[serde(default)]
    pub estimated: bool,
}

/// The finish reason of an answer that was cut at the token limit.
const LENGTH: &str = "length";

impl Reply {
    /// An answer that was cut at the token limit of this model: what it used, and nothing of its text.
    #[must_use]
    pub fn cut(model: &str, usage: Usage) -> Self {
        let (text, id) = (String::new(), String::new());
        Self { text, usage, model: model.to_owned(), finish_reason: LENGTH.to_owned(), id }
    }

    /// Whether it was cut at the token limit.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.finish_reason == LENGTH
    }
}

impl Usage {
    /// The cost in micro-dollars, rounded up; prices in micro-dollars per million tokens.
    #[must_use]
    pub fn micro_dollars(self, input_price: u64, output_price: u64) -> u64 {
        Price { input: input_price, output: output_price }.of(self.input_tokens, self.output_tokens)
    }

    /// Input and output tokens together.
    #[must_use]
    pub const fn tokens(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// One token for four bytes of the prompt and of the answer.
    pub(super) fn estimate(prompt: &Prompt, text: &str) -> Self {
        let tokens = |bytes: usize| u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX);
        Self { input_tokens: tokens(prompt.size()), output_tokens: tokens(text.len()), estimated: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_of_a_call_is_rounded_up() {
        let usage = Usage { input_tokens: 1_000, output_tokens: 10, estimated: false };
        assert_eq!(usage.micro_dollars(2_500_000, 10_000_000), 2_600);
        assert_eq!(Usage { input_tokens: 1, ..Usage::default() }.micro_dollars(1, 0), 1);
        assert_eq!(Usage::default().micro_dollars(u64::MAX, u64::MAX), 0);
        let all = Usage { input_tokens: u64::MAX, output_tokens: u64::MAX, estimated: false };
        assert_eq!(all.micro_dollars(u64::MAX, u64::MAX), u64::MAX);
    }
}
