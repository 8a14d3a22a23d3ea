//! Creates commits with plumbing commands: no checkout, and the same input always gives the same SHA.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use chrono::{DateTime, Utc};

use super::{
    error::Error,
    git::Call,
    mirror::{Leaf, Mirror, is_file},
    names::{sha, shown},
};
use crate::core::{
    clash::{Clash, clashes},
    path::RepoPath,
    sha::Sha,
};

/// One file after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// The path.
    pub path: RepoPath,
    /// Its whole new content; `None` deletes it.
    pub content: Option<Vec<u8>>,
}

/// A commit to create. Author and committer are those of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit {
    /// Its parent.
    pub parent: Sha,
    /// The files that it changes, each path once.
    pub files: Vec<FileEdit>,
    /// The whole message, trailers included.
    pub message: String,
    /// The date of author and committer, whole seconds.
    pub at: DateTime<Utc>,
}

/// The result of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// The commit that contains both.
    Made(Sha),
    /// Both sides changed these paths; no commit was created.
    Conflict(Vec<String>),
}

impl Mirror {
    /// Creates a commit in the mirror, which the remote gets only by a push. A file keeps its mode.
    ///
    /// # Errors
    /// [`Error::Refused`] for a path that is given twice, is or leads through a symlink, submodule or file, is a
    /// directory, is to be deleted and does not exist, or is an existing path but for letter case or Unicode form; [`Error::Unchanged`] for a commit without a change.
    pub async fn commit(&self, new: &NewCommit) -> Result<Sha, Error> {
        let leaves = self.leaves(&new.parent).await?;
        let modes = modes(&leaves, &new.files)?;
        if let Some(clash) = clashes_of(&leaves, &new.files).into_iter().next() {
            return Err(Error::refused(&clash.path, clash.sentence()));
        }
        let mut lines = Vec::new();
        for (edit, mode) in new.files.iter().zip(modes) {
            let (mode, object) = match &edit.content {
                Some(content) => (format!("{mode:o}"), self.store(content).await?),
                None => ("0".to_owned(), "0".repeat(40)),
            };
            lines.extend_from_slice(format!("{mode} {object}\t{}\0", edit.path).as_bytes());
        }
        let tree = self.tree(&new.parent, lines).await?;
        if tree == self.known(["rev-parse", &format!("{}^{{tree}}", new.parent)]).line().await? {
            return Err(Error::Unchanged);
        }
        self.commit_tree(&tree, &[&new.parent], &new.message, new.at).await
    }

    /// The new paths of a change that are existing paths of `parent` where letter case or Unicode form does not count.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks the commit.
    pub async fn clashes(&self, parent: &Sha, files: &[FileEdit]) -> Result<Vec<Clash>, Error> {
        Ok(clashes_of(&self.leaves(parent).await?, files))
    }

    /// Merges `theirs` into `ours` by a merge commit; `ours` itself if it already contains `theirs`.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks a commit, or the two have no common history.
    pub async fn merge(
        &self,
        ours: &Sha,
        theirs: &Sha,
        message: &str,
        at: DateTime<Utc>,
    ) -> Result<Merge, Error> {
        match self.merge_base(ours, theirs).await? {
            None => return Err(Error::Missing(format!("{ours} and {theirs} have no common history"))),
            Some(base) if base == *theirs => return Ok(Merge::Made(ours.clone())),
            Some(_) => {}
        }
        let merged = self.merged_tree(ours, theirs).await?;
        if !merged.is_clean {
            return Ok(Merge::Conflict(merged.conflicts));
        }
        self.commit_tree(merged.tree.as_str(), &[ours, theirs], message, at).await.map(Merge::Made)
    }

    async fn store(&self, content: &[u8]) -> Result<String, Error> {
        self.git(["hash-object", "-w", "--no-filters", "--stdin"]).input(content).line().await
    }

    /// The tree of `parent` with these index lines applied, in an index of its own.
    async fn tree(&self, parent: &Sha, lines: Vec<u8>) -> Result<String, Error> {
        let directory = tempfile::tempdir().map_err(Error::io("create a directory for an index"))?;
        let index = directory.path().join("index");
        indexed(self.git(["read-tree", parent.as_str()]), &index).output().await?;
        indexed(self.git(["update-index", "-z", "--index-info"]), &index).input(lines).output().await?;
        indexed(self.git(["write-tree"]), &index).line().await
    }

    pub(super) async fn commit_tree(
        &self,
        tree: &str,
        parents: &[&Sha],
        message: &str,
        at: DateTime<Utc>,
    ) -> Result<Sha, Error> {
        let (author, date) = (self.author(), format!("@{} +0000", at.timestamp()));
        let mut call = self.git(["commit-tree", tree]);
        for parent in parents {
            call = call.and(["-p", parent.as_str()]);
        }
        let line = call
            .variable("GIT_AUTHOR_NAME", &author.name)
            .variable("GIT_AUTHOR_EMAIL", &author.email)
            .variable("GIT_AUTHOR_DATE", &date)
            .variable("GIT_COMMITTER_NAME", &author.name)
            .variable("GIT_COMMITTER_EMAIL", &author.email)
            .variable("GIT_COMMITTER_DATE", &date)
            .input(message)
            .line()
            .await?;
        sha(&line)
    }
}

fn indexed<'a>(call: Call<'a>, index: &Path) -> Call<'a> {
    call.variable("GIT_INDEX_FILE", index.display().to_string())
}

fn clashes_of(leaves: &[Leaf], edits: &[FileEdit]) -> Vec<Clash> {
    let there: BTreeSet<&[u8]> = leaves.iter().map(|leaf| &leaf.path[..]).collect();
    let deleted: BTreeSet<&[u8]> = edits
        .iter()
        .filter(|edit| edit.content.is_none())
        .map(|edit| edit.path.as_str().as_bytes())
        .collect();
    let existing: Vec<String> = there.difference(&deleted).map(|path| shown(path)).collect();
    let new = edits.iter().filter(|edit| edit.content.is_some()).map(|edit| edit.path.as_str());
    clashes(new.filter(|path| !there.contains(path.as_bytes())), &existing)
}

/// The mode of each edited file, or why one of them cannot be edited.
fn modes(leaves: &[Leaf], edits: &[FileEdit]) -> Result<Vec<u32>, Error> {
    let there: BTreeMap<&[u8], u32> = leaves.iter().map(|leaf| (&leaf.path[..], leaf.mode)).collect();
    let mut seen = BTreeSet::new();
    let mode = |edit: &FileEdit| {
        let path = edit.path.as_str();
        let refuse = |reason: &str| Err(Error::refused(path, reason));
        if !seen.insert(path.to_owned()) {
            return refuse("it is edited twice");
        }
        let mut above = path.match_indices('/').map(|(at, _)| &path[..at]);
        if let Some(above) = above.find(|above| there.contains_key(above.as_bytes())) {
            return refuse(&format!("`{above}` is not a directory"));
        }
        let inside = format!("{path}/");
        if there
            .range(inside.as_bytes()..)
            .next()
            .is_some_and(|(first, _)| first.starts_with(inside.as_bytes()))
        {
            return refuse("it is a directory");
        }
        match there.get(path.as_bytes()) {
            Some(mode) if is_file(*mode) => Ok(*mode),
            Some(_) => refuse("it is a symlink or a submodule"),
            None if edit.content.is_none() => refuse("it is to be deleted and does not exist"),
            None => Ok(0o100_644),
        }
    };
    edits.iter().map(mode).collect()
}
