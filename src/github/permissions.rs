//! The permissions that our calls need: one table for minting, for `aspora doctor` and for the App's manifest.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

/// How much a permission allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// To read.
    Read,
    /// To read and write.
    Write,
}

/// A permission that some of our calls need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// GitHub's name of it, as in `permissions` of an App.
    pub permission: &'static str,
    /// How much.
    pub level: Level,
    /// Whether no run can be merged without it.
    pub required: bool,
    /// What it is for.
    pub why: &'static str,
    /// What cannot be done without it.
    pub without: &'static str,
}

/// Every permission that we ask for where it is granted. docs.github.com "Permissions required for GitHub Apps".
pub const NEEDS: &[Need] = &[
    Need {
        permission: "metadata",
        level: Level::Read,
        required: true,
        why: "to read the repository, its rules and what its people may do",
        without: "the repository is out of sight",
    },
    Need {
        permission: "contents",
        level: Level::Write,
        required: true,
        why: "to clone, to push the change to a branch, and to merge it",
        without: "nothing can be pushed or merged",
    },
    Need {
        permission: "pull_requests",
        level: Level::Write,
        required: true,
        why: "to open pull requests, to post reviews and comments",
        without: "no pull request can be opened or reviewed",
    },
    Need {
        permission: "checks",
        level: Level::Write,
        required: false,
        why: "to report the gate and the review as check runs, and to read those of others",
        without: "the gate is a commit status with a comment, and check runs of others may not be readable",
    },
    Need {
        permission: "statuses",
        level: Level::Write,
        required: false,
        why: "to read the commit statuses of others, and to report the gate where check runs may not be made",
        without: "required checks that are commit statuses are not seen",
    },
    Need {
        permission: "issues",
        level: Level::Write,
        required: false,
        why: "to make and close the issues of harness gaps, and to react to commands in comments on a pull request",
        without: "runs about harness gaps stop at their issue, and commands are answered by a line each",
    },
    Need {
        permission: "actions",
        level: Level::Write,
        required: false,
        why: "to show the model the log of a failed job, and to run again what the infrastructure failed",
        without: "a failed check is known by its summary alone, and a lost runner needs a person",
    },
    Need {
        permission: "deployments",
        level: Level::Read,
        required: false,
        why: "to get the webhooks that say what was deployed where",
        without: "the page of a run does not say where its change was deployed",
    },
    Need {
        permission: "workflows",
        level: Level::Write,
        required: false,
        why: "to bring a base branch with changed workflow files into a pull request",
        without: "a branch that lags behind a change of .github/workflows is updated by a person",
    },
    Need {
        permission: "administration",
        level: Level::Read,
        required: false,
        why: "to read the classic protection of branches",
        without: "what classic protection demands is not seen, such as signed commits; rulesets are",
    },
];

/// Permissions by GitHub's name of them.
pub type Permissions = BTreeMap<String, String>;

impl Level {
    /// The level that GitHub's word means; `None` for one that we do not know.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "read" => Some(Self::Read),
            "write" | "admin" => Some(Self::Write),
            _ => None,
        }
    }
}

impl Need {
    /// How much of it these permissions grant.
    #[must_use]
    pub fn granted(&self, permissions: &Permissions) -> Option<Level> {
        Level::of(permissions.get(self.permission)?).map(|level| level.min(self.level))
    }
}

/// The permissions to ask for when a token is minted: the least that our calls need, without what the
/// installation withholds, since GitHub refuses to mint beyond the grant.
#[must_use]
pub fn to_mint(granted: &Permissions) -> BTreeMap<&'static str, Level> {
    NEEDS.iter().filter_map(|need| Some((need.permission, need.granted(granted)?))).collect()
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_minted_with_what_we_need_and_no_more() {
        let granted = |pairs: &[(&str, &str)]| -> Permissions {
            pairs.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect()
        };
        let asked = |pairs: &[(&str, &str)]| {
            let asked = to_mint(&granted(pairs));
            asked.iter().map(|(name, level)| format!("{name}:{level}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            asked(&[
                ("metadata", "read"),
                ("contents", "write"),
                ("administration", "write"),
                ("pages", "write")
            ]),
            "administration:read contents:write metadata:read"
        );
        assert_eq!(asked(&[("metadata", "write"), ("checks", "read")]), "checks:read metadata:read");
        assert_eq!(asked(&[("contents", "none")]), "");
    }
}
