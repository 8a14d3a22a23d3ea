//! The settings of a workspace: directories, remote, credentials, author.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use secrecy::SecretString;

use crate::core::{outage::Outage, requirement::RepoName};

/// Where mirrors are kept, what they mirror, and who authors commits.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory that holds the mirrors; several processes may share it.
    pub root: PathBuf,
    /// Where repositories are fetched from and pushed to.
    pub remote: Remote,
    /// How git authenticates.
    pub credentials: Credentials,
    /// The author and committer of every commit made here.
    pub author: Signature,
}

/// The author or committer of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name.
    pub name: String,
    /// The email address.
    pub email: String,
}

/// The remote of every mirror.
#[derive(Debug, Clone)]
pub enum Remote {
    /// The base URL of a forge, such as `https://github.com`: a repository is `<base>/<owner>/<name>.git`.
    /// Plain `http` is accepted on loopback only.
    Url(String),
    /// A directory that holds `<owner>/<name>.git`: for tests and development.
    Local(PathBuf),
}

/// How git reaches one repository for one operation.
#[derive(Debug, Clone)]
pub struct Access {
    /// The repository's name now, which is another one if it was renamed.
    pub repository: RepoName,
    /// The token, which may be valid for an hour only.
    pub token: SecretString,
}

/// Why there is no [`Access`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoAccess {
    /// The reason, for people; without a secret.
    pub reason: String,
    /// The key of the limit that held the call back, and for how long it does.
    pub held: Option<(String, Duration)>,
    /// The least wait that the other side asked for.
    pub after: Option<Duration>,
    /// The outage that held the call back or made it fail.
    pub outage: Option<Outage>,
}

/// Creates the access for one repository; asked for each operation that reaches the remote.
pub type Mint = Arc<dyn Fn(RepoName) -> BoxFuture<'static, Result<Access, NoAccess>> + Send + Sync>;

/// How git authenticates. The token is passed in the environment of git alone.
#[derive(Clone)]
pub enum Credentials {
    /// Without credentials.
    None,
    /// With one token for all repositories.
    Token(SecretString),
    /// With a token that is created when it is needed.
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
