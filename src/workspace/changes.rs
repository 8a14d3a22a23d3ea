//! What a head changes: listed, counted, shown, and as its merge would change the base.
//!
//! A criss-cross history has several merge bases. The listing is the union over all of them, because the head can
//! undo what the base has against any one.

use std::collections::BTreeSet;

use super::{
    error::Error,
    git::Call,
    mirror::Mirror,
    names::{sha, shown},
};
use crate::core::{
    change::{Change, ChangeKind, FileChange},
    policy::{DIFF_LIMIT, MergePreview},
    sha::Sha,
};

const LARGEST_DIFF: usize = 4 << 20;

/// A unified diff for people and models. It may be cut, so no decision is based on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// The diff, at most 4 MiB.
    pub text: String,
    /// Whether it was cut.
    pub cut: bool,
}

impl Mirror {
    /// What `head` changes since it forked from `base`, as the policy reads it.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks a commit, or the two have no common history.
    pub async fn change(&self, base: &Sha, head: &Sha) -> Result<Change, Error> {
        let mut change = Change::default();
        for from in self.forks(base, head).await? {
            let listed = self.listing(&from, head).await?;
            let new = listed.beyond(&change);
            change.files.extend(new.files);
        }
        Ok(change)
    }

    /// How many files `head` changes if a rename is one file, as forges count; of several merge bases, the
    /// fewest.
    ///
    /// # Errors
    /// As [`Mirror::change`].
    pub async fn files_with_renames(&self, base: &Sha, head: &Sha) -> Result<u32, Error> {
        let mut fewest = u32::MAX;
        for from in self.forks(base, head).await? {
            let call = self.known(["diff-tree", "-r", "-M", "--no-ext-diff", "--ignore-submodules=none"]);
            let listing = call.and(["--raw", "-z", from.as_str(), head.as_str()]).output().await?;
            fewest = fewest.min(entries(&listing));
        }
        Ok(fewest)
    }

    /// The bytes of the textual diff, counted no further than just over [`DIFF_LIMIT`].
    ///
    /// # Errors
    /// As [`Mirror::change`].
    pub async fn diff_bytes(&self, base: &Sha, head: &Sha) -> Result<u64, Error> {
        let from = self.fork_point(base, head).await?;
        self.diff_bytes_from(&from, head).await
    }

    pub(super) async fn diff_bytes_from(&self, from: &Sha, head: &Sha) -> Result<u64, Error> {
        let limit = usize::try_from(DIFF_LIMIT).unwrap_or(usize::MAX).saturating_add(1);
        let call = self.difference(from.as_str(), head.as_str()).and(["--patch", "--no-color"]);
        Ok(call.cut_at(limit).ends_with(&[0]).await?.output.len() as u64)
    }

    /// The unified diff of what `head` changes since it forked from `base`, cut at 4 MiB.
    ///
    /// # Errors
    /// As [`Mirror::change`].
    pub async fn diff(&self, base: &Sha, head: &Sha) -> Result<Diff, Error> {
        let from = self.fork_point(base, head).await?;
        let call = self.difference(from.as_str(), head.as_str()).and(["--patch", "--no-color"]);
        let answer = call.cut_at(LARGEST_DIFF).ends_with(&[0]).await?;
        Ok(Diff { text: String::from_utf8_lossy(&answer.output).into_owned(), cut: answer.cut })
    }

    /// What the merge of both would change on `base` beyond `listed`, which is [`Mirror::change`] of the two.
    ///
    /// # Errors
    /// As [`Mirror::change`].
    pub async fn merge_preview(
        &self,
        base: &Sha,
        head: &Sha,
        listed: &Change,
    ) -> Result<MergePreview, Error> {
        self.forks(base, head).await?;
        let mut merged = self.merged_tree(base, head).await?;
        if !merged.is_clean && merged.conflicts.is_empty() {
            merged.conflicts.push("a path that git does not name".to_owned());
        }
        let beyond = self.listing(base, &merged.tree).await?.beyond(listed);
        Ok(MergePreview { beyond, conflicts: merged.conflicts })
    }

    /// The merge of two commits, made without a commit. Where both sides conflict the tree holds both.
    pub(super) async fn merged_tree(&self, ours: &Sha, theirs: &Sha) -> Result<MergedTree, Error> {
        self.merged_tree_over(None, ours, theirs).await
    }

    /// The same, as if this were the last common commit of both.
    pub(super) async fn merged_tree_over(
        &self,
        base: Option<&Sha>,
        ours: &Sha,
        theirs: &Sha,
    ) -> Result<MergedTree, Error> {
        let call = self.git(["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages"]);
        let call = base.into_iter().fold(call, |call, base| call.and([&*format!("--merge-base={base}")]));
        let answer = call.and([ours.as_str(), theirs.as_str()]).ends_with(&[0, 1]).await?;
        let mut fields = answer.output.split(|&byte| byte == 0).filter(|field| !field.is_empty());
        let tree = sha(String::from_utf8_lossy(fields.next().unwrap_or_default()).trim())?;
        let conflicts: BTreeSet<String> = fields.map(shown).collect();
        Ok(MergedTree { tree, is_clean: answer.code == 0, conflicts: conflicts.into_iter().collect() })
    }

    /// The last common commit of two histories, if there is one; of several, the first that git names.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks a commit.
    pub async fn merge_base(&self, one: &Sha, other: &Sha) -> Result<Option<Sha>, Error> {
        Ok(self.merge_bases(one, other).await?.into_iter().next())
    }

    /// Every last common commit of two histories.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks a commit.
    pub async fn merge_bases(&self, one: &Sha, other: &Sha) -> Result<Vec<Sha>, Error> {
        self.need(one).await?;
        self.need(other).await?;
        let call = self.known(["merge-base", "--all", one.as_str(), other.as_str()]);
        let answer = call.ends_with(&[0, 1]).await?;
        String::from_utf8_lossy(&answer.output).lines().map(sha).collect()
    }

    async fn forks(&self, base: &Sha, head: &Sha) -> Result<Vec<Sha>, Error> {
        let forks = self.merge_bases(base, head).await?;
        if forks.is_empty() {
            return Err(Error::Missing(format!("{base} and {head} have no common history")));
        }
        Ok(forks)
    }

    async fn fork_point(&self, base: &Sha, head: &Sha) -> Result<Sha, Error> {
        Ok(self.forks(base, head).await?.swap_remove(0))
    }

    /// Every path that differs between two commits or trees.
    pub(super) async fn listing(&self, from: &Sha, to: &Sha) -> Result<Change, Error> {
        let call = self.difference(from.as_str(), to.as_str());
        let raw = call.and(["--raw", "-z", "--no-abbrev"]).output().await?;
        let unreadable = |error| Error::Git {
            command: "diff-tree".to_owned(),
            message: format!("its listing could not be read: {error}"),
            transient: false,
        };
        let mut change = Change::from_raw_diff(&raw).map_err(unreadable)?;
        let may_be_blank = |file: &FileChange| {
            file.kind == ChangeKind::Modified && file.old_mode == file.new_mode && !file.odd
        };
        if change.files.iter().any(may_be_blank) {
            let non_blank = self.non_blank(from, to).await?;
            for file in change.files.iter_mut().filter(|file| may_be_blank(file)) {
                file.blank = !non_blank.contains(file.path.as_bytes());
            }
        }
        Ok(change)
    }

    fn difference(&self, from: &str, to: &str) -> Call<'_> {
        let listing = self.known(["diff-tree", "-r", "--no-renames", "--no-ext-diff", "--no-textconv"]);
        listing.and(["--ignore-submodules=none", from, to])
    }

    /// The paths in which more than white space differs.
    async fn non_blank(&self, from: &Sha, to: &Sha) -> Result<BTreeSet<Vec<u8>>, Error> {
        let call = self.difference(from.as_str(), to.as_str());
        let call = call.and(["--numstat", "-z", "--ignore-all-space", "--ignore-blank-lines"]);
        let listing = call.output().await?;
        let mut non_blank = BTreeSet::new();
        for record in listing.split(|&byte| byte == 0) {
            let mut fields = record.splitn(3, |&byte| byte == b'\t');
            if let (Some(added), Some(removed), Some(path)) = (fields.next(), fields.next(), fields.next())
                && (added, removed) != (&b"0"[..], &b"0"[..])
            {
                non_blank.insert(path.to_vec());
            }
        }
        Ok(non_blank)
    }
}

/// How many entries a raw listing has, in which a rename is one entry with two paths.
fn entries(listing: &[u8]) -> u32 {
    let mut fields = listing.split(|&byte| byte == 0);
    let mut count = 0;
    while let Some(head) = fields.next().filter(|head| !head.is_empty()) {
        let status = head.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
        let paths = if status.starts_with(b"R") || status.starts_with(b"C") { 2 } else { 1 };
        fields.nth(paths - 1);
        count += 1;
    }
    count
}

/// The tree of a merge, and the paths that conflict in it.
pub(super) struct MergedTree {
    pub(super) tree: Sha,
    pub(super) is_clean: bool,
    /// May be empty although it is not clean, where no one path conflicts.
    pub(super) conflicts: Vec<String>,
}
