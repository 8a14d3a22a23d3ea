//! Webhooks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What became of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Receipt {
    /// In a word.
    pub result: ReceiptResult,
    /// Why, or what was done, in a sentence for people.
    pub reason: String,
}

/// What became of a webhook, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptResult {
    /// It is stored, and the runs that waited for it go on.
    Stored,
    /// Its delivery was stored before; nothing was done again.
    Known,
    /// It changes nothing here.
    Ignored,
    /// What a person asked for by a button of our check run was done.
    Done,
    /// What a person asked for by a button was not done.
    Refused,
}

impl ReceiptResult {
    /// As it is in JSON.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Known => "known",
            Self::Ignored => "ignored",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

impl Receipt {
    /// A receipt.
    #[must_use]
    pub fn new(result: ReceiptResult, reason: impl Into<String>) -> Self {
        Self { result, reason: reason.into() }
    }
}
