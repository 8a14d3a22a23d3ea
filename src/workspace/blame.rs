//! Which commits the lines came with that a change replaces.

use std::collections::BTreeMap;

use super::{error::Error, mirror::Mirror};
use crate::core::{path::RepoPath, sha::Sha};

/// The most files of a change whose lines are looked up.
const MOST_FILES: usize = 50;
/// The most bytes of the patch that are read.
const LARGEST_PATCH: usize = 4 << 20;

/// Lines of a file as it was: the first and the last one, from 1.
type Range = (u32, u32);

impl Mirror {
    /// How many of the lines that `head` replaces since `fork` came with which commit, the most first. Where lines are only
    /// added, the one above them counts. Files for which `counts` says no are left out.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks a commit, or git's own.
    pub async fn blamed(
        &self,
        fork: &Sha,
        head: &Sha,
        counts: impl Fn(&str) -> bool,
    ) -> Result<Vec<(Sha, u32)>, Error> {
        self.need(fork).await?;
        self.need(head).await?;
        let call = self.git(["diff", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-color", "-U0"]);
        let call = call.and([
            "--diff-filter=MD",
            "--src-prefix=a/",
            "--dst-prefix=b/",
            fork.as_str(),
            head.as_str(),
        ]);
        let patch = call.cut_at(LARGEST_PATCH).ends_with(&[0]).await?.output;
        let replaced = replaced(&String::from_utf8_lossy(&patch));
        let mut lines: BTreeMap<Sha, u32> = BTreeMap::new();
        for (path, ranges) in replaced.iter().filter(|(path, _)| counts(path)).take(MOST_FILES) {
            let Ok(path) = path.parse::<RepoPath>() else { continue };
            for (sha, count) in self.blame(fork, &path, ranges).await? {
                *lines.entry(sha).or_default() += count;
            }
        }
        let mut lines: Vec<(Sha, u32)> = lines.into_iter().collect();
        lines.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        Ok(lines)
    }

    async fn blame(&self, at: &Sha, path: &RepoPath, ranges: &[Range]) -> Result<Vec<(Sha, u32)>, Error> {
        let mut counts = Vec::new();
        for (first, last) in ranges {
            let lines = format!("-L{first},{last}");
            let call = self.git(["blame", "--porcelain", &lines, at.as_str(), "--", path.as_str()]);
            // A file that is shorter than it was taken for, or is no text.
            let answer = call.ends_with(&[0, 128]).await?;
            let output = String::from_utf8_lossy(&answer.output).into_owned();
            // A group begins with the commit, two numbers and how many lines are its own.
            let group = |line: &str| {
                let words: Vec<&str> = line.split(' ').collect();
                let [sha, _, _, count] = words.as_slice() else { return None };
                Some((sha.parse().ok()?, count.parse().ok()?))
            };
            counts.extend(output.lines().filter(|line| !line.starts_with('\t')).filter_map(group));
        }
        Ok(counts)
    }

    /// The whole message of a commit.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks it, or git's own.
    pub async fn message(&self, commit: &Sha) -> Result<String, Error> {
        self.need(commit).await?;
        let call = self.git([
            "log",
            "-1",
            "--no-show-signature",
            "--encoding=UTF-8",
            "--format=%B",
            commit.as_str(),
        ]);
        Ok(String::from_utf8_lossy(&call.output().await?).into_owned())
    }
}

/// The lines of each file that a patch without context replaces.
fn replaced(patch: &str) -> Vec<(String, Vec<Range>)> {
    let mut files: Vec<(String, Vec<Range>)> = Vec::new();
    for line in patch.lines() {
        if let Some(path) = line.strip_prefix("--- a/") {
            files.push((path.trim_end_matches('\t').to_owned(), Vec::new()));
        } else if let Some(hunk) = line.strip_prefix("@@ -")
            && let (Some(range), Some((_, ranges))) = (range(hunk), files.last_mut())
        {
            ranges.push(range);
        }
    }
    files
}

/// `3,2 +3 @@`: the lines 3 and 4; `3,0 +4,2 @@`: lines were added below line 3, which counts.
fn range(hunk: &str) -> Option<Range> {
    let old = hunk.split(' ').next()?;
    let (first, count) = old.split_once(',').unwrap_or((old, "1"));
    let (first, count) = (first.parse::<u32>().ok()?, count.parse::<u32>().ok()?);
    match (first, count) {
        (0, _) => None,
        (first, 0) => Some((first, first)),
        (first, count) => Some((first, first + count - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_a_patch_replaces_are_read() {
        let patch = "diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -3,2 +3 @@ def f\n-a\n-b\n+c\n@@ -9,0 +9,2 @@\n+d\n+e\n\
                     --- a/y z.py\t\n@@ -1 +1 @@\n-x\n+y\n@@ -0,0 +1 @@\n";
        assert_eq!(
            replaced(patch),
            [("x.py".to_owned(), vec![(3, 4), (9, 9)]), ("y z.py".to_owned(), vec![(1, 1)])]
        );
    }
}
