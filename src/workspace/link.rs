//! How a mirror reaches its remote: address, transport, token, and the lock for writers.

use std::{
    fs::File,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use secrecy::ExposeSecret as _;
use tokio::sync::OwnedMutexGuard;

use super::{
    config::{Access, Credentials, Remote},
    error::Error,
    git::{Call, TOKEN_VARIABLE},
    throttle::Throttle,
};
use crate::core::requirement::RepoName;

const ASKPASS: &str = "#!/bin/sh\n\
    # Answers git's prompts for a user and a password; the token is in the environment of git alone.\n\
    case \"$1\" in Username*) echo x-access-token ;; *) printf '%s\\n' \"$ASPORA_GIT_TOKEN\" ;; esac\n";

/// The connection of a mirror to its remote.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) repository: RepoName,
    pub(super) remote: Remote,
    pub(super) credentials: Credentials,
    pub(super) askpass: PathBuf,
    pub(super) lock_file: PathBuf,
    pub(super) lock: Arc<tokio::sync::Mutex<()>>,
    pub(super) throttle: Option<Arc<dyn Throttle>>,
}

impl Link {
    /// Locks the mirror against other writers, in this process and in others that share the directory.
    pub(super) async fn hold(&self) -> Result<(OwnedMutexGuard<()>, File), Error> {
        let in_process = Arc::clone(&self.lock).lock_owned().await;
        let path = self.lock_file.clone();
        let lock = move || {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            let file = File::create(path)?;
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
            Ok(file)
        };
        let file = tokio::task::spawn_blocking(lock).await.unwrap_or_else(|error| Err(error.into()));
        Ok((in_process, file.map_err(Error::io("lock the mirror"))?))
    }

    /// Makes a call over the network, unless the remote is down.
    pub(super) async fn over_network(&self, call: Call<'_>) -> Result<Vec<u8>, Error> {
        let Some(throttle) = self.throttle.as_ref().map(Arc::clone) else { return call.output().await };
        let pass = throttle.pass().await.map_err(Error::Held)?;
        let ended = call.output().await;
        let failure = ended.as_ref().err().filter(|error| error.is_of_network());
        let outage = throttle.ended(pass, failure.map(ToString::to_string)).await;
        match (outage, ended) {
            (Some(outage), Err(error)) => {
                Err(Error::Down { error: Box::new(error), outage: Box::new(outage) })
            }
            (_, ended) => ended,
        }
    }

    /// A call that may use the transport of the remote, and the address of the remote.
    pub(super) async fn call<'a, const N: usize>(
        &self,
        mirror: &'a Path,
        args: [&str; N],
    ) -> Result<(Call<'a>, String), Error> {
        let access = self.access().await?;
        let repository = access.as_ref().map_or(&self.repository, |access| &access.repository);
        let (protocol, url) = match &self.remote {
            Remote::Url(base) => {
                let protocol = if base.starts_with("http://") { "http" } else { "https" };
                (protocol, format!("{}/{repository}.git", base.trim_end_matches('/')))
            }
            Remote::Local(root) => ("file", root.join(format!("{repository}.git")).display().to_string()),
        };
        let call = Call::new(mirror, args).protocol(protocol);
        let Some(Access { token, .. }) = access else { return Ok((call, url)) };
        write_askpass(&self.askpass).map_err(Error::io("write the askpass script"))?;
        let askpass = self.askpass.display().to_string();
        Ok((call.variable("GIT_ASKPASS", askpass).variable(TOKEN_VARIABLE, token.expose_secret()), url))
    }

    async fn access(&self) -> Result<Option<Access>, Error> {
        let repository = self.repository.clone();
        match &self.credentials {
            Credentials::None => Ok(None),
            Credentials::Token(token) => Ok(Some(Access { repository, token: token.clone() })),
            Credentials::Minted(mint) => mint(repository)
                .await
                .map(Some)
                .map_err(|why| Error::Token { repository: self.repository.to_string(), why: Box::new(why) }),
        }
    }
}

/// Accepts https, and http on loopback, without user, query or fragment.
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
        return refuse("the URL contains a user or password; set the token in its own setting");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return refuse("the URL has a query or fragment");
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        _ => refuse("only https is accepted, or http on loopback"),
    }
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
    fn a_base_is_https_or_loopback_http() {
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
}
