//! What a pull request changes, as git itself lists it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The files that differ between a merge base and a head (`git diff --raw -z --no-renames base...head`).
///
/// Renames are off on purpose: a renamed file is a deletion and an addition, so both names are judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// One entry per path, in git's order.
    pub files: Vec<FileChange>,
}

/// One path of a [`Change`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// The path inside the repository. Bytes that are not UTF-8 are written as `\xNN`, and `odd` is set.
    pub path: String,
    /// What happened to the path.
    pub kind: ChangeKind,
    /// The file mode before, as git writes it in octal (`100644`); 0 where there was no file.
    pub old_mode: u32,
    /// The file mode after, likewise.
    pub new_mode: u32,
    /// Whether the path is not UTF-8. Then no pattern can be trusted to match it, and the highest tier applies.
    #[serde(default)]
    pub odd: bool,
    /// Whether readers see no difference between the two versions of the file: white space at every path, and at
    /// those of documents comments and invisible characters too.
    #[serde(default)]
    pub blank: bool,
}

/// What happened to one path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The path is new.
    Added,
    /// The content or the mode differs.
    Modified,
    /// The path is gone.
    Deleted,
    /// A file became a symlink or a submodule, or the reverse.
    Retyped,
}

/// Why a listing is not what `git diff --raw -z` prints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a raw diff at entry {entry}: {what}")]
pub struct NotARawDiff {
    entry: usize,
    what: &'static str,
}

impl Change {
    /// The entries that `other` does not have; whether only white space differs is no difference.
    #[must_use]
    pub fn beyond(self, other: &Self) -> Self {
        let key = |file: &FileChange| (file.path.clone(), file.kind, file.old_mode, file.new_mode);
        let known: BTreeSet<_> = other.files.iter().map(key).collect();
        Self { files: self.files.into_iter().filter(|file| !known.contains(&key(file))).collect() }
    }

    /// Reads the output of `git diff --raw -z --no-renames`; `blank` is left false everywhere.
    ///
    /// # Errors
    /// [`NotARawDiff`] when an entry is truncated or unknown: the change is then unknown, never taken as smaller.
    pub fn from_raw_diff(raw: &[u8]) -> Result<Self, NotARawDiff> {
        let mut fields = raw.split(|&byte| byte == 0).peekable();
        let mut files = Vec::new();
        while let Some(head) = fields.next() {
            if head.is_empty() && fields.peek().is_none() {
                break;
            }
            let refuse = |what| NotARawDiff { entry: files.len(), what };
            let head = std::str::from_utf8(head).map_err(|_| refuse("its head is not ASCII"))?;
            let parts: Vec<&str> =
                head.strip_prefix(':').ok_or(refuse("no leading colon"))?.split(' ').collect();
            let [old_mode, new_mode, _, _, status] = parts[..] else {
                return Err(refuse("its head does not have five fields"));
            };
            let mode = |text| u32::from_str_radix(text, 8).map_err(|_| refuse("a mode is not octal"));
            let kind = match status {
                "A" => ChangeKind::Added,
                "M" => ChangeKind::Modified,
                "D" => ChangeKind::Deleted,
                "T" => ChangeKind::Retyped,
                _ => return Err(refuse("an unknown status letter")),
            };
            let name = fields.next().filter(|name| !name.is_empty()).ok_or(refuse("the path is missing"))?;
            let (path, odd) = match std::str::from_utf8(name) {
                Ok(name) => (name.to_owned(), false),
                Err(_) => (name.escape_ascii().to_string(), true),
            };
            let file = FileChange {
                path,
                kind,
                old_mode: mode(old_mode)?,
                new_mode: mode(new_mode)?,
                odd,
                blank: false,
            };
            files.push(file);
        }
        Ok(Self { files })
    }
}

/// The lines of the new side that a unified diff shows, by path: the only ones that a forge lets
/// a review comment on.
#[must_use]
pub fn lines_shown(diff: &str) -> BTreeMap<String, BTreeSet<u32>> {
    let mut shown: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    let (mut path, mut line, mut left) = (None, 0_u32, 0_u32);
    for text in diff.lines() {
        if left > 0 && matches!(text.as_bytes().first(), Some(b'+' | b' ') | None) {
            if let Some(path) = &path {
                shown.entry(String::clone(path)).or_default().insert(line);
            }
            (line, left) = (line + 1, left - 1);
        } else if let Some(name) = text.strip_prefix("+++ ").filter(|_| left == 0) {
            path = name.strip_prefix("b/").map(str::to_owned);
        } else if let Some(hunk) = text.strip_prefix("@@ ") {
            (line, left) = new_side(hunk).unwrap_or((0, 0));
        }
    }
    shown
}

/// The lines of the old side that a unified diff changes, by path: those that it removes, and the two between
/// which it adds.
#[must_use]
pub fn lines_changed(diff: &str) -> BTreeMap<String, BTreeSet<u32>> {
    let mut changed: BTreeMap<String, BTreeSet<u32>> = BTreeMap::new();
    let (mut path, mut line, mut old, mut new) = (None, 0_u32, 0_u32, 0_u32);
    for text in diff.lines() {
        let mut mark = |line: u32| {
            if let Some(path) = &path {
                changed.entry(String::clone(path)).or_default().insert(line);
            }
        };
        match text.as_bytes().first() {
            Some(b'-') if old > 0 => {
                mark(line);
                (line, old) = (line + 1, old - 1);
            }
            Some(b'+') if new > 0 => {
                mark(line.saturating_sub(1));
                mark(line);
                new -= 1;
            }
            Some(b' ') | None if old > 0 && new > 0 => (line, old, new) = (line + 1, old - 1, new - 1),
            _ => {
                if let Some(name) = text.strip_prefix("--- ") {
                    path = name.strip_prefix("a/").map(str::to_owned);
                } else if let Some(hunk) = text.strip_prefix("@@ ") {
                    (line, old) = side_of(hunk, '-').unwrap_or((0, 0));
                    new = new_side(hunk).map_or(0, |(_, count)| count);
                }
            }
        }
    }
    changed
}

/// The first line and the number of lines of a hunk's new side.
fn new_side(hunk: &str) -> Option<(u32, u32)> {
    side_of(hunk, '+')
}

fn side_of(hunk: &str, mark: char) -> Option<(u32, u32)> {
    let side = hunk.split(' ').find_map(|part| part.strip_prefix(mark))?;
    let (line, count) = side.split_once(',').unwrap_or((side, "1"));
    Some((line.parse().ok()?, count.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raw_diff_keeps_modes_newlines_and_odd_bytes() {
        let raw = b":100644 100755 aaaaaaa bbbbbbb M\0a\nb.py\0:000000 120000 0000000 ccccccc A\0caf\xe9\0";
        let change = Change::from_raw_diff(raw).unwrap();
        let [first, second] = &change.files[..] else { panic!("{change:?}") };
        assert_eq!(
            (first.path.as_str(), first.kind, first.new_mode),
            ("a\nb.py", ChangeKind::Modified, 0o100_755)
        );
        assert_eq!((second.path.as_str(), second.odd, second.new_mode), (r"caf\xe9", true, 0o120_000));
        assert_eq!(Change::from_raw_diff(b""), Ok(Change::default()));
    }

    #[test]
    fn a_cut_or_unknown_listing_is_refused() {
        for wrong in
            [&b":100644 100644 a b M"[..], b":100644 100644 a b M\0\0", b":1 2 a b X\0p\0", b"junk\0p\0"]
        {
            assert!(Change::from_raw_diff(wrong).is_err(), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn the_lines_shown_are_those_of_the_new_side() {
        let diff = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,4 @@ def f():\n one\n-two\n+TWO\n+++ three\n four\n\
                    --- a/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n";
        let shown = lines_shown(diff);
        assert_eq!(shown["a.py"], BTreeSet::from([1, 2, 3, 4]));
        assert_eq!(shown.len(), 1);
    }

    #[test]
    fn the_lines_changed_are_those_of_the_old_side() {
        let diff = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -10,4 +10,4 @@ def f():\n ten\n-eleven\n+ELEVEN\n\
                    twelve\n thirteen\n@@ -40,2 +40,3 @@\n forty\n+more\n last\n\
                    --- a/gone.py\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-x\n--- y\n";
        let changed = lines_changed(&diff.replace("\ntwelve", "\n twelve"));
        assert_eq!(changed["a.py"], BTreeSet::from([11, 12, 40, 41]));
        assert_eq!(changed["gone.py"], BTreeSet::from([1, 2]));
        assert_eq!(changed.len(), 2);
    }
}
