//! Why a person does something to a run, in that person's words.

use std::{fmt, str::FromStr};

use super::requirement::Invalid;

/// The most characters that a reason may have.
pub const LIMIT: usize = 500;

/// A reason: 1 to 500 characters, without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reason {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let wrong = |message: String| Invalid { field: "reason", message };
        let text = text.trim();
        if text.is_empty() {
            return Err(wrong("is empty; say why, for those who read the history".to_owned()));
        }
        let length = text.chars().count();
        if length > LIMIT {
            return Err(wrong(format!("has {length} characters; the limit is {LIMIT}")));
        }
        if text.chars().any(char::is_control) {
            return Err(wrong("holds a control character; write it in one line".to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line_of_at_most_500_characters() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let read = text.parse::<Reason>();
            let read = read.as_ref().map(Reason::as_str).map_err(|invalid| invalid.message.as_str());
            assert_eq!(read, expected, "{text:?}");
        };
        check("  waiting for legal ", Ok("waiting for legal"));
        check(" ", Err("is empty; say why, for those who read the history"));
        check("a\nb", Err("holds a control character; write it in one line"));
        check("a\0b", Err("holds a control character; write it in one line"));
        check(&"ä".repeat(500), Ok(&"ä".repeat(500)));
        check(&"ä".repeat(501), Err("has 501 characters; the limit is 500"));
    }
}
