//! Fetches into the mirror, and pushes a branch unless someone else moved it.

use std::path::Path;

use super::{
    error::Error,
    git::Call,
    mirror::Mirror,
    names::{reference, sha},
};
use crate::core::sha::Sha;

/// Every branch.
const HEADS: &str = "+refs/heads/*:refs/heads/*";

/// The result of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// The branch is at the pushed commit, by this push or an earlier one.
    Done,
    /// Someone else created, moved or deleted the branch; nothing was pushed.
    Moved {
        /// Where it is now, if it exists.
        now: Option<Sha>,
    },
}

impl Mirror {
    /// Updates every branch, and creates the mirror if it does not exist yet. Commits that no branch reaches any
    /// longer are kept.
    ///
    /// # Errors
    /// [`Error::Git`] when git fails; transient when the network or the server is at fault.
    pub async fn fetch(&self) -> Result<(), Error> {
        self.fetch_all(&[HEADS]).await
    }

    /// The same, with the head of a pull request: its branch may be in another repository, or gone since it was merged. GitHub
    /// keeps it in the repository of the base, as `refs/pull/<number>/head`. docs.github.com "Checking out pull requests
    /// locally". It becomes no branch here.
    ///
    /// # Errors
    /// As [`Mirror::fetch`].
    pub async fn fetch_pull(&self, number: u64) -> Result<(), Error> {
        self.fetch_all(&[HEADS, &format!("+refs/pull/{number}/head:refs/pull/{number}/head")]).await
    }

    /// Updates every tag, with all that it reaches; one that is gone at the remote is removed.
    ///
    /// # Errors
    /// As [`Mirror::fetch`].
    pub async fn fetch_tags(&self) -> Result<(), Error> {
        self.fetch_all(&["+refs/tags/*:refs/tags/*"]).await
    }

    async fn fetch_all(&self, references: &[&str]) -> Result<(), Error> {
        let link = self.link()?;
        let _held = link.hold().await?;
        self.create().await?;
        let (call, url) =
            link.call(self.path(), ["fetch", "--quiet", "--prune", "--no-tags", "--force"]).await?;
        let call = call.and(["--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance"]);
        let call = references.iter().fold(call.and([&url]), |call, reference| call.and([reference]));
        link.over_network(call).await?;
        Ok(())
    }

    /// Where a branch is at the remote right now.
    ///
    /// # Errors
    /// As [`Mirror::fetch`]; [`Error::Refused`] for an invalid branch name.
    pub async fn remote_branch(&self, name: &str) -> Result<Option<Sha>, Error> {
        let reference = reference(name)?;
        let link = self.link()?;
        if !self.exists() {
            let _held = link.hold().await?;
            self.create().await?;
        }
        let (call, url) = link.call(self.path(), ["ls-remote", "--quiet", "--refs"]).await?;
        let listing = link.over_network(call.and([&url, &reference])).await?;
        let listing = String::from_utf8_lossy(&listing);
        // The pattern also matches `refs/heads/x/refs/heads/<name>`, so the whole name is compared.
        let found = listing.lines().filter_map(|line| line.split_once('\t')).find(|(_, at)| *at == reference);
        found.map(|(name, _)| sha(name)).transpose()
    }

    /// Moves a branch to `sha` if it is still at `expected` (`None`: does not exist). Never rewinds.
    ///
    /// # Errors
    /// [`Error::Refused`] when `sha` does not contain `expected`, [`Error::Missing`] when the mirror lacks
    /// either of them, [`Error::Declined`] when the forge's rules forbid the push; otherwise as [`Mirror::fetch`].
    pub async fn push(&self, branch: &str, sha: &Sha, expected: Option<&Sha>) -> Result<Push, Error> {
        let reference = reference(branch)?;
        if let Some(expected) = expected
            && !self.is_ancestor(expected, sha).await?
        {
            return Err(Error::refused(branch, format!("{sha} does not contain {expected}")));
        }
        let lease = format!("--force-with-lease={reference}:{}", expected.map_or("", Sha::as_str));
        let link = self.link()?;
        let (call, url) =
            link.call(self.path(), ["push", "--quiet", "--porcelain", "--no-verify", "--no-signed"]).await?;
        let call = call.and(["--recurse-submodules=no", &lease, &url, &format!("{sha}:{reference}")]);
        let error = match link.over_network(call).await {
            Ok(_) => return Ok(Push::Done),
            Err(declined @ Error::Declined(_)) => return Err(declined),
            Err(error) => error,
        };
        // Either only the answer was lost, or the branch has moved; where the branch is now decides.
        let now = self.remote_branch(branch).await?;
        match now {
            Some(now) if now == *sha => Ok(Push::Done),
            now if now.as_ref() != expected => Ok(Push::Moved { now }),
            Some(_) | None => Err(error),
        }
    }

    async fn create(&self) -> Result<(), Error> {
        if self.exists() {
            return Ok(());
        }
        let parent = self.path().parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(parent).map_err(Error::io("create the directory of the mirrors"))?;
        let fresh = tempfile::tempdir_in(parent).map_err(Error::io("create the directory of a mirror"))?;
        Call::new(fresh.path(), ["init", "--quiet", "--bare", "--template="]).output().await?;
        // Renamed when complete: a process that dies before leaves a directory that is never used.
        std::fs::rename(fresh.path(), self.path()).map_err(Error::io("rename the mirror to its place"))
    }
}
