//! What a person says to a set of dependencies: whether it may be installed.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::dependency::DependencyList;

/// What a person says to a set of dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// It may be installed.
    Yes,
    /// It may not: the change has to do without it.
    No,
}

/// A text that is no consent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be `yes` or `no`")]
pub struct UnknownConsent;

/// A set of dependencies that is not installed: nobody has said yes to it, or a person has said no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// What names the set.
    pub digest: String,
    /// What it changes against the base.
    pub list: DependencyList,
    /// Why not.
    pub why: WithheldBecause,
}

/// Why a set of dependencies is not installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum WithheldBecause {
    /// Nobody has said anything yet.
    Unanswered,
    /// A person said yes, and that does not count.
    Doubted {
        /// Why it does not, in a sentence for people.
        doubt: String,
        /// The number of the consent.
        consent: i64,
    },
    /// A person said no.
    Refused {
        /// Who.
        by: String,
        /// Why; empty if they gave no reason.
        #[serde(default)]
        reason: String,
    },
}

impl Consent {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Yes, Self::No];

    /// Its name in routes, tables and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
        }
    }

    /// What the person did, for histories.
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Yes => "allowed",
            Self::No => "refused",
        }
    }
}

impl fmt::Display for Consent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Consent {
    type Err = UnknownConsent;

    fn from_str(text: &str) -> Result<Self, UnknownConsent> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(UnknownConsent)
    }
}

impl Withheld {
    /// What is waited for, after "waiting for"; `None` once a person has said no.
    #[must_use]
    pub fn awaited(&self) -> Option<String> {
        let list = self.list.sentence();
        match &self.why {
            WithheldBecause::Unanswered => Some(format!("a person's yes or no to its dependencies: {list}")),
            WithheldBecause::Doubted { doubt, .. } => {
                Some(format!("another person's yes or no to its dependencies ({doubt}): {list}"))
            }
            WithheldBecause::Refused { .. } => None,
        }
    }

    /// What a person refused, in a sentence for people and for the model; `None` while nobody has.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let WithheldBecause::Refused { by, reason } = &self.why else { return None };
        let reason = if reason.is_empty() { String::new() } else { format!(" ({reason})") };
        Some(format!(
            "these dependencies were refused by {by}{reason}: {}; do without them",
            self.list.sentence()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dependency::compare;

    #[test]
    fn a_consent_reads_back_and_nothing_else_is_one() {
        for consent in Consent::ALL {
            assert_eq!(consent.to_string().parse(), Ok(consent));
            assert_eq!(serde_json::to_value(consent).unwrap(), consent.as_str());
        }
        for wrong in ["", "Yes", "y", "allow"] {
            assert_eq!(wrong.parse::<Consent>(), Err(UnknownConsent), "{wrong}");
        }
    }

    #[test]
    fn what_is_withheld_is_awaited_or_refused() {
        let withheld = |why| Withheld {
            digest: String::new(),
            list: DependencyList::new(vec![compare("requirements.txt", None, Some("a==1\n"))], []),
            why,
        };
        let (doubt, by) = ("ada may not write there".to_owned(), "ada".to_owned());
        let refused = |reason: &str| WithheldBecause::Refused { by: by.clone(), reason: reason.to_owned() };
        let awaited = |why| withheld(why).awaited();
        assert_eq!(
            awaited(WithheldBecause::Unanswered).unwrap(),
            "a person's yes or no to its dependencies: a ==1 added"
        );
        assert_eq!(
            awaited(WithheldBecause::Doubted { doubt, consent: 1 }).unwrap(),
            "another person's yes or no to its dependencies (ada may not write there): a ==1 added"
        );
        assert_eq!(awaited(refused("")), None);
        assert_eq!(withheld(WithheldBecause::Unanswered).refusal(), None);
        assert_eq!(
            withheld(refused("")).refusal().unwrap(),
            "these dependencies were refused by ada: a ==1 added; do without them"
        );
        assert_eq!(
            withheld(refused("too young")).refusal().unwrap(),
            "these dependencies were refused by ada (too young): a ==1 added; do without them"
        );
    }
}
