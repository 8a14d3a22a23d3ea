//! The other side: fetching into the mirror and pushing a branch that nobody else has moved.

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::ExposeSecret as _;
use tokio::sync::OwnedMutexGuard;

use super::{Credentials, Error, Mirror, Remote, git::Call, mirror::sha};
use crate::core::{requirement::RepoName, sha::Sha};

/// The only place where git finds the token.
pub(super) const TOKEN_VARIABLE: &str = "ASPORA_GIT_TOKEN";

const ASKPASS: &str = "#!/bin/sh\n\
    # Answers git's questions for a user and a password; the token is in the environment of git alone.\n\
    case \"$1\" in Username*) echo x-access-token ;; *) printf '%s\\n' \"$ASPORA_GIT_TOKEN\" ;; esac\n";

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// The branch stands where it was meant to, by this push or by an earlier one.
    Done,
    /// Someone else moved, made or removed the branch; nothing was pushed.
    Moved {
        /// Where it stands now, if it exists.
        now: Option<Sha>,
    },
}

/// How a mirror reaches its other side.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) repository: RepoName,
    pub(super) remote: Remote,
    pub(super) credentials: Credentials,
    pub(super) askpass: PathBuf,
    pub(super) lock_file: PathBuf,
    pub(super) lock: Arc<tokio::sync::Mutex<()>>,
}

impl Mirror {
    /// Brings every branch up to date, making the mirror first if there is none. Commits that a branch
    /// no longer reaches are kept.
    ///
    /// # Errors
    /// As git says; transient when the network or the server is at fault.
    pub async fn fetch(&self) -> Result<(), Error> {
        let link = self.link()?;
        let _held = link.hold().await?;
        self.create().await?;
        let (call, url) = link.call(self, ["fetch", "--quiet", "--prune", "--no-tags", "--force"]).await?;
        call.and(["--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance"])
            .and([&url, "+refs/heads/*:refs/heads/*"])
            .output()
            .await?;
        Ok(())
    }

    /// Where a branch stands on the other side right now.
    ///
    /// # Errors
    /// As [`Mirror::fetch`]; [`Error::Refused`] for a name that is no branch's.
    pub async fn remote_branch(&self, name: &str) -> Result<Option<Sha>, Error> {
        let reference = reference(name)?;
        let link = self.link()?;
        if !self.exists() {
            let _held = link.hold().await?;
            self.create().await?;
        }
        let (call, url) = link.call(self, ["ls-remote", "--quiet", "--refs"]).await?;
        let listing = call.and([&url, &reference]).line().await?;
        // The pattern also matches `refs/heads/x/refs/heads/<name>`, so the whole name is compared.
        let found = listing.lines().filter_map(|line| line.split_once('\t')).find(|(_, at)| *at == reference);
        found.map(|(name, _)| sha(name)).transpose()
    }

    /// Puts a branch at `sha` if it still stands at `expected` (`None`: does not exist). Never rewinds.
    ///
    /// # Errors
    /// [`Error::Refused`] when `sha` does not contain `expected`, [`Error::Missing`] when the mirror lacks
    /// either of them; otherwise as [`Mirror::fetch`].
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
            link.call(self, ["push", "--quiet", "--porcelain", "--no-verify", "--no-signed"]).await?;
        let call = call.and(["--recurse-submodules=no", &lease, &url, &format!("{sha}:{reference}")]);
        let Err(error) = call.output().await else { return Ok(Push::Done) };
        // The answer may have been lost on its way, or the lease: the branch itself tells which.
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
        std::fs::create_dir_all(parent).map_err(Error::io("make the directory of the mirrors"))?;
        let fresh = tempfile::tempdir_in(parent).map_err(Error::io("make the directory of a mirror"))?;
        Call::new(fresh.path(), ["init", "--quiet", "--bare", "--template="]).output().await?;
        // Whole or not at all: a process that dies half-way leaves a directory that nobody uses.
        std::fs::rename(fresh.path(), self.path()).map_err(Error::io("put the mirror in its place"))
    }
}

impl Link {
    /// One writer per mirror, among our own tasks and among the processes that share the directory.
    async fn hold(&self) -> Result<(OwnedMutexGuard<()>, File), Error> {
        let ours = Arc::clone(&self.lock).lock_owned().await;
        let path = self.lock_file.clone();
        let lock = move || {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            let file = File::create(path)?;
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
            Ok(file)
        };
        let file = tokio::task::spawn_blocking(lock).await.unwrap_or_else(|error| Err(error.into()));
        Ok((ours, file.map_err(Error::io("lock the mirror"))?))
    }

    /// A call over the one transport that this remote needs, and the remote's address.
    async fn call<'a, const N: usize>(
        &self,
        mirror: &'a Mirror,
        args: [&str; N],
    ) -> Result<(Call<'a>, String), Error> {
        let repository = &self.repository;
        let (protocol, url) = match &self.remote {
            Remote::Url(base) => {
                let protocol = if base.starts_with("http://") { "http" } else { "https" };
                (protocol, format!("{}/{repository}.git", base.trim_end_matches('/')))
            }
            Remote::Local(root) => ("file", root.join(format!("{repository}.git")).display().to_string()),
        };
        let call = Call::new(mirror.path(), args).protocol(protocol);
        let Some(token) = self.token().await? else { return Ok((call, url)) };
        write_askpass(&self.askpass).map_err(Error::io("write the askpass script"))?;
        let askpass = self.askpass.display().to_string();
        Ok((call.variable("GIT_ASKPASS", askpass).variable(TOKEN_VARIABLE, token.expose_secret()), url))
    }

    async fn token(&self) -> Result<Option<secrecy::SecretString>, Error> {
        match &self.credentials {
            Credentials::None => Ok(None),
            Credentials::Token(token) => Ok(Some(token.clone())),
            Credentials::Minted(mint) => mint(self.repository.clone())
                .await
                .map(Some)
                .map_err(|reason| Error::Token { repository: self.repository.to_string(), reason }),
        }
    }
}

/// Accepts https everywhere and http on loopback, without user, query or fragment.
pub(super) fn check_base(base: &str) -> Result<(), Error> {
    let refuse = |reason: &str| Err(Error::refused(base.split('@').next_back().unwrap_or_default(), reason));
    let Ok(url) = url::Url::parse(base) else { return refuse("not a URL") };
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => return refuse("the URL names no host"),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("a token belongs in its own setting, never in the URL");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("the URL ends after its path");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        _ => refuse("https is needed (http on loopback only)"),
    }
}

/// The full name of a branch, if git would accept it and no option hides in it.
pub(super) fn reference(branch: &str) -> Result<String, Error> {
    let forbidden = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    let part = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    let wrong = branch.len() > 200
        || branch.contains(forbidden)
        || branch.split('/').any(part)
        || branch.contains("..")
        || branch.contains("@{")
        || branch.starts_with('-')
        || branch.ends_with('.')
        || branch == "@";
    if wrong {
        let shown: String = branch.chars().take(60).collect();
        return Err(Error::refused(shown.escape_debug().to_string(), "not the name of a branch"));
    }
    Ok(format!("refs/heads/{branch}"))
}

fn write_askpass(path: &Path) -> std::io::Result<()> {
    if std::fs::read(path).is_ok_and(|now| now == ASKPASS.as_bytes()) {
        return Ok(());
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(ASKPASS.as_bytes())?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o700))?;
    file.into_temp_path().persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_https_or_http_on_loopback() {
        for good in
            ["https://github.com", "http://127.0.0.1:3999", "http://[::1]:1/git", "http://localhost:80"]
        {
            assert!(check_base(good).is_ok(), "{good}");
        }
        for bad in [
            "http://github.com",
            "http://127.0.0.1.evil.example",
            "file:///etc",
            "ext::sh -c id",
            "https://x:token@github.com",
            "git@github.com:a",
            "https://github.com?x=1",
            "ssh://github.com",
            "",
        ] {
            let error = check_base(bad).unwrap_err().to_string();
            assert!(!error.contains("x:token"), "{error}");
        }
    }

    #[test]
    fn a_branch_is_what_git_accepts_and_never_an_option() {
        for good in ["main", "aspora/wealth/0198-a", "fix#1", "a.b"] {
            assert!(reference(good).is_ok(), "{good}");
        }
        for bad in
            ["", "-d", "a..b", "a b", "a/", "/a", "a//b", ".a", "a.lock", "a:b", "a\n", "@", "a@{1}", "a*"]
        {
            assert!(reference(bad).is_err(), "{bad}");
        }
    }
}
