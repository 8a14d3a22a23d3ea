//! Takes a merge back: what it changed is undone on a newer commit, by git's own three-way merge.

use chrono::DateTime;

use super::{
    error::Error,
    mirror::{Commit, Mirror, is_file},
};
use crate::core::{edit::Written, path::RepoPath, sha::Sha};

/// What taking a merge back comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenBack {
    /// These files change.
    Changes(Vec<Written>),
    /// Nothing of the merge is left.
    Nothing,
    /// What was merged since changed these paths too.
    Conflict(Vec<String>),
}

impl Mirror {
    /// The commit on which a merge rests: the first parent of a merge or of a squashed commit, and of a rebase the commit before
    /// the first one of the pull request with this head.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks a commit, or `merged` is the first commit of all; [`Error::Refused`] where it
    /// cannot be known how many commits a rebase made.
    pub async fn before_merge(&self, merged: &Sha, head: &Sha) -> Result<Sha, Error> {
        let parents = self.parents(merged).await?;
        let first = match &parents[..] {
            [] => return Err(Error::Missing(format!("{merged} has no parent"))),
            [_, _, ..] => return Ok(parents[0].clone()),
            [only] => only.clone(),
        };
        let fork = self.merge_base(merged, head).await?;
        let Some(fork) = fork else { return Ok(first) };
        let of_pull = self.commits(&fork, head).await?;
        let of_pull: Vec<&Commit> = of_pull.iter().filter(|commit| commit.parents.len() < 2).collect();
        let last = of_pull.last().map(|commit| commit.message.as_str());
        if of_pull.len() < 2 || last != Some(self.only(merged, &first).await?.message.as_str()) {
            return Ok(first);
        }
        self.before_rebase(merged, &of_pull).await
    }

    /// The commit before the first one of a rebase, which ends at `merged`.
    async fn before_rebase(&self, merged: &Sha, of_pull: &[&Commit]) -> Result<Sha, Error> {
        let mut at = merged.clone();
        for expected in of_pull.iter().rev() {
            let parents = self.parents(&at).await?;
            let is_next = match &parents[..] {
                [parent] => self.only(&at, parent).await?.message == expected.message,
                _ => false,
            };
            if !is_next {
                return Err(Error::refused(
                    merged.to_string(),
                    "its commits are not those of the pull request, so it is not known how many belong to it",
                ));
            }
            at = parents[0].clone();
        }
        Ok(at)
    }

    /// One commit, of which the parent is known.
    async fn only(&self, commit: &Sha, parent: &Sha) -> Result<Commit, Error> {
        let mut between = self.commits(parent, commit).await?;
        between.pop().ok_or_else(|| Error::Missing(format!("{commit} is not after {parent}")))
    }

    /// What changes on `onto` when that is undone which `merged` changed since `before`. Commits nothing that anybody sees.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks a commit; [`Error::Refused`] for a path that is no plain text file, or
    /// whose mode changes.
    pub async fn taken_back(&self, merged: &Sha, before: &Sha, onto: &Sha) -> Result<TakenBack, Error> {
        for commit in [merged, before, onto] {
            self.need(commit).await?;
        }
        let tree = self.merged_tree_over(Some(merged), onto, before).await?;
        if !tree.is_clean {
            return Ok(TakenBack::Conflict(tree.conflicts));
        }
        let listed = self.listing(onto, &tree.tree).await?;
        if listed.files.is_empty() {
            return Ok(TakenBack::Nothing);
        }
        let (message, at) = ("what a merge changed, taken back", DateTime::UNIX_EPOCH);
        let after = self.commit_tree(tree.tree.as_str(), &[onto], message, at).await?;
        let mut files = Vec::new();
        for file in &listed.files {
            let refuse = |reason: &str| Error::refused(&file.path, reason);
            let is_plain = |mode: u32| mode == 0 || is_file(mode);
            let path: RepoPath =
                file.path.parse().map_err(|_| refuse("no file of such a name is written"))?;
            if file.odd || !is_plain(file.old_mode) || !is_plain(file.new_mode) {
                return Err(refuse(
                    "it is a symlink, a submodule or has an odd name; revert the merge by hand",
                ));
            }
            let keeps_mode = file.old_mode == file.new_mode || file.old_mode == 0 || file.new_mode == 0;
            if !keeps_mode || file.old_mode == 0 && file.new_mode != 0o100_644 {
                return Err(refuse("its mode changes; revert the merge by hand"));
            }
            let old = self.read(onto, &path).await?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let new = self.read(&after, &path).await?.map(String::from_utf8).transpose();
            let new = new.map_err(|_| refuse("it is no text; revert the merge by hand"))?;
            files.push(Written { path, before: old, after: new });
        }
        Ok(TakenBack::Changes(files))
    }
}
