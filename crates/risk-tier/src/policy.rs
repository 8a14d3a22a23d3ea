//! Where the policy is read: of the repository's own files always at the commits, never in the work tree, which holds
//! what the head made of it.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use aspora_core::policy::Contract;

use super::git::Git;

/// The policy's text on all sides; a file outside of the repository is the same on each.
pub(crate) struct Policies {
    pub(crate) base: Option<String>,
    head: Option<String>,
    forks: Vec<Option<String>>,
}

impl Policies {
    pub(crate) fn read(
        git: &Git<'_>,
        policy: &str,
        base: &str,
        head: &str,
        forks: &[String],
    ) -> anyhow::Result<Self> {
        let Some(inside) = inside(git, policy)? else {
            let bytes = fs::read(policy).with_context(|| format!("read the policy {policy:?}"))?;
            let text = Some(String::from_utf8_lossy(&bytes).into_owned());
            return Ok(Self { base: text.clone(), head: text.clone(), forks: vec![text] });
        };
        let (at_base, at_head) = (git.file(base, &inside)?, git.file(head, &inside)?);
        ensure!(
            at_base.is_some() || at_head.is_some(),
            "there is no file {inside:?} at {base} or {head}; is `--policy` right?"
        );
        if at_base.is_none() {
            eprintln!("warning: there is no file {inside:?} at the base: everything is critical");
        }
        let forks = forks.iter().map(|fork| git.file(fork, &inside)).collect::<anyhow::Result<_>>()?;
        Ok(Self { base: at_base, head: at_head, forks })
    }

    pub(crate) fn contract(&self) -> Contract<'_> {
        Contract { base: self.base.as_deref(), head: self.head.as_deref(), forks: &self.forks }
    }
}

/// The path as the repository has it, if it is one of its own: relative to its root, or any spelling of a place in
/// one of its work trees, through `..`, symlinks and mounts alike.
fn inside(git: &Git<'_>, policy: &str) -> anyhow::Result<Option<String>> {
    ensure!(!policy.is_empty(), "`--policy` is empty");
    let path = Path::new(policy);
    if path.is_relative()
        && let Some(inside) = plain(path)
    {
        return Ok(Some(inside));
    }
    let absolute = std::path::absolute(path).with_context(|| format!("find the policy {policy:?}"))?;
    let trees = git.work_trees()?;
    let spellings = [lexical(&absolute), resolved(&absolute)];
    Ok(spellings.iter().find_map(|spelling| trees.iter().find_map(|tree| below(spelling, tree))))
}

/// A relative path without `.` and `..`, if it stays below where it starts.
fn plain(path: &Path) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The absolute path with each `..` taken back, whether or not it exists.
fn lexical(absolute: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

/// The path without symlinks, as far as it exists.
fn resolved(absolute: &Path) -> PathBuf {
    if let Ok(resolved) = fs::canonicalize(absolute) {
        return resolved;
    }
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => resolved(parent).join(name),
        _ => absolute.to_owned(),
    }
}

/// The rest of the path below a folder; folders are compared by what they are, not by their names.
fn below(path: &Path, folder: &Path) -> Option<String> {
    let identity = |path: &Path| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let wanted = identity(folder)?;
    let same = path.ancestors().skip(1).find(|above| identity(above) == Some(wanted))?;
    path.strip_prefix(same).ok().and_then(plain)
}
