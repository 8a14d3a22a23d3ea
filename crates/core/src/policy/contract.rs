//! Which policy decides: the one at the base of the pull request, never the head's alone.

use super::{Error, POLICY_PATH, Policy};

/// The policy texts on both sides of a pull request; `None` if the file does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract<'a> {
    /// The text at the base commit, which decides.
    pub base: Option<&'a str>,
    /// The text at the head: if it differs, both apply and the stricter part counts.
    pub head: Option<&'a str>,
}

/// A [`Contract`], parsed.
#[derive(Debug, Clone)]
pub(super) struct Ruling {
    /// The policies that apply together: the base's first, then the head's if it differs.
    pub(super) policies: Vec<Policy>,
    /// Why everything is critical, if a side has no policy.
    pub(super) missing: Option<&'static str>,
}

impl Contract<'_> {
    /// Parses the policies that apply.
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
            (None, _) => Some("the base has no risk policy"),
            (Some(_), None) => Some("the change deletes the risk policy"),
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
