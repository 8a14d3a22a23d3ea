//! The API key of the commands: from `ASPORA_API_KEY`, otherwise the one that a server of `aspora dev` on this machine
//! has left for its port, in a file that only this user may read.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use url::{Host, Url};

use super::settings;
use crate::core::access::Key;

/// The variable with the key.
pub(crate) const VARIABLE: &str = "ASPORA_API_KEY";

/// A key that was left for the commands of this machine; it is taken away with this value.
#[derive(Debug)]
pub(crate) struct Left(PathBuf);

/// The key for the commands that talk to a server.
///
/// # Errors
/// As [`given`].
pub(crate) fn key(server: &Url) -> anyhow::Result<Option<String>> {
    Ok(given()?.or_else(|| left(server)))
}

/// The key that a server on this machine left.
fn left(server: &Url) -> Option<String> {
    let is_here = match server.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let port = server.port_or_known_default().filter(|_| is_here)?;
    let text = fs::read_to_string(file(&settings::data_folder().ok()?, port)).ok()?;
    Some(text.trim().to_owned())
}

/// The key of the environment.
///
/// # Errors
/// When its file cannot be read.
pub(crate) fn given() -> anyhow::Result<Option<String>> {
    let key = settings::secret(VARIABLE)?;
    Ok(key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()))
}

/// Leaves a key for the commands that talk to the server on this port of this machine.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn leave(data: &Path, port: u16, key: &Key) -> anyhow::Result<Left> {
    let file = file(data, port);
    write(&file, key.reveal())?;
    Ok(Left(file))
}

impl Left {
    /// The file with the key.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Writes a secret into a file that only this user may read, also if the file was there before.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write(file: &Path, secret: &str) -> anyhow::Result<()> {
    let context = || format!("write {}", file.display());
    let folder = file.parent().context("a file is in a folder")?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(context)?;
    let _ = fs::remove_file(file);
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    writeln!(opened.with_context(context)?, "{secret}").with_context(context)
}

fn file(data: &Path, port: u16) -> PathBuf {
    data.join("keys").join(port.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_left_for_this_user_alone_and_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::new(|| 7);
        let left = leave(folder.path(), 8080, &key).unwrap();
        let mode = fs::metadata(left.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_to_string(left.path()).unwrap().trim(), key.reveal());
        let path = left.path().to_owned();
        drop(left);
        assert!(!path.exists());
    }
}
