//! The name of a git commit.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A full SHA-1 object name: 40 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha(String);

/// Why a text is not a [`Sha`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a commit: 40 lower-case hexadecimal digits are needed")]
pub struct NotASha(String);

impl Sha {
    /// All 40 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, as people quote a commit.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl FromStr for Sha {
    type Err = NotASha;

    fn from_str(text: &str) -> Result<Self, NotASha> {
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits && text.len() == 40 {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotASha(text.chars().take(60).collect()))
        }
    }
}

impl TryFrom<String> for Sha {
    type Error = NotASha;

    fn try_from(text: String) -> Result<Self, NotASha> {
        text.parse()
    }
}

impl From<Sha> for String {
    fn from(sha: Sha) -> Self {
        sha.0
    }
}

impl fmt::Display for Sha {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sha_is_forty_lower_case_digits() {
        let whole = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(whole.parse::<Sha>().map(|sha| sha.short().to_owned()), Ok("0123456".to_owned()));
        for wrong in ["", "abc123", &whole.to_uppercase(), &format!("{whole}0"), &whole.replace('0', "g")] {
            assert!(wrong.parse::<Sha>().is_err(), "{wrong}");
        }
    }
}
