//! Whose policy decides: the one at the base of the pull request, and never the head's alone.

use super::{Error, POLICY_PATH, Policy};

/// The policy texts on both sides of a pull request; `None` where there is no such file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract<'a> {
    /// The text at the base commit: it decides.
    pub base: Option<&'a str>,
    /// The text at the head: where it differs, both are judged and the stricter part counts.
    pub head: Option<&'a str>,
}

/// A [`Contract`], parsed.
#[derive(Debug, Clone)]
pub(super) struct Ruling {
    /// The policies that are judged together: the base's first, then the head's if it differs.
    pub(super) policies: Vec<Policy>,
    /// Why everything is critical, where a side has no policy.
    pub(super) missing: Option<&'static str>,
}

impl Contract<'_> {
    /// Parses the side or the sides that count.
    ///
    /// # Errors
    /// The [`Error`] of the first side that is not a policy; its message names the side.
    pub(super) fn ruling(&self) -> Result<Ruling, Error> {
        let mut policies = Vec::new();
        if let Some(base) = self.base {
            policies.push(parse("base", base)?);
        }
        if let Some(head) = self.head.filter(|head| Some(*head) != self.base) {
            policies.push(parse("head", head)?);
        }
        let missing = match (self.base, self.head) {
            (None, _) => Some("there is no risk policy at the base"),
            (Some(_), None) => Some("the change takes the risk policy away"),
            (Some(_), Some(_)) => None,
        };
        Ok(Ruling { policies, missing })
    }
}

fn parse(side: &str, text: &str) -> Result<Policy, Error> {
    Policy::parse(text.as_bytes()).map_err(|error| Error {
        message: format!("{} ({POLICY_PATH} at the {side})", error.message),
        ..error
    })
}
