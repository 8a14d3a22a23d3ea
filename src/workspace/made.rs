//! Recognises the commits that the forge makes for us, in which the forge's name and date are.

use super::{error::Error, mirror::Mirror, names::sha};
use crate::core::{path::RepoPath, sha::Sha};

const EXECUTABLE: u32 = 0o100_755;

/// What a commit says, without who made it and when.
struct Content {
    parents: String,
    tree: String,
    trailers: Vec<String>,
}

impl Mirror {
    /// Whether the forge's commit says what ours does: the same parents, the same tree, and all of our trailers, which
    /// name the run and the effect. The forge may add trailers of its own.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks a commit.
    pub async fn is_made_as(&self, made: &Sha, ours: &Sha) -> Result<bool, Error> {
        let (made, ours) = (self.content(made).await?, self.content(ours).await?);
        let has_trailers = ours.trailers.iter().all(|line| made.trailers.contains(line));
        Ok(made.parents == ours.parents && made.tree == ours.tree && has_trailers)
    }

    /// The parents of a commit, first parent first.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks the commit.
    pub async fn parents(&self, commit: &Sha) -> Result<Vec<Sha>, Error> {
        self.content(commit).await?.parents.split_ascii_whitespace().map(sha).collect()
    }

    /// Which of these files are executable at a commit.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks the commit.
    pub async fn executables<'a>(
        &self,
        commit: &Sha,
        paths: impl Iterator<Item = &'a RepoPath>,
    ) -> Result<Vec<&'a RepoPath>, Error> {
        let leaves = self.leaves(commit).await?;
        let is_executable = |path: &&RepoPath| {
            leaves.iter().any(|leaf| leaf.mode == EXECUTABLE && leaf.path == path.as_str().as_bytes())
        };
        Ok(paths.filter(is_executable).collect())
    }

    async fn content(&self, commit: &Sha) -> Result<Content, Error> {
        self.need(commit).await?;
        let format = "--format=%P%x00%T%x00%(trailers:only=true,unfold=true)";
        let call = self.known(["log", "--max-count=1", "--no-show-signature", "--encoding=UTF-8"]);
        let text = call.and([format, commit.as_str()]).output().await?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let mut fields = text.splitn(3, '\0').map(str::to_owned);
        let mut next = || fields.next().unwrap_or_default();
        Ok(Content {
            parents: next(),
            tree: next(),
            trailers: next().lines().filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        })
    }
}
