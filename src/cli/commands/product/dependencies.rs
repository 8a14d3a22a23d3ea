//! What a work tree changes in the dependencies of a product, before anything of them is installed.

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path, process::Command};

use anyhow::Context as _;

use super::plain;
use crate::core::{
    dependency::DependencyList,
    policy::{Side, dependency_file},
    product_file::Build,
};

/// What the files of set-up below `tree`, whose paths are these, change against the commit where the work tree of `folder`
/// left the default branch of its remote; without one, against its last commit.
///
/// # Errors
/// When git cannot be started or does not answer.
pub(super) fn changed(
    folder: &Path,
    (tree, paths): (&Path, &[String]),
    build: &Build,
) -> anyhow::Result<DependencyList> {
    let base = base(folder)?;
    let listing = match &base {
        Some(base) => git(folder, &["ls-tree", "-r", "-z", "--name-only", base])?,
        None => None,
    };
    let listing = listing.unwrap_or_default();
    let before: Vec<String> = listing
        .split(|&byte| byte == 0)
        .filter(|path| !path.is_empty())
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect();
    let of = |paths: &[String]| -> BTreeSet<String> {
        build.setup_files(paths.iter().map(String::as_str)).into_iter().map(str::to_owned).collect()
    };
    let (was, is) = (of(&before), of(paths));
    let (mut files, mut texts) = (Vec::new(), Vec::new());
    for path in was.union(&is) {
        let old = match (&base, was.contains(path)) {
            (Some(base), true) => git(folder, &["cat-file", "blob", &format!("{base}:./{path}")])?,
            _ => None,
        };
        let new = if is.contains(path) { fs::read(tree.join(path)).ok() } else { None };
        if let Some(Ok(text)) = new.clone().map(String::from_utf8) {
            texts.push((path.clone(), text));
        }
        if old != new {
            files.push(dependency_file(path, &side(old), &side(new)));
        }
    }
    Ok(DependencyList::new(files, texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))))
}

/// The list for people, below a line that says what is different in the factory.
pub(super) fn text(list: &DependencyList) -> String {
    let mut text = "dependencies: the factory asks a person before it installs these".to_owned();
    for package in &list.packages {
        let _ = write!(text, "\n  {}", plain(&package.sentence()));
    }
    for file in &list.files {
        let _ = write!(text, "\n  file {}", plain(&file.path));
        if let Some(why) = &file.unreadable {
            let _ = write!(text, ": not read, because {}", plain(why));
        }
    }
    text
}

fn base(folder: &Path) -> anyhow::Result<Option<String>> {
    let forked = git(folder, &["merge-base", "HEAD", "refs/remotes/origin/HEAD"])?;
    let found = match forked {
        Some(forked) => Some(forked),
        None => git(folder, &["rev-parse", "--verify", "--quiet", "HEAD"])?,
    };
    Ok(found.map(|sha| String::from_utf8_lossy(&sha).trim().to_owned()))
}

/// What git prints of a work tree; `None` where it fails.
pub(super) fn git(folder: &Path, args: &[&str]) -> anyhow::Result<Option<Vec<u8>>> {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(args);
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(variable);
    }
    let output = git.output().context("start git: is it installed?")?;
    Ok(output.status.success().then_some(output.stdout))
}

fn side(bytes: Option<Vec<u8>>) -> Side {
    match bytes.map(String::from_utf8) {
        None => Side::Absent,
        Some(Ok(text)) => Side::Text(text),
        Some(Err(_)) => Side::Unread("it is not UTF-8".to_owned()),
    }
}
