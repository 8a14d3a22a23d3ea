//! The files of a commit in a directory of their own, written here rather than by `git checkout`: no attribute,
//! filter or line-ending rule of the product applies, and no symlink leads outside.

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{OpenOptionsExt as _, PermissionsExt as _, symlink},
    },
    path::{Component, Path, PathBuf},
};

use super::{
    error::Error,
    git::Call,
    mirror::{Leaf, Mirror, is_file},
    names::shown,
};
use crate::core::sha::Sha;

const LARGEST_COMMIT: usize = 256 << 20;

/// The files of one commit, in a directory that is removed on drop.
#[derive(Debug)]
pub struct Worktree {
    directory: tempfile::TempDir,
    pub(super) repository: PathBuf,
    pub(super) commit: Sha,
}

impl Worktree {
    /// Where the files are.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Mirror {
    /// Writes the files of a commit into a new directory with mode 0700, without `.git`. A submodule is left out; a
    /// symlink that leads outside becomes a file that contains its target.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks the commit, [`Error::TooLarge`] above 256 MiB,
    /// [`Error::Refused`] for a tree with paths that git does not write.
    pub async fn worktree(&self, commit: &Sha) -> Result<Worktree, Error> {
        let mut leaves = self.leaves(commit).await?;
        leaves.retain(|leaf| leaf.mode != 0o160_000);
        let contents = self.contents(&leaves).await?;
        let (repository, commit) = (self.path().to_owned(), commit.clone());
        let write = move || {
            let directory = tempfile::Builder::new()
                .prefix("aspora-worktree-")
                .permissions(fs::Permissions::from_mode(0o700))
                .tempdir()
                .map_err(Error::io("create a directory for a worktree"))?;
            // Links are written last, so that no file is written through one.
            for links in [false, true] {
                for (leaf, content) in
                    leaves.iter().zip(&contents).filter(|(leaf, _)| is_file(leaf.mode) != links)
                {
                    write_leaf(directory.path(), leaf, content)?;
                }
            }
            Ok(Worktree { directory, repository, commit })
        };
        let joined = tokio::task::spawn_blocking(write).await;
        joined.unwrap_or_else(|error| Err(Error::io("write a worktree")(error.into())))
    }

    /// What these files and links hold, in their order; at most 256 MiB.
    pub(super) async fn contents(&self, leaves: &[Leaf]) -> Result<Vec<Vec<u8>>, Error> {
        let total: u64 = leaves.iter().map(|leaf| leaf.size).sum();
        if total > LARGEST_COMMIT as u64 {
            return Err(Error::TooLarge { what: "the commit".to_owned(), limit: LARGEST_COMMIT });
        }
        let names: String = leaves.iter().map(|leaf| format!("{}\n", leaf.object)).collect();
        let limit = LARGEST_COMMIT + leaves.len() * 128;
        let call: Call<'_> = self.git(["cat-file", "--batch", "--buffer"]).input(names).at_most(limit);
        let output = call.output().await?;
        let unreadable = || Error::Missing("an object of the commit is missing from the mirror".to_owned());
        let mut rest = &output[..];
        let mut contents = Vec::with_capacity(leaves.len());
        for leaf in leaves {
            // Each answer is `<object> blob <size>`, a line feed, the content, a line feed.
            let end = rest.iter().position(|&byte| byte == b'\n').ok_or_else(unreadable)?;
            let size = usize::try_from(leaf.size).map_err(|_| unreadable())?;
            if rest[..end] != *format!("{} blob {size}", leaf.object).as_bytes() {
                return Err(unreadable());
            }
            let content = rest.get(end + 1..end + 1 + size).ok_or_else(unreadable)?;
            contents.push(content.to_vec());
            rest = rest.get(end + 2 + size..).ok_or_else(unreadable)?;
        }
        Ok(contents)
    }
}

fn write_leaf(root: &Path, leaf: &Leaf, content: &[u8]) -> Result<(), Error> {
    let relative = Path::new(OsStr::from_bytes(&leaf.path));
    let ordinary =
        |part: Component<'_>| matches!(part, Component::Normal(name) if !name.eq_ignore_ascii_case(".git"));
    if leaf.path.is_empty() || !relative.components().all(ordinary) {
        return Err(Error::refused(shown(&leaf.path), "git does not write such a path"));
    }
    let path = root.join(relative);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io("create a directory of a worktree"))?;
    }
    if !is_file(leaf.mode) && stays_inside(&leaf.path, content) {
        return symlink(OsStr::from_bytes(content), path).map_err(Error::io("write a link of a worktree"));
    }
    let mode = if leaf.mode == 0o100_755 { 0o755 } else { 0o644 };
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.and_then(|mut file| file.write_all(content)).map_err(Error::io("write a file of a worktree"))
}

/// Whether a symlink stays inside the worktree, judged by its target alone.
pub(super) fn stays_inside(link: &[u8], target: &[u8]) -> bool {
    let mut depth = Path::new(OsStr::from_bytes(link)).components().count() - 1;
    let target = Path::new(OsStr::from_bytes(target));
    // A directory in the target may itself be a symlink, so `..` is allowed only before the first one.
    let mut down = false;
    target.components().all(|part| match part {
        Component::Normal(_) => {
            down = true;
            true
        }
        Component::CurDir => true,
        Component::ParentDir if down || depth == 0 => false,
        Component::ParentDir => {
            depth -= 1;
            true
        }
        Component::RootDir | Component::Prefix(_) => false,
    }) && !target.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(link: &str, target: &str, inside: bool) {
        assert_eq!(stays_inside(link.as_bytes(), target.as_bytes()), inside, "{link} -> {target}");
    }

    #[test]
    fn only_links_that_stay_inside_are_written_as_links() {
        check("a", "b", true);
        check("d/a", "../b", true);
        check("d/a", "./x/y", true);
        check("a", "../b", false);
        check("d/a", "../../b", false);
        check("d/a", "x/../../..", false);
        check("a", "/etc/passwd", false);
        check("a", "", false);
    }
}
