//! What a push brings, looked at before any branch moves: its objects wait in a folder of their own.

use std::path::Path;

use anyhow::Context as _;

use super::git::{Git, succeed};

/// One reference that a push changes; no `before` creates it, no `after` deletes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) reference: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

/// A file of a pushed commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) path: String,
    pub(crate) bytes: u64,
}

impl Git {
    /// The same repository, with the objects of a pack in `quarantine`, which the branches do not reach.
    pub(crate) async fn with_pack(&self, quarantine: &Path, pack: &[u8]) -> anyhow::Result<Self> {
        std::fs::create_dir_all(quarantine.join("pack")).context("make the folder of a push's objects")?;
        let git = Self { quarantine: Some(quarantine.to_owned()), ..self.clone() };
        if !pack.is_empty() {
            succeed(git.command(["index-pack", "--stdin", "--fix-thin"]), pack).await?;
        }
        Ok(git)
    }

    /// The commits of `tip` that no branch or tag reaches, newest first.
    pub(crate) async fn new_commits(&self, tip: &str) -> anyhow::Result<Vec<String>> {
        let listing = self.text(["rev-list", tip, "--not", "--all"]).await?;
        Ok(listing.lines().map(str::to_owned).collect())
    }

    /// The files that the new commits of `tip` bring, by content.
    pub(crate) async fn new_blobs(&self, tip: &str) -> anyhow::Result<Vec<Blob>> {
        let listing = self.text(["rev-list", "--objects", tip, "--not", "--all"]).await?;
        let format = "--batch-check=%(objecttype) %(objectsize) %(rest)";
        let sizes = succeed(self.command(["cat-file", format]), listing.as_bytes()).await?;
        let sizes = String::from_utf8_lossy(&sizes).into_owned();
        let blob = |line: &str| {
            let (bytes, path) = line.strip_prefix("blob ")?.split_once(' ')?;
            Some(Blob { path: path.to_owned(), bytes: bytes.parse().ok()? })
        };
        Ok(sizes.lines().filter_map(blob).collect())
    }

    /// The paths that a commit changes; of a merge, those that differ from all of its parents.
    pub(crate) async fn paths_of(&self, commit: &str) -> anyhow::Result<Vec<String>> {
        let fixed = ["diff-tree", "-r", "-c", "--root", "--no-commit-id", "--name-only", "-z"];
        let listing = self.text(fixed.into_iter().chain([commit])).await?;
        Ok(listing.split_terminator('\0').map(str::to_owned).collect())
    }
}
