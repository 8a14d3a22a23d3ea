//! What a run is about.
//!
//! A new kind of subject needs a variant here, a table for what it stores, and a workflow that serves it. The
//! engine does not change: it binds a run to its subject and picks the workflow by the subject's kind.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a run is about: its kind, and the id of the row that holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A requirement that a product manager submitted.
    Requirement(Uuid),
    /// A pull request that others opened: a person, Dependabot, another agent.
    Pull(Uuid),
    /// A harness gap: an incident whose case is missing.
    Gap(Uuid),
}

/// A kind of subject. A workflow serves exactly one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// See [`Subject::Requirement`]. The default, because the oldest graphs do not name their subject.
    #[default]
    Requirement,
    /// See [`Subject::Pull`].
    Pull,
    /// See [`Subject::Gap`].
    #[serde(rename = "harness_gap")]
    Gap,
}

/// A kind of subject that only a newer release knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this release does not know the subject kind `{0}`")]
pub struct UnknownKind(pub String);

impl Subject {
    /// The subject that a row names by kind and id.
    ///
    /// # Errors
    /// [`UnknownKind`] for a kind of a newer release.
    pub fn new(kind: &str, id: Uuid) -> Result<Self, UnknownKind> {
        match kind {
            "requirement" => Ok(Self::Requirement(id)),
            "pull" => Ok(Self::Pull(id)),
            "harness_gap" => Ok(Self::Gap(id)),
            _ => Err(UnknownKind(kind.to_owned())),
        }
    }

    /// The id of the row that holds it.
    #[must_use]
    pub const fn id(self) -> Uuid {
        match self {
            Self::Requirement(id) | Self::Pull(id) | Self::Gap(id) => id,
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(self) -> SubjectKind {
        match self {
            Self::Requirement(_) => SubjectKind::Requirement,
            Self::Pull(_) => SubjectKind::Pull,
            Self::Gap(_) => SubjectKind::Gap,
        }
    }
}

impl SubjectKind {
    /// The name in tables and workflows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requirement => "requirement",
            Self::Pull => "pull",
            Self::Gap => "harness_gap",
        }
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_reads_back_from_its_kind_and_id() {
        for subject in
            [Subject::Requirement(Uuid::max()), Subject::Pull(Uuid::max()), Subject::Gap(Uuid::max())]
        {
            assert_eq!(Subject::new(subject.kind().as_str(), Uuid::max()), Ok(subject));
        }
    }

    #[test]
    fn a_kind_of_a_newer_release_is_an_error_that_names_it() {
        let unknown = Subject::new("rota", Uuid::nil()).unwrap_err();
        assert_eq!(unknown.to_string(), "this release does not know the subject kind `rota`");
    }
}
