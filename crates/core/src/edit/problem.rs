//! What can be wrong with an answer.

use super::{ANSWER_LIMIT, FILE_LIMIT, FILES_LIMIT, TITLE_LIMIT};
use crate::{
    path::{PathRejected, RepoPath},
    question::{QUESTION_LIMIT, QUESTIONS_LIMIT},
};

/// Why a text is not an answer, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Malformed {
    /// The line of the answer, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// One block that cannot be used, in an answer whose other blocks can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The path as the block has it, which may be no path.
    pub path: String,
    /// Why.
    pub why: Malformed,
}

/// What can be wrong with an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The whole text is over [`ANSWER_LIMIT`].
    #[error("the answer has {0} bytes; the limit is {ANSWER_LIMIT}")]
    TooLong(usize),
    /// Postgres text cannot contain it, and no source file needs it.
    #[error("the answer holds a NUL character")]
    Nul,
    /// Neither a block, a question nor a decline: most often prose.
    #[error("the answer has no `=== file:`, `=== edit:`, `=== delete:`, `=== ask:` or `=== decline:` line")]
    Nothing,
    /// Reasoning that begins and never ends: what follows may be a draft.
    #[error("the reasoning is not closed, so that nobody can say where the answer begins")]
    OpenReasoning,
    /// A lone closing tag of reasoning may end the reasoning or be content.
    #[error(
        "a closing tag of reasoning stands inside of a block, so that the answer could begin before it or after it"
    )]
    Reasoning,
    /// A change outside of blocks beside blocks.
    #[error("a change of `{0}` stands outside of blocks; give it as a block")]
    Outside(String),
    /// Pairs outside of blocks, of which nobody knows the file.
    #[error("a SEARCH/REPLACE pair stands outside of a block, and no path stands before it")]
    Loose,
    /// A diff that the blocks cannot say, or that is not one.
    #[error("the diff cannot be used: {0}")]
    Diff(String),
    /// The repair of an answer leaves out a block that failed.
    #[error("the block of `{0}` is missing; it failed before, so give it again")]
    LeftOut(String),
    /// More than [`FILES_LIMIT`] blocks.
    #[error("the answer has more than {FILES_LIMIT} blocks")]
    TooManyFiles,
    /// One block's content is over [`FILE_LIMIT`].
    #[error("the content for `{0}` is over {FILE_LIMIT} bytes")]
    FileTooLarge(RepoPath),
    /// An invalid path.
    #[error(transparent)]
    Path(#[from] PathRejected),
    /// A path that no agent may touch.
    #[error("`{path}` may not be touched: {rule}")]
    Forbidden {
        /// The path.
        path: RepoPath,
        /// The rule.
        rule: &'static str,
    },
    /// Two blocks for one file, or for names that are one file on a case-insensitive file system.
    #[error("`{0}` and `{1}` are one file; give each file one block")]
    Collision(RepoPath, RepoPath),
    /// The closing line is missing or names another path.
    #[error("the block of `{path}` is not closed: `=== end: {path}` is missing{}", seen.as_ref().map(|seen| format!(" (found `{seen}`)")).unwrap_or_default())]
    Unclosed {
        /// The block's path.
        path: String,
        /// The last closing line after the block's start, which names another path.
        seen: Option<String>,
    },
    /// An `=== end:` outside of any block.
    #[error("`=== end:` closes nothing")]
    StrayEnd,
    /// An unknown word after `===`.
    #[error("`=== {0}:` is unknown; known are title, why, file, edit, end, delete, ask and decline")]
    Unknown(String),
    /// Two titles, or one that is empty or over [`TITLE_LIMIT`] characters.
    #[error("one title of 1 to {TITLE_LIMIT} characters is needed")]
    Title,
    /// A decline together with blocks, a second decline, or one without a reason.
    #[error("a decline stands alone and has a reason")]
    Decline,
    /// Questions together with a change, a title or a decline: nobody could say what was meant.
    #[error("questions stand alone: give no title, block or decline with `=== ask:`")]
    Ask,
    /// More questions than [`QUESTIONS_LIMIT`].
    #[error("the answer asks more than {QUESTIONS_LIMIT} questions")]
    TooManyQuestions,
    /// A question without visible text, or one over [`QUESTION_LIMIT`].
    #[error("a question has 1 to {QUESTION_LIMIT} bytes of visible text; this one has {0}")]
    Question(usize),
    /// Something other than SEARCH/REPLACE pairs in an edit block.
    #[error("an edit block holds SEARCH/REPLACE pairs only: {0}")]
    Edit(&'static str),
}

/// A problem, at the line that is being read or at another.
pub(super) enum Fault {
    Here(Problem),
    There(usize, Problem),
}

impl Fault {
    pub(super) fn at(self, here: usize) -> Malformed {
        match self {
            Self::Here(problem) => Malformed { line: here, problem },
            Self::There(line, problem) => Malformed { line, problem },
        }
    }
}

impl<P: Into<Problem>> From<P> for Fault {
    fn from(problem: P) -> Self {
        Self::Here(problem.into())
    }
}
