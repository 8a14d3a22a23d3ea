//! A product's repository on this machine: a bare mirror, its commits, its tests in the sandbox.
//!
//! Commits are made without a checkout and by fixed author, committer and date, so that the same
//! intent always has the same name. Nothing a repository contains is ever run outside the sandbox.

mod checkout;
mod commit;
mod git;
mod mirror;
mod remote;
mod sandbox;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::BoxFuture;
use secrecy::SecretString;

use crate::core::requirement::RepoName;

pub use checkout::Worktree;
pub use commit::{FileEdit, Merge, NewCommit};
pub use mirror::{Commit, Diff, Entry, Mirror, Signature};
pub use remote::Push;
pub use sandbox::{Limits, Sandbox, TestRun, Unavailable};

/// Where mirrors live, what they mirror, and who signs the commits.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory that holds the mirrors; several processes may share it.
    pub root: PathBuf,
    /// Where repositories are fetched from and pushed to.
    pub remote: Remote,
    /// How git proves who we are.
    pub credentials: Credentials,
    /// Author and committer of every commit that is made here.
    pub author: Signature,
}

/// The other side of every mirror.
#[derive(Debug, Clone)]
pub enum Remote {
    /// The base URL of a forge, such as `https://github.com`: a repository is `<base>/<owner>/<name>.git`.
    /// Plain `http` is accepted on loopback only.
    Url(String),
    /// A directory that holds `<owner>/<name>.git`: for tests and development.
    Local(PathBuf),
}

/// Mints the token for one repository, for instance a GitHub App's installation token of one hour.
/// The text of an error is shown to people and must hold no secret.
pub type Mint = Arc<dyn Fn(RepoName) -> BoxFuture<'static, Result<SecretString, String>> + Send + Sync>;

/// How git proves who we are. The token travels in the environment of git alone.
#[derive(Clone)]
pub enum Credentials {
    /// Not at all.
    None,
    /// By one token for everything.
    Token(SecretString),
    /// By a token that is made when it is needed.
    Minted(Mint),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token(..)",
            Self::Minted(_) => "Minted(..)",
        })
    }
}

/// What went wrong with a repository.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Git said no. The message is its own, without secrets, at most 2,000 characters.
    #[error("git {command} failed: {message}")]
    Git {
        /// The subcommand, such as `fetch`.
        command: String,
        /// What git wrote.
        message: String,
        /// The same call may succeed later: the network or the server was at fault.
        transient: bool,
    },
    /// Git took too long and was ended.
    #[error("git {command} did not end within {seconds} seconds and was stopped")]
    Timeout {
        /// The subcommand.
        command: String,
        /// The limit.
        seconds: u64,
    },
    /// More than we are willing to hold.
    #[error("{what} is larger than {limit} bytes")]
    TooLarge {
        /// What is too large.
        what: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The mirror does not hold this commit, or the two have no common history.
    #[error("{0}")]
    Missing(String),
    /// The request itself cannot be done to this repository.
    #[error("`{path}` is refused: {reason}")]
    Refused {
        /// The path, branch or address.
        path: String,
        /// Why, in words.
        reason: String,
    },
    /// The commit would equal its parent.
    #[error("the commit would change nothing")]
    Unchanged,
    /// No token could be had.
    #[error("no token for {repository}: {reason}")]
    Token {
        /// The repository.
        repository: String,
        /// Why.
        reason: String,
    },
    /// This machine is at fault.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The system's word.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the same call may succeed later without anyone doing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Git { transient, .. } => *transient,
            Self::Timeout { .. } | Self::Token { .. } => true,
            Self::TooLarge { .. }
            | Self::Missing(_)
            | Self::Refused { .. }
            | Self::Unchanged
            | Self::Io { .. } => false,
        }
    }

    /// Whether the forge does not accept our token: people mend that, without the run being touched.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        const SIGNS: [&str; 4] = [
            "Authentication failed",
            "could not read Username",
            "returned error: 401",
            "returned error: 403",
        ];
        matches!(self, Self::Git { message, .. } if SIGNS.iter().any(|sign| message.contains(sign)))
    }

    fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }

    fn refused(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Refused { path: path.into(), reason: reason.into() }
    }
}

/// Every mirror of this machine.
#[derive(Clone)]
pub struct Workspaces {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    locks: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Workspaces {
    /// Names the mirrors; nothing is touched yet.
    ///
    /// # Errors
    /// [`Error::Refused`] when the remote is neither https, nor http on loopback, nor a directory.
    pub fn new(config: Config) -> Result<Self, Error> {
        if let Remote::Url(base) = &config.remote {
            remote::check_base(base)?;
        }
        Ok(Self { shared: Arc::new(Shared { config, locks: Mutex::default() }) })
    }

    /// The mirror of one repository. It comes into being with its first [`Mirror::fetch`].
    #[must_use]
    pub fn mirror(&self, repository: &RepoName) -> Mirror {
        // GitHub's names ignore case, and so does the mirror's place.
        let place = repository.to_string().to_ascii_lowercase();
        let mut locks = self.shared.locks.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = Arc::clone(locks.entry(place.clone()).or_default());
        drop(locks);
        let config = &self.shared.config;
        let link = remote::Link {
            repository: repository.clone(),
            remote: config.remote.clone(),
            credentials: config.credentials.clone(),
            askpass: config.root.join("askpass.sh"),
            lock_file: config.root.join("locks").join(place.replace('/', "+")),
            lock,
        };
        Mirror::new(
            config.root.join("mirrors").join(format!("{place}.git")),
            config.author.clone(),
            Some(link),
        )
    }
}
