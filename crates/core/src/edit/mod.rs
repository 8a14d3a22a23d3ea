//! What a model may do to a repository: whole files, exact edits and deletions, all or nothing.
//!
//! [`Answer::parse`] reads the text, and [`apply`] applies it to the files. Neither guesses: an edit that does not
//! fit exactly is refused, with what the model needs to repair it.

mod apply;
mod diff;
mod parse;
mod place;

use crate::{
    control::{self, Class},
    path::RepoPath,
};

pub use apply::{BlockFailed, Failure, Written, apply};
pub use diff::{unified_diff, whole_diff};
pub use parse::{Malformed, Problem};

/// The longest answer that is read, in bytes.
pub const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// The most blocks of one answer, and so the most files.
pub const FILES_LIMIT: usize = 256;
/// The largest file that an answer may leave behind, in bytes.
pub const FILE_LIMIT: usize = 1024 * 1024;
/// The longest title, in characters.
pub const TITLE_LIMIT: usize = 200;

/// A model's whole answer when it generates, repairs or remediates a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The pull request's title, if the model gave one.
    pub title: Option<String>,
    /// Everything outside of blocks, trimmed.
    pub explanation: String,
    /// What the model wants done.
    pub intent: Intent,
}

/// What the model wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// These blocks, each on its own file; never empty.
    Blocks(Vec<Block>),
    /// Nothing: one sentence why it cannot be done.
    Decline(String),
    /// Nothing yet: what people must say first, 1 to [`QUESTIONS_LIMIT`](crate::question::QUESTIONS_LIMIT) questions of
    /// visible text.
    Ask(Vec<String>),
}

/// What to do with one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The file.
    pub path: RepoPath,
    /// What to do with it.
    pub act: Act,
}

/// The three things that a block can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The file gets this content, whether or not it exists.
    Whole(String),
    /// These replacements, one after another, in an existing file; never empty.
    Edit(Vec<Replacement>),
    /// The file is deleted.
    Delete,
}

/// One SEARCH/REPLACE pair, in whole lines without their line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    /// The lines to find; never empty.
    pub search: Vec<String>,
    /// The lines to put in their place.
    pub replace: Vec<String>,
}

/// The rule that forbids agents to touch this path, if any.
///
/// These files control the factory, the forge, git, other agents, or what runs elsewhere, so no policy can allow
/// them: only people change them. The table is the one of the floor under every policy.
#[must_use]
pub fn forbidden(path: &RepoPath) -> Option<&'static str> {
    control::rule(&path.folded()).filter(|(class, _)| *class == Class::Control).map(|(_, words)| words)
}

/// The rule that forbids agents to write this file as a whole, if any: new, it would be run in the place of
/// another. One that is there can be edited.
#[must_use]
pub fn forbidden_when_new(path: &RepoPath) -> Option<&'static str> {
    control::shadows(&path.folded()).then_some(control::SHADOWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_may_not_touch_what_steers_the_factory() {
        for path in [
            ".github/workflows/ci.yml",
            ".GitHub/x",
            "sub/.github/x",
            ".aspora/risk-policy.json",
            ".ASPORA/x",
            ".gitattributes",
            "a/.gitignore",
            ".gitmodules",
            "CODEOWNERS",
            "docs/codeowners",
            "AGENTS.md",
            "a/agents.md",
            "CLAUDE.md",
            ".claude/settings.json",
            "a/.cursor/rules",
            ".husky/pre-commit",
            "Jenkinsfile",
            "sub/.Circleci/config.yml",
            ".vscode/tasks.json",
            ".envrc",
            "pytest.ini",
        ] {
            assert!(forbidden(&path.parse().unwrap()).is_some(), "{path}");
        }
        for path in [
            "github/x.rs",
            "docs/agents.md.txt",
            "aspora/x",
            "src/claude.rs",
            "x.git",
            "Makefile",
            "conftest.py",
        ] {
            assert_eq!(forbidden(&path.parse().unwrap()), None, "{path}");
        }
        assert!(forbidden_when_new(&"unittest/__main__.py".parse().unwrap()).is_some());
        assert_eq!(forbidden_when_new(&"lib/http.py".parse().unwrap()), None);
    }
}
