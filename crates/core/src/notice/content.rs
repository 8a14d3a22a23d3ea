//! What a message says.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::NoticeKind;
use crate::{policy::Tier, visible::without_invisible, words::one_line};

/// What a notice says, as it is stored: every attempt at a delivery says the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// What it is about; `None` for one that only tries a subscription.
    pub kind: Option<NoticeKind>,
    /// Since when it is so.
    pub at: DateTime<Utc>,
    /// The requirement's title. It is foreign text, as is the sentence.
    pub title: String,
    /// The product.
    pub product: String,
    /// Why the run stands where it does, in the sentence that its page shows.
    pub sentence: String,
    /// What the reader can do about it.
    pub advice: String,
    /// The run.
    pub run: Option<Uuid>,
    /// The requirement.
    pub requirement: Option<Uuid>,
    /// The repository, `owner/name`.
    pub repository: Option<String>,
    /// The pull request's number.
    pub pull: Option<u64>,
    /// The tier of the change at its last assessment.
    pub tier: Option<Tier>,
}

impl Content {
    /// What tries a subscription of products: it is about no run.
    #[must_use]
    pub fn trial(by: &str, at: DateTime<Utc>) -> Self {
        Self {
            kind: None,
            at,
            title: "Notifications arrive here".to_owned(),
            product: String::new(),
            sentence: format!("{by} tried this subscription."),
            advice: "There is nothing to do.".to_owned(),
            run: None,
            requirement: None,
            repository: None,
            pull: None,
            tier: None,
        }
    }

    /// The name of the message's type, as programs read it.
    #[must_use]
    pub fn message_type(&self) -> String {
        match self.kind {
            None => "subscription.test".to_owned(),
            Some(NoticeKind::Proposal) => "proposal.filed".to_owned(),
            Some(kind) => format!("run.{kind}"),
        }
    }

    /// The message in one line without control characters, such as `Needs you: Add a risk checker`.
    #[must_use]
    pub fn headline(&self) -> String {
        let title = one_line(&without_invisible(&self.title));
        self.kind.map_or_else(|| format!("Test: {title}"), |kind| format!("{}: {title}", kind.in_words()))
    }

    /// The sentence in one line without control characters.
    #[must_use]
    pub fn line(&self) -> String {
        one_line(&without_invisible(&self.sentence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_break_a_line_or_turn_it_around() {
        let at = DateTime::UNIX_EPOCH;
        let content = Content {
            kind: Some(NoticeKind::Merged),
            title: "a\r\nBcc: x@y\u{202e}z\u{1b}[1m".to_owned(),
            sentence: "b\nc\u{0}".to_owned(),
            ..Content::trial("ada", at)
        };
        assert_eq!(content.headline(), "Merged: a Bcc: x@yz[1m");
        assert_eq!(content.line(), "b c");
        assert_eq!(content.message_type(), "run.merged");
        assert_eq!(Content::trial("ada", at).message_type(), "subscription.test");
    }
}
