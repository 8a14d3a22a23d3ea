//! What a review found, and what follows from how severe it is.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How bad a finding is; the order is the order of badness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth doing some day.
    Low,
    /// Sent to remediation, but does not block once no rounds are left.
    Medium,
    /// Blocks the merge.
    High,
    /// Blocks the merge.
    Critical,
}

impl Severity {
    /// Whether it blocks the merge while it is open.
    #[must_use]
    pub const fn blocks(self) -> bool {
        matches!(self, Self::Critical | Self::High)
    }

    /// Whether it is sent to remediation.
    #[must_use]
    pub const fn is_actionable(self) -> bool {
        matches!(self, Self::Critical | Self::High | Self::Medium)
    }

    /// The name for people, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl FromStr for Severity {
    type Err = std::convert::Infallible;

    /// An unknown severity counts as high: an unreadable alarm is still an alarm.
    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word.trim().to_ascii_lowercase().as_str() {
            "info" => Self::Info,
            "low" => Self::Low,
            "medium" => Self::Medium,
            "critical" => Self::Critical,
            _ => Self::High,
        })
    }
}

/// One thing a reviewer found on one head SHA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file it is about, as the reviewer named it.
    pub path: String,
    /// The line on the head, from 1, if the reviewer named one.
    pub line: Option<u32>,
    /// What is wrong, for people.
    pub message: String,
    /// The same finding on a later head has the same fingerprint.
    pub fingerprint: String,
    /// The reviewer that found it, by its name; `None`: the built-in one, where it is the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether it is only shown: an advisory reviewer found it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub advisory: bool,
}

impl Finding {
    /// A finding. Its fingerprint depends on the path, the message and the line of code that it points at, but
    /// not on the line's number, nor on letter case, digits or spacing of the message.
    #[must_use]
    pub fn new(severity: Severity, path: &str, line: Option<u32>, message: &str, code: &str) -> Self {
        let essence: String =
            message.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
        let code: String = code.split_whitespace().collect();
        let digest = Sha256::digest(format!("{path}\0{essence}\0{code}"));
        Self {
            severity,
            path: path.to_owned(),
            line,
            message: message.to_owned(),
            fingerprint: hex::encode(&digest[..8]),
            source: None,
            advisory: false,
        }
    }

    /// Whether it is sent to remediation.
    #[must_use]
    pub const fn is_actionable(&self) -> bool {
        !self.advisory && self.severity.is_actionable()
    }

    /// Whether it blocks the merge while it is open, whatever rounds are left.
    #[must_use]
    pub const fn is_blocking(&self) -> bool {
        !self.advisory && self.severity.blocks()
    }

    /// Whether it holds the merge up while it is open: a blocking one does, and while rounds of remediation
    /// are left any actionable one.
    #[must_use]
    pub const fn holds_merge(&self, rounds_left: u32) -> bool {
        self.is_blocking() || (rounds_left > 0 && self.is_actionable())
    }
}

/// Counts findings for people: "2 actionable (1 blocking)".
#[must_use]
pub fn tally(findings: &[Finding]) -> String {
    let actionable = findings.iter().filter(|finding| finding.is_actionable()).count();
    let blocking = findings.iter().filter(|finding| finding.is_blocking()).count();
    format!("{actionable} actionable ({blocking} blocking)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_severity_counts_as_high() {
        assert_eq!("Blocker!".parse(), Ok(Severity::High));
    }

    #[test]
    fn a_fingerprint_survives_a_moved_line_and_other_numbers() {
        let of = |line, message: &str, code: &str| {
            Finding::new(Severity::High, "a.py", line, message, code).fingerprint
        };
        let first = of(Some(3), "Division by zero at line 3", "  x / y");
        assert_eq!(first, of(Some(9), "division by zero at LINE 9", "x  /  y"));
        assert_ne!(first, of(Some(3), "Division by zero at line 3", "x / z"));
    }

    #[test]
    fn the_tally_counts_actionable_and_blocking_findings() {
        let finding = |severity| Finding::new(severity, "a.py", None, "m", "");
        assert_eq!(
            tally(&[finding(Severity::Critical), finding(Severity::Medium)]),
            "2 actionable (1 blocking)"
        );
        assert_eq!(tally(&[finding(Severity::Low)]), "0 actionable (0 blocking)");
        let advisory = Finding { advisory: true, ..finding(Severity::Critical) };
        assert_eq!((tally(std::slice::from_ref(&advisory)), advisory.holds_merge(3)), (tally(&[]), false));
    }
}
