//! The folder of a cluster: who owns it, its locks, its password, its data.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use rustix::fs::FlockOperation;
use sha2::{Digest, Sha256};

use super::binaries::{Account, Binaries, ensure_success};

/// The database user that owns the cluster.
pub(super) const USER: &str = "aspora";

/// The folder of the cluster: one that the server's account can reach, closed to other users.
pub(super) fn prepare(data_dir: &Path, account: Option<Account>) -> anyhow::Result<PathBuf> {
    let Some(account) = account else {
        close(data_dir)?;
        return Ok(data_dir.to_owned());
    };
    let open = data_dir.parent().is_none_or(|parent| account.reaches(parent));
    let folder = if open { data_dir.to_owned() } else { elsewhere(data_dir)? };
    close(&folder)?;
    std::os::unix::fs::chown(&folder, Some(account.uid), Some(account.gid))
        .with_context(|| format!("give {} to the account of Postgres", folder.display()))?;
    Ok(folder)
}

/// A folder that is not below one closed to the account; the hash of the path tells clusters apart.
fn elsewhere(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let hash = hex::encode(Sha256::digest(data_dir.as_os_str().as_encoded_bytes()));
    let folder = Path::new("/var/lib/aspora").join(&hash[..16]);
    fs::create_dir_all(&folder).with_context(|| format!("create the folder {}", folder.display()))?;
    match std::os::unix::fs::symlink(&folder, data_dir.join("cluster")) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).context("link to the folder of the cluster")
        }
        _ => Ok(folder),
    }
}

fn close(folder: &Path) -> anyhow::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .with_context(|| format!("close {} to other users", folder.display()))
}

pub(super) fn lock(path: &Path, operation: FlockOperation) -> anyhow::Result<File> {
    let file = private().write(true).open(path).with_context(|| format!("open {}", path.display()))?;
    rustix::fs::flock(&file, operation).with_context(|| format!("lock {}", path.display()))?;
    Ok(file)
}

/// Options to create a file that only its owner reads.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

/// The password of the cluster, created at the first start.
pub(super) fn password(folder: &Path, account: Option<Account>) -> anyhow::Result<String> {
    let path = folder.join("password");
    if let Ok(known) = fs::read_to_string(&path)
        && !known.is_empty()
    {
        return Ok(known);
    }
    ensure!(
        !folder.join("data").exists(),
        "{} is missing, but the data that it protects exists",
        path.display()
    );
    let password = uuid::Uuid::new_v4().simple().to_string();
    let mut file = private().write(true).truncate(true).open(&path).context("open the password file")?;
    file.write_all(password.as_bytes()).context("write the password")?;
    if let Some(Account { uid, gid }) = account {
        std::os::unix::fs::chown(&path, Some(uid), Some(gid)).context("give the password to Postgres")?;
    }
    Ok(password)
}

/// Creates the data folder under another name first, so that an interrupted `initdb` leaves no incomplete one.
pub(super) fn create_data(folder: &Path, binaries: &Binaries) -> anyhow::Result<()> {
    let (data, unfinished) = (folder.join("data"), folder.join("data.unfinished"));
    if data.exists() {
        return Ok(());
    }
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).context("remove the folder of an interrupted initdb")?;
    }
    fs::DirBuilder::new().mode(0o700).create(&unfinished).context("create the data folder")?;
    if let Some(Account { uid, gid }) = binaries.account() {
        std::os::unix::fs::chown(&unfinished, Some(uid), Some(gid))
            .context("give the data folder to Postgres")?;
    }
    let mut initdb = binaries.command("initdb");
    initdb.args(["--username", USER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]);
    initdb.arg("--pwfile").arg(folder.join("password")).arg("--pgdata").arg(&unfinished);
    ensure_success(&initdb.output().context("run initdb")?).context("create a Postgres cluster")?;
    fs::rename(&unfinished, &data).context("rename the data folder to its place")
}

/// The major version that wrote a data folder, if it exists.
pub(super) fn major_of(data: &Path) -> anyhow::Result<Option<u32>> {
    match fs::read_to_string(data.join("PG_VERSION")) {
        Ok(text) => Ok(Some(text.trim().parse().context("read the version of the data folder")?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("read the version of the data folder"),
    }
}
