//! Whether a product judges the pull requests that others open in its repository.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What becomes of a pull request that a person or another program opens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judging {
    /// Nothing: it is none of our business. The default, because a judgement blocks people, and its review costs money.
    #[default]
    Off,
    /// It is judged, and nothing is said of it on the forge: what would have been done is recorded here.
    Shadow,
    /// It is judged, and the verdict is shown as a check and a comment.
    On,
}

/// What is no value of the setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be `off`, `shadow` or `on`")]
pub struct UnknownJudging;

impl Judging {
    /// All values.
    pub const ALL: [Self; 3] = [Self::Off, Self::Shadow, Self::On];

    /// The name in settings, tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::On => "on",
        }
    }
}

impl FromStr for Judging {
    type Err = UnknownJudging;

    fn from_str(text: &str) -> Result<Self, UnknownJudging> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(UnknownJudging)
    }
}

impl fmt::Display for Judging {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_back_and_nothing_else_is_one() {
        for value in Judging::ALL {
            assert_eq!(value.to_string().parse(), Ok(value));
            assert_eq!(serde_json::to_value(value).unwrap(), value.as_str());
        }
        for wrong in ["", "On", "yes", "shadow "] {
            assert_eq!(wrong.parse::<Judging>(), Err(UnknownJudging), "{wrong}");
        }
        assert_eq!(Judging::default(), Judging::Off);
    }
}
