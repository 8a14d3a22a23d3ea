//! Rust: Cargo's manifest.

use super::{Detected, Folder};
use crate::product_file::{Build, Toolchain};

pub(super) fn detect(folder: &Folder<'_>) -> Option<Detected> {
    let manifest = folder.text("Cargo.toml")?;
    let is_workspace = manifest.lines().any(|line| line.trim() == "[workspace]");
    let locked = if folder.has("Cargo.lock") { " --locked" } else { "" };
    let whole = if is_workspace { " --workspace" } else { "" };
    let mut notes = vec!["Rust, from `Cargo.toml`".to_owned()];
    if locked.is_empty() {
        notes.push("without a `Cargo.lock` the newest versions of its dependencies are used".to_owned());
    }
    let build = Build {
        setup: vec![format!("cargo fetch{locked}")],
        test: vec![format!("cargo test{whole}{locked} --offline")],
        toolchains: vec![Toolchain::Rust],
        ..Build::default()
    };
    Some(Detected { build, notes })
}
