//! What a reviewer remarks, and how bad it is whatever the reviewer calls it.

use crate::finding::{Finding, Severity};

/// Words of a vulnerability, in lower case. The finding is acted on, whichever reviewer writes them.
const VULNERABILITY: [&str; 22] = [
    "vulnerab",
    "exploit",
    "injection",
    "cross-site",
    "xss",
    "csrf",
    "ssrf",
    "remote code execution",
    "arbitrary code",
    "path traversal",
    "directory traversal",
    "privilege escalation",
    "authentication bypass",
    "bypasses authentication",
    "bypass authorization",
    "hardcoded secret",
    "hardcoded credential",
    "hard-coded credential",
    "leaks the secret",
    "unsafe deserialization",
    "insecure deserialization",
    "cve-",
];
/// Words of low confidence, in lower case: a person or an agent has to look.
const LOW_CONFIDENCE: [&str; 10] = [
    "low confidence",
    "not confident",
    "low-confidence",
    "not certain",
    "i'm not sure",
    "i am not sure",
    "cannot verify",
    "could not verify",
    "can't verify",
    "unable to verify",
];

/// One thing that a reviewer remarks, before it is a finding at a line of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// How bad it is.
    pub severity: Severity,
    /// The file; empty where it names none.
    pub path: String,
    /// The line on the head, from 1.
    pub line: Option<u32>,
    /// What is wrong, for people.
    pub message: String,
}

impl Remark {
    /// A remark about the whole change.
    pub(super) fn overall(severity: Severity, message: String) -> Self {
        Self { severity, path: String::new(), line: None, message }
    }

    /// The finding, by this reviewer; `code` is the line that it points at.
    #[must_use]
    pub fn finding(&self, by: &str, is_advisory: bool, code: &str) -> Finding {
        let finding = Finding::new(self.severity, &self.path, self.line, &self.message, code);
        let advisory = is_advisory && !speaks_of_a_vulnerability(&self.message);
        raised(Finding { source: Some(by.to_owned()), advisory, ..finding })
    }
}

/// The finding, actionable if its words speak of a vulnerability or of low confidence, whichever reviewer wrote them.
#[must_use]
pub fn raised(finding: Finding) -> Finding {
    let message = super::text::plain(&finding.message);
    let doubts = LOW_CONFIDENCE.iter().any(|words| message.contains(words));
    let severity = match finding.severity {
        Severity::Info | Severity::Low if doubts || speaks_of_a_vulnerability(&message) => Severity::Medium,
        severity => severity,
    };
    Finding { severity, ..finding }
}

fn speaks_of_a_vulnerability(message: &str) -> bool {
    let message = super::text::plain(message);
    VULNERABILITY.iter().any(|words| message.contains(words))
}
