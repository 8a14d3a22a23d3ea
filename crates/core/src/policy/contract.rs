//! Which policy decides: the one at the base of the pull request, never the head's alone.

use super::{DocsRules, Error, POLICY_PATH, Policy};

/// The policy texts on both sides of a pull request; `None` if the file does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract<'a> {
    /// The text at the base commit, which decides.
    pub base: Option<&'a str>,
    /// The text at the head: if the change made it differ, both apply and the stricter part counts.
    pub head: Option<&'a str>,
    /// The texts where the head forked from the base, which show which side changed the policy. If it is
    /// empty, any difference between the sides is taken for a change by the head.
    pub forks: &'a [Option<String>],
}

/// A [`Contract`], parsed.
#[derive(Debug, Clone)]
pub(super) struct Ruling {
    /// The policies that apply together: the base's first, then the head's if the change made it differ.
    pub(super) policies: Vec<Policy>,
    /// Why everything is critical, if a side has no policy.
    pub(super) missing: Option<&'static str>,
    /// Whether the base's policy is another than where the head forked: the branch is judged once it holds it.
    pub(super) moved: bool,
}

/// The files that count as documents.
#[derive(Debug, Clone)]
pub struct Documents(Vec<DocsRules>);

impl Documents {
    /// Whether this path is one.
    #[must_use]
    pub fn contain(&self, path: &str) -> bool {
        self.0.iter().any(|rules| rules.files.is_match(path))
    }
}

/// A side whose policy does not parse.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    pub(super) error: Error,
    /// Whether it is the base's, which the run cannot change but wait for.
    pub(super) at_base: bool,
}

impl Contract<'_> {
    /// Parses the policies that apply.
    ///
    /// # Errors
    /// The first side that is not a policy; the message names the side.
    pub(super) fn ruling(&self) -> Result<Ruling, Broken> {
        let changed = self.is_changed();
        let mut policies = Vec::new();
        if let Some(base) = self.base {
            policies.push(parse("base", base).map_err(|error| Broken { error, at_base: true })?);
        }
        if let Some(head) = self.head.filter(|head| changed && Some(*head) != self.base) {
            policies.push(parse("head", head).map_err(|error| Broken { error, at_base: false })?);
        }
        let missing = match (self.base, self.head) {
            (None, _) => Some("the base has no risk policy"),
            (Some(_), None) if changed => Some("the change deletes the risk policy"),
            (Some(_), _) => None,
        };
        let moved = self.forks.iter().any(|fork| fork.as_deref() != self.base);
        Ok(Ruling { policies, missing, moved })
    }

    /// The documents of the policies that apply; none, where one does not parse.
    #[must_use]
    pub fn documents(&self) -> Documents {
        let policies = self.ruling().map(|ruling| ruling.policies).unwrap_or_default();
        Documents(policies.into_iter().map(|policy| policy.docs).collect())
    }

    /// Whether the head's own commits changed the policy.
    fn is_changed(&self) -> bool {
        match self.forks {
            [] => self.head != self.base,
            forks => forks.iter().any(|fork| fork.as_deref() != self.head),
        }
    }
}

fn parse(side: &str, text: &str) -> Result<Policy, Error> {
    Policy::parse(text.as_bytes()).map_err(|error| Error {
        message: format!("{} ({POLICY_PATH} at the {side})", error.message),
        ..error
    })
}
