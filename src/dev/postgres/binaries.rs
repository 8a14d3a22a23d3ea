//! Finds the server programs of Postgres on this machine, and the account under which they run.
//!
//! They are those that the package manager of the system installed. The crate `postgresql_embedded` would download a
//! build at the first start; a factory that merges code does not run binaries that its operator did not choose.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use anyhow::{Context, bail};

/// The folder of one installation, with `initdb`, `postgres`, `createdb` and `pg_isready`.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    folder: PathBuf,
    account: Option<Account>,
}

/// How many lines of a log an error quotes.
const LOG_LINES_IN_ERRORS: usize = 12;

/// The unprivileged account for the server programs, which refuse to run as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) gid: u32,
}

impl Binaries {
    /// Finds an installation: on `PATH`, then the newest of Debian's folders, then Homebrew's.
    ///
    /// With `major`, it must have that major version, the one that wrote the data.
    pub(super) fn find(major: Option<u32>) -> anyhow::Result<Self> {
        let mut refused = Vec::new();
        for folder in candidates() {
            match (major_of(&folder), major) {
                (Some(found), Some(wanted)) if found != wanted => refused.push(found),
                (Some(_), _) => return Ok(Self { folder, account: account()? }),
                (None, _) => {}
            }
        }
        if let Some(wanted) = major
            && !refused.is_empty()
        {
            bail!(
                "the data folder was written by Postgres {wanted}, but only {refused:?} is installed: install \
                 `postgresql-{wanted}`, or name a new data folder"
            );
        }
        bail!(
            "no Postgres server programs (initdb, postgres) on PATH, in /usr/lib/postgresql/*/bin or in Homebrew's \
             folders: install the package `postgresql` (apt), `postgresql-server` (dnf) or `postgresql@17` (brew), \
             or set DATABASE_URL"
        )
    }

    pub(super) fn account(&self) -> Option<Account> {
        self.account
    }

    /// A program of this installation, run under the account and with untranslated messages.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        command.env("LC_ALL", "C").env_remove("PGSERVICE").env_remove("PGOPTIONS").current_dir("/");
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Account {
    /// Whether this account can reach `folder`; it cannot enter the home of root, for one.
    pub(super) fn reaches(self, folder: &Path) -> bool {
        folder.ancestors().filter_map(|ancestor| fs::metadata(ancestor).ok()).all(|ancestor| {
            let class = match (ancestor.uid() == self.uid, ancestor.gid() == self.gid) {
                (true, _) => 0o100,
                (false, true) => 0o010,
                (false, false) => 0o001,
            };
            ancestor.mode() & class != 0
        })
    }
}

fn candidates() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).filter_map(|folder| {
        let real = fs::canonicalize(folder.join("initdb")).ok()?;
        real.parent().map(Path::to_owned)
    });
    let installed =
        ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"].into_iter().flat_map(newest_first);
    on_path
        .chain([PathBuf::from("/usr/pgsql/bin")])
        .chain(installed)
        .filter(|folder| is_complete(folder))
        .collect()
}

/// The `bin` folders below `root`, the highest version first.
fn newest_first(root: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix("postgresql@").unwrap_or(&name);
            Some((version.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    versions.sort_by(|left, right| right.cmp(left));
    versions.into_iter().map(|(_, folder)| folder).collect()
}

fn is_complete(folder: &Path) -> bool {
    ["initdb", "postgres", "createdb", "pg_isready"].iter().all(|program| folder.join(program).is_file())
}

/// The major version in the output of `initdb --version`: `initdb (PostgreSQL) 15.13 (Debian …)`.
fn major_of(folder: &Path) -> Option<u32> {
    let output = Command::new(folder.join("initdb")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().nth(2)?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn account() -> anyhow::Result<Option<Account>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    let account = ["postgres", "nobody"].into_iter().find_map(|name| entry(&passwd, name));
    account.map(Some).context("Postgres refuses to run as root, and there is no user `postgres` or `nobody`")
}

fn entry(passwd: &str, name: &str) -> Option<Account> {
    let mut fields =
        passwd.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?;
    let uid = fields.nth(2)?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(Account { uid, gid })
}

/// An error with the last lines that a failed program printed.
pub(super) fn ensure_success(output: &Output) -> anyhow::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    bail!("{}: {}", output.status, last_lines(&String::from_utf8_lossy(&output.stderr)))
}

/// The last lines of a log, for an error.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_IN_ERRORS)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_account_is_read_from_its_own_line() {
        let passwd = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/bin/false\n";
        assert_eq!(entry(passwd, "nobody"), Some(Account { uid: 65534, gid: 65533 }));
        assert_eq!(entry(passwd, "body"), None);
    }

    #[test]
    fn an_account_does_not_reach_a_closed_folder() {
        let folder = tempfile::tempdir().unwrap();
        let stranger = Account { uid: 65_001, gid: 65_001 };
        assert!(stranger.reaches(Path::new("/usr")));
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!stranger.reaches(&folder.path().join("data")));
    }
}
