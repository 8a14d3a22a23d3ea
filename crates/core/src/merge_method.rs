//! How a pull request becomes a commit on its base branch.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The merge methods of GitHub. docs.github.com "About merge methods on GitHub".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeMethod {
    /// A commit with two parents, which keeps the judged head itself in the base.
    #[default]
    Merge,
    /// One commit with the whole change.
    Squash,
    /// Every commit anew on top of the base.
    Rebase,
}

/// A text names no merge method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a merge method: write merge, squash or rebase")]
pub struct UnknownMethod(String);

impl MergeMethod {
    /// All methods, the default first.
    pub const ALL: [Self; 3] = [Self::Merge, Self::Squash, Self::Rebase];

    /// The name in the API, the database and GitHub's requests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }
}

impl FromStr for MergeMethod {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        let named = Self::ALL.into_iter().find(|method| method.as_str() == text);
        named.ok_or_else(|| UnknownMethod(text.chars().take(40).collect()))
    }
}

impl fmt::Display for MergeMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_read_by_its_name_and_nothing_else_is() {
        for method in MergeMethod::ALL {
            assert_eq!(method.as_str().parse(), Ok(method));
        }
        for wrong in ["", "Merge", "fast-forward", "rebase "] {
            assert_eq!(wrong.parse::<MergeMethod>(), Err(UnknownMethod(wrong.to_owned())));
        }
    }
}
