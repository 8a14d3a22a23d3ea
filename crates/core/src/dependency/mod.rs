//! What a change does to the dependencies that a project names: which came, which went, and which changed version.
//!
//! Manifests and lock files of the usual package managers are read. What cannot be read is said and never guessed:
//! a manifest that is a program is not run.

mod cargo;
mod go;
mod jvm;
mod node;
mod php;
mod python;
mod ruby;
mod set;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use set::{Comes, DependencyList, InputFile, Inputs, Package, changed_paths, digest};

/// How many changes of one file are kept; the rest is counted.
pub const MOST_CHANGES: usize = 200;
/// The longest name or version that is kept, in characters.
const LONGEST: usize = 120;

/// What a change does to one manifest or lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyFile {
    /// The file's path.
    pub path: String,
    /// What changed, in the order of names, at most [`MOST_CHANGES`].
    pub changes: Vec<DependencyChange>,
    /// How many more changed.
    #[serde(default)]
    pub more: u32,
    /// Why the file could not be read on one side; then nothing is known of its changes.
    #[serde(default)]
    pub unreadable: Option<String>,
}

/// One dependency that came, went or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyChange {
    /// Its name.
    pub name: String,
    /// The versions that are gone; empty for a new dependency.
    pub from: Vec<String>,
    /// The versions that are new; empty for one that was removed.
    pub to: Vec<String>,
}

/// The versions of each name. A lock file may have several of one.
type Declared = BTreeMap<String, BTreeSet<String>>;

/// How a file is read.
type Reader = fn(&str) -> Result<Declared, String>;

/// Whether a file names what a project depends on, so that a change of it is listed. `path` is in lower case.
#[must_use]
pub fn is_listed(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    reader(path).is_some()
        || ["directory.packages.props", "packages.config", "deno.jsonc", "package.json5"].contains(&name)
        || [".csproj", ".fsproj", ".vbproj", ".gemspec", ".nimble", ".cabal"]
            .iter()
            .any(|end| name.ends_with(end))
}

/// Compares the two sides of a file; `None` is a side where it does not exist.
#[must_use]
pub fn compare(path: &str, before: Option<&str>, after: Option<&str>) -> DependencyFile {
    let Some(read) = reader(&path.to_lowercase()) else {
        return unreadable(path, "this release does not read its format");
    };
    let side = |text: Option<&str>, side| {
        text.map_or_else(|| Ok(Declared::new()), read).map_err(|why| format!("{why}, {side} the change"))
    };
    match (side(before, "before"), side(after, "after")) {
        (Ok(before), Ok(after)) => listed(path, &before, &after),
        (Err(why), _) | (_, Err(why)) => unreadable(path, why),
    }
}

/// A file that could not be read, and why.
#[must_use]
pub fn unreadable(path: &str, why: impl Into<String>) -> DependencyFile {
    let why = why.into().chars().take(LONGEST * 2).collect();
    DependencyFile { path: path.to_owned(), changes: Vec::new(), more: 0, unreadable: Some(why) }
}

fn listed(path: &str, before: &Declared, after: &Declared) -> DependencyFile {
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let none = BTreeSet::new();
    let mut changes: Vec<DependencyChange> = Vec::new();
    for name in names {
        let (old, new) = (before.get(name).unwrap_or(&none), after.get(name).unwrap_or(&none));
        let only = |these: &BTreeSet<String>, those| {
            these.difference(those).map(|version| cut(version)).collect::<Vec<_>>()
        };
        let (from, to) = (only(old, new), only(new, old));
        if !from.is_empty() || !to.is_empty() {
            changes.push(DependencyChange { name: cut(name), from, to });
        }
    }
    let more = u32::try_from(changes.len().saturating_sub(MOST_CHANGES)).unwrap_or(u32::MAX);
    changes.truncate(MOST_CHANGES);
    DependencyFile { path: path.to_owned(), changes, more, unreadable: None }
}

fn cut(text: &str) -> String {
    // The database's JSON cannot hold a NUL.
    text.chars().take(LONGEST).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}

fn reader(path: &str) -> Option<Reader> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let text = |end| std::path::Path::new(name).extension().is_some_and(|extension| extension == end);
    Some(match name {
        "cargo.toml" => cargo::manifest,
        "cargo.lock" => cargo::lock,
        "pyproject.toml" => python::project,
        "poetry.lock" | "uv.lock" | "pdm.lock" => cargo::lock,
        "pipfile" => python::pipfile,
        "pipfile.lock" => python::pipfile_lock,
        "constraints.txt" => python::requirements,
        "package.json" => node::manifest,
        "package-lock.json" | "npm-shrinkwrap.json" => node::npm_lock,
        "yarn.lock" => node::yarn_lock,
        "pnpm-lock.yaml" => node::pnpm_lock,
        "go.mod" => go::manifest,
        "go.sum" => go::sums,
        "gemfile" => ruby::manifest,
        "gemfile.lock" => ruby::lock,
        "composer.json" => php::manifest,
        "composer.lock" => php::lock,
        "gradle.lockfile" => jvm::gradle_lock,
        "libs.versions.toml" => jvm::catalog,
        "pom.xml" => jvm::pom,
        _ if name.starts_with("pylock.") && text("toml") => python::pylock,
        _ if name.starts_with("requirements") && (text("txt") || text("in")) => python::requirements,
        _ if path.contains("requirements/") && (text("txt") || text("in")) => python::requirements,
        _ => return None,
    })
}

/// Whether a file that is read locks versions: it also names packages that only others need.
fn is_lock(path: &str) -> bool {
    let path = path.to_lowercase();
    let name = path.rsplit('/').next().unwrap_or(&path);
    let ends_in = |end| std::path::Path::new(name).extension().is_some_and(|extension| extension == end);
    ends_in("lock")
        || ends_in("lockfile")
        || name.starts_with("pylock.")
        || [
            "package-lock.json",
            "npm-shrinkwrap.json",
            "pnpm-lock.yaml",
            "pipfile.lock",
            "go.sum",
            "constraints.txt",
        ]
        .contains(&name)
}

/// Adds one version of a name.
fn declare(declared: &mut Declared, name: impl Into<String>, version: impl Into<String>) {
    declared.entry(name.into()).or_default().insert(version.into());
}

fn toml(text: &str) -> Result<toml::Table, String> {
    text.parse().map_err(|_| "it is not TOML".to_owned())
}

fn json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|_| "it is not JSON".to_owned())
}

impl DependencyChange {
    /// The change in words: `serde 1.0.1 → 1.0.2`, `left-pad 1.3.0 added`, `left-pad 1.3.0 removed`.
    #[must_use]
    pub fn sentence(&self) -> String {
        change_in_words(&self.name, &self.from, &self.to)
    }
}

fn change_in_words(name: &str, from: &[String], to: &[String]) -> String {
    match (from.join(", "), to.join(", ")) {
        (from, to) if from.is_empty() => format!("{name} {to} added"),
        (from, to) if to.is_empty() => format!("{name} {from} removed"),
        (from, to) => format!("{name} {from} → {to}"),
    }
}

#[cfg(test)]
mod tests;
