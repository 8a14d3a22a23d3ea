//! What GitHub publishes of itself by npm. `./run test` installs it; a test that finds it missing does so too.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use anyhow::{Context as _, bail};

/// npm must not change a folder twice at once.
static RUNNING: Mutex<()> = Mutex::new(());

/// A file of a package, which is installed into a folder of `target` when the file is missing.
///
/// # Errors
/// When npm is missing or cannot install the package.
pub(crate) fn file(folder: &str, package: &str, file: &str) -> anyhow::Result<PathBuf> {
    let _running = RUNNING.lock().expect("no holder has panicked");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target").join(folder);
    let file = folder.join("node_modules").join(package).join(file);
    if file.exists() {
        return Ok(file);
    }
    std::fs::create_dir_all(&folder)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(package);
    let output = npm.output().with_context(|| format!("run npm to fetch {package}: install Node.js"))?;
    if !output.status.success() || !file.exists() {
        bail!("npm could not install {package}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(file)
}
