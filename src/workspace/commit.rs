//! Commits made from plumbing: no checkout, and the same input always gives the same name.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use chrono::{DateTime, Utc};

use super::{
    Error, Mirror,
    git::Call,
    mirror::{Leaf, is_file, sha, shown},
};
use crate::core::{path::RepoPath, sha::Sha};

/// One file as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEdit {
    /// The file.
    pub path: RepoPath,
    /// Its whole new content; `None` deletes it.
    pub content: Option<Vec<u8>>,
}

/// A commit to be made. Author and committer are the factory's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit {
    /// What it builds on.
    pub parent: Sha,
    /// What it changes; a path may stand here once.
    pub files: Vec<FileEdit>,
    /// The whole message, trailers included.
    pub message: String,
    /// The date of author and committer, whole seconds.
    pub at: DateTime<Utc>,
}

/// What came of bringing two histories together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merge {
    /// The commit that holds both.
    Made(Sha),
    /// These paths were changed on both sides; nothing was made.
    Conflict(Vec<String>),
}

impl Mirror {
    /// Makes a commit in the mirror; nobody sees it before it is pushed. A file keeps its mode.
    ///
    /// # Errors
    /// [`Error::Refused`] for a path that stands twice, is or leads through a symlink, submodule or file,
    /// is a directory, or is to be deleted and is not there; [`Error::Unchanged`] for a commit of nothing.
    pub async fn commit(&self, new: &NewCommit) -> Result<Sha, Error> {
        let leaves = self.leaves(&new.parent).await?;
        let modes = modes(&leaves, &new.files)?;
        let mut lines = Vec::new();
        for (edit, mode) in new.files.iter().zip(modes) {
            let (mode, object) = match &edit.content {
                Some(content) => (format!("{mode:o}"), self.store(content).await?),
                None => ("0".to_owned(), "0".repeat(40)),
            };
            lines.extend_from_slice(format!("{mode} {object}\t{}\0", edit.path).as_bytes());
        }
        let tree = self.tree(&new.parent, lines).await?;
        if tree == self.git(["rev-parse", &format!("{}^{{tree}}", new.parent)]).line().await? {
            return Err(Error::Unchanged);
        }
        self.seal(&tree, &[&new.parent], &new.message, new.at).await
    }

    /// Brings `theirs` into `ours` by a merge commit; `ours` itself when it already holds `theirs`.
    ///
    /// # Errors
    /// [`Error::Missing`] when a commit is not here or the two have no common history.
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
        let call = self.git(["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages"]);
        let answer = call.and([ours.as_str(), theirs.as_str()]).ends_with(&[0, 1]).await?;
        let mut fields = answer.output.split(|&byte| byte == 0).filter(|field| !field.is_empty());
        let tree = String::from_utf8_lossy(fields.next().unwrap_or_default()).trim().to_owned();
        if answer.code == 1 {
            let paths: BTreeSet<String> = fields.map(shown).collect();
            return Ok(Merge::Conflict(paths.into_iter().collect()));
        }
        self.seal(&tree, &[ours, theirs], message, at).await.map(Merge::Made)
    }

    async fn store(&self, content: &[u8]) -> Result<String, Error> {
        self.git(["hash-object", "-w", "--no-filters", "--stdin"]).input(content).line().await
    }

    /// The tree of `parent` with these lines put over it, by an index of its own.
    async fn tree(&self, parent: &Sha, lines: Vec<u8>) -> Result<String, Error> {
        let place = tempfile::tempdir().map_err(Error::io("make a directory for an index"))?;
        let index = place.path().join("index");
        indexed(self.git(["read-tree", parent.as_str()]), &index).output().await?;
        indexed(self.git(["update-index", "-z", "--index-info"]), &index).input(lines).output().await?;
        indexed(self.git(["write-tree"]), &index).line().await
    }

    async fn seal(
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

/// The mode that each edited file shall have, or why one of them may not be edited.
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
