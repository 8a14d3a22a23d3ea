//! What a model may do to a repository: whole files, exact edits and deletions, all or nothing.
//!
//! [`Answer::read`] reads the text, and [`apply`] applies it to the files. Slips of form after which only one reading is
//! left are read past and named ([`Forgiven`]); a well-formed answer is read as it stands. Neither guesses: an edit that
//! does not fit exactly is refused, with what the model needs to repair it.

mod apply;
mod diff;
mod failure;
mod forgiven;
mod hunks;
mod kept;
mod lines;
mod outside;
mod pairs;
mod parse;
mod patch;
mod place;
mod problem;
pub mod reasoning;
mod whole;

use crate::{
    control::{self, Class},
    path::RepoPath,
};

pub use apply::{Applied, Written, apply};
pub use diff::{unified_diff, whole_diff};
pub use failure::{BlockFailed, Failure};
pub use forgiven::{Forgiven, read_past};
pub use kept::Kept;
pub use problem::{Malformed, Problem, Refused};

/// The longest answer that is read, in bytes.
pub const ANSWER_LIMIT: usize = 4 * 1024 * 1024;
/// The most blocks of one answer, and so the most files.
pub const FILES_LIMIT: usize = 256;
/// The largest file that an answer may leave behind, in bytes.
pub const FILE_LIMIT: usize = 1024 * 1024;
/// The longest title, in characters.
pub const TITLE_LIMIT: usize = 200;
/// The longest `why`, in bytes; the rest is cut.
pub const WHY_LIMIT: usize = 16 * 1024;
/// The edition of the rules by which answers are read. What an edition before the first one could not read was asked for
/// again, and stays refused: 0 forgave nothing.
pub const EDITION: u32 = 1;

/// A model's whole answer when it generates, repairs or remediates a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The pull request's title, if the model gave one.
    pub title: Option<String>,
    /// Why the change is as it is, trimmed; empty if the model did not say it. Nothing else of the text is prose for people.
    pub why: String,
    /// What the model wants done.
    pub intent: Intent,
    /// What was read past, each slip once.
    pub forgiven: Vec<Forgiven>,
}

/// An answer as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// All of it.
    Whole(Answer),
    /// Some blocks cannot be used.
    Part(Part),
}

/// An answer of which some blocks cannot be used: never applied as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The title, if the model gave one.
    pub title: Option<String>,
    /// As in [`Answer`].
    pub why: String,
    /// The blocks that can be used, each on its own file; may be none.
    pub blocks: Vec<Block>,
    /// Those that cannot; never empty.
    pub refused: Vec<Refused>,
    /// What was read past, each slip once.
    pub forgiven: Vec<Forgiven>,
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
    /// These hunks of a diff, each at exactly one place.
    Patch(Patch),
    /// The file is deleted.
    Delete,
}

/// The hunks of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// What becomes of the file.
    pub kind: PatchKind,
    /// The hunks, all of them against the file as it is; one for a new or a removed file.
    pub hunks: Vec<Hunk>,
}

/// What a patch does to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    /// The file is made; it must not exist.
    Create,
    /// The file is changed; it must exist.
    Change,
    /// The file is deleted; it must be what the hunk removes.
    Remove,
}

/// One hunk, in whole lines without their line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// The lines of context and the removed ones; empty for a new file alone.
    pub old: Vec<String>,
    /// The lines of context and the added ones.
    pub new: Vec<String>,
    /// Whether the file ends in a line break afterwards, if the hunk says so; it is then at the file's end.
    pub final_newline: Option<bool>,
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
