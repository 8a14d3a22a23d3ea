//! Files of npm packages, installed into `target/openapi` when they are missing.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use anyhow::{Context as _, bail};

/// npm changes one folder, so that it must not run twice at once.
static RUNNING: Mutex<()> = Mutex::new(());

/// The path of a file in a package.
///
/// # Errors
/// When it is missing and npm cannot install the package.
pub(super) fn file(package: &str, name: &str) -> anyhow::Result<PathBuf> {
    let _running = RUNNING.lock().expect("no holder has panicked");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/openapi");
    let file = folder.join("node_modules").join(package).join(name);
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
