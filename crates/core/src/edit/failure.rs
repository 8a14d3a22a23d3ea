//! Why a block does not fit the files.

use std::fmt;

use super::FILE_LIMIT;
use crate::path::RepoPath;

/// One block that does not fit, with what a model needs to repair it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("block {block} (`{path}`): {failure}")]
pub struct BlockFailed {
    /// The block's place in the answer, from 1.
    pub block: usize,
    /// Its file.
    pub path: RepoPath,
    /// What went wrong.
    pub failure: Failure,
    /// The most similar lines of the file, each with its number; empty if there are none.
    pub nearest: String,
}

/// Why a block does not fit. Pairs and lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The file to edit or delete does not exist.
    NoSuchFile,
    /// The SEARCH of this pair is nowhere in the file.
    NotFound {
        /// Which pair of the block.
        pair: usize,
    },
    /// The SEARCH is nowhere in the file, but its REPLACE is: the edit seems to be done already.
    AlreadyApplied {
        /// Which pair of the block.
        pair: usize,
    },
    /// The SEARCH is at several places.
    Ambiguous {
        /// Which pair of the block.
        pair: usize,
        /// Where it is.
        lines: Vec<usize>,
    },
    /// The SEARCH is there, except for an indentation that cannot be translated.
    Indentation {
        /// Which pair of the block.
        pair: usize,
        /// Where it is.
        line: usize,
    },
    /// The SEARCH bears line numbers, and some lines of its REPLACE do.
    LineNumbers {
        /// Which pair of the block.
        pair: usize,
    },
    /// The file to create exists.
    Exists,
    /// The file to delete is not what the diff removes.
    NotAsRemoved,
    /// A hunk's lines are nowhere in the file.
    HunkNotFound {
        /// Which hunk, from 1.
        hunk: usize,
    },
    /// A hunk's lines are at several places.
    HunkAmbiguous {
        /// Which hunk, from 1.
        hunk: usize,
        /// Where they are.
        lines: Vec<usize>,
    },
    /// Two hunks are on the same lines.
    HunksOverlap,
    /// A hunk that says how the file ends is not at its end.
    NotAtTheEnd,
    /// A file of code would begin with a Markdown fence.
    Fenced,
    /// A file of code would begin with the marker of a pair.
    PairsForFile,
    /// The file would be over [`FILE_LIMIT`].
    TooLarge,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchFile => write!(f, "there is no such file"),
            Self::NotFound { pair } => write!(f, "the SEARCH of pair {pair} is not in the file"),
            Self::AlreadyApplied { pair } => {
                write!(
                    f,
                    "the SEARCH of pair {pair} is not in the file, but its REPLACE is: leave the pair out"
                )
            }
            Self::Ambiguous { pair, lines } => {
                write!(
                    f,
                    "the SEARCH of pair {pair} stands at lines {}: add lines until it stands once",
                    first_ten(lines)
                )
            }
            Self::Indentation { pair, line } => {
                write!(
                    f,
                    "the SEARCH of pair {pair} stands at line {line} with another indentation: copy it exactly"
                )
            }
            Self::LineNumbers { pair } => {
                write!(f, "some lines of pair {pair} begin with a line number: give all lines without them")
            }
            Self::Exists => write!(f, "the file exists: give an edit of it, or the whole file"),
            Self::NotAsRemoved => write!(f, "the file is not what the diff removes: use `=== delete:`"),
            Self::HunkNotFound { hunk } => {
                write!(f, "the lines of hunk {hunk} are not in the file as they are")
            }
            Self::HunkAmbiguous { hunk, lines } => {
                write!(f, "the lines of hunk {hunk} stand at lines {}: use an edit block", first_ten(lines))
            }
            Self::HunksOverlap => write!(f, "two hunks of the diff are on the same lines"),
            Self::NotAtTheEnd => write!(f, "a hunk says how the file ends, but is not at its end"),
            Self::Fenced => write!(f, "the content begins with a code fence: give the file verbatim"),
            Self::PairsForFile => {
                write!(
                    f,
                    "a `file` block holds SEARCH/REPLACE pairs: edit the file that is there, or give all of it"
                )
            }
            Self::TooLarge => write!(f, "the file would be over {FILE_LIMIT} bytes"),
        }
    }
}

impl Failure {
    /// Whether the answer is right once the block is left out: what it does is done already.
    #[must_use]
    pub const fn is_needless(&self) -> bool {
        matches!(self, Self::AlreadyApplied { .. } | Self::NoSuchFile)
    }
}

fn first_ten(lines: &[usize]) -> String {
    lines.iter().take(10).map(usize::to_string).collect::<Vec<_>>().join(", ")
}
