//! The only way a path that a model wrote becomes a path we write to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A file's path inside a repository: relative, `/`-separated, harmless on every system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoPath(String);

/// Why a text is not a [`RepoPath`]; the text is shown escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("path {path:?} is rejected: {reason}")]
pub struct PathRejected {
    /// What was given, cut to 200 characters.
    pub path: String,
    /// The rule that it breaks.
    pub reason: &'static str,
}

impl RepoPath {
    /// The path as git writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RepoPath {
    type Err = PathRejected;

    fn from_str(text: &str) -> Result<Self, PathRejected> {
        let bad = text.is_empty() || text.split('/').any(|part| matches!(part, "" | "." | ".."));
        if bad {
            return Err(PathRejected {
                path: text.chars().take(200).collect(),
                reason: "not a plain relative path",
            });
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for RepoPath {
    type Error = PathRejected;

    fn try_from(text: String) -> Result<Self, PathRejected> {
        text.parse()
    }
}

impl From<RepoPath> for String {
    fn from(path: RepoPath) -> Self {
        path.0
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
