//! What is read past in an answer: slips of form after which only one reading is left.

use std::fmt;

use crate::words;

/// One slip of form that was read past.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forgiven {
    /// Reasoning before the answer, in its tags.
    Reasoning,
    /// A Markdown fence around the answer, a block, a block's content or a section of a pair.
    Fence,
    /// The whole answer is indented, as the format is in the rules.
    Indented,
    /// A block line in another form: other letter case, another number of `=`, a trailing `===`.
    BlockLine,
    /// A path in backticks, quotes or bold, or after `./`.
    Path,
    /// A marker of a pair in another form: another number of signs, other letter case, the words of other tools.
    Marker,
    /// A closing line or marker is missing where nothing else can be.
    Unclosed,
    /// Two edit blocks for one file, which are carried out one after the other.
    SplitEdit,
    /// A `=== file:` block that holds SEARCH/REPLACE pairs of an existing file.
    FileForEdit,
    /// A new file as a pair with an empty SEARCH.
    EmptySearch,
    /// SEARCH/REPLACE pairs after a path, without a block.
    LoosePairs,
    /// A unified diff in place of blocks.
    Diff,
    /// Line numbers that were copied in front of every line.
    LineNumbers,
}

impl Forgiven {
    /// Every slip, in the order in which they are listed.
    pub const ALL: [Self; 13] = [
        Self::Reasoning,
        Self::Fence,
        Self::Indented,
        Self::BlockLine,
        Self::Path,
        Self::Marker,
        Self::Unclosed,
        Self::SplitEdit,
        Self::FileForEdit,
        Self::EmptySearch,
        Self::LoosePairs,
        Self::Diff,
        Self::LineNumbers,
    ];

    /// Its name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reasoning => "reasoning",
            Self::Fence => "fence",
            Self::Indented => "indented",
            Self::BlockLine => "block_line",
            Self::Path => "path",
            Self::Marker => "marker",
            Self::Unclosed => "unclosed",
            Self::SplitEdit => "split_edit",
            Self::FileForEdit => "file_for_edit",
            Self::EmptySearch => "empty_search",
            Self::LoosePairs => "loose_pairs",
            Self::Diff => "diff",
            Self::LineNumbers => "line_numbers",
        }
    }
}

impl fmt::Display for Forgiven {
    /// After "read past".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reasoning => "reasoning",
            Self::Fence => "a fence",
            Self::Indented => "an indentation",
            Self::BlockLine => "misspelled block lines",
            Self::Path => "decorated paths",
            Self::Marker => "misspelled markers",
            Self::Unclosed => "a missing end",
            Self::SplitEdit => "two blocks for one file",
            Self::FileForEdit => "edits in a `file` block",
            Self::EmptySearch => "an empty SEARCH",
            Self::LoosePairs => "edits outside of blocks",
            Self::Diff => "a diff",
            Self::LineNumbers => "copied line numbers",
        })
    }
}

/// "read past a fence and copied line numbers"; `None` if nothing was.
#[must_use]
pub fn read_past(forgiven: &[Forgiven]) -> Option<String> {
    let named: Vec<String> = forgiven.iter().map(ToString::to_string).collect();
    (!named.is_empty()).then(|| format!("read past {}", words::listed(&named)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_names_what_was_read_past() {
        assert_eq!(read_past(&[]), None);
        let both = [Forgiven::Fence, Forgiven::LineNumbers];
        assert_eq!(read_past(&both).as_deref(), Some("read past a fence and copied line numbers"));
    }

    #[test]
    fn every_slip_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = Forgiven::ALL.iter().map(|slip| slip.as_str()).collect();
        let words: std::collections::BTreeSet<_> = Forgiven::ALL.iter().map(ToString::to_string).collect();
        assert_eq!((names.len(), words.len()), (Forgiven::ALL.len(), Forgiven::ALL.len()));
        assert!(Forgiven::ALL.is_sorted());
    }
}
