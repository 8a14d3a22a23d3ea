//! A note of a product's people, which the prompts of the product show as data.

use std::{fmt, str::FromStr};

use crate::{requirement::Invalid, visible::without_invisible};

/// The most characters of a note: notes come on top of everything else that a prompt says, so that each is short.
pub const NOTE_LIMIT: usize = 400;
/// The most notes that a prompt shows, the newest: what is said in more than ten is read by nobody.
pub const MOST_NOTES: usize = 10;

/// A note: 1 to 400 characters, in one line, all of them visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note(String);

impl Note {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Note {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = |message: String| Invalid { field: "text", message };
        let text = text.trim();
        if text.is_empty() {
            return Err(wrong("is empty; say what changes".to_owned()));
        }
        let length = text.chars().count();
        if length > NOTE_LIMIT {
            return Err(wrong(format!("has {length} characters; the limit is {NOTE_LIMIT}")));
        }
        if text.chars().any(char::is_control) || without_invisible(text) != text {
            return Err(wrong(
                "holds a control character or one that nobody sees; write it in one line".to_owned(),
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
