//! The `.git` folder of one commit, made by git from nothing: the commits and tags that it reaches, and nothing else of
//! the mirror. It is thrown away after the tests that it is for.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{
    checkout::{Worktree, stays_inside},
    error::Error,
    git::Call,
    mirror::{Leaf, Mirror, is_file},
    sandbox::unavailable::Unavailable,
};
use crate::core::sha::Sha;

/// A folder with the `.git` of one commit and nothing beside it; it is removed on drop.
#[derive(Debug)]
pub struct GitFolder {
    directory: tempfile::TempDir,
}

impl GitFolder {
    /// The most bytes of objects, as the mirror stores them: 512 MiB. They are in memory while tests run.
    pub const LIMIT: u64 = 512 << 20;

    /// The folder that `.git` is in.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    fn git(&self) -> PathBuf {
        self.path().join(".git")
    }
}

impl Worktree {
    /// The `.git` that fits these files.
    ///
    /// # Errors
    /// As [`Mirror::git_folder`].
    pub async fn git_folder(&self) -> Result<GitFolder, Error> {
        Mirror::at(self.repository.clone()).git_folder(&self.commit, GitFolder::LIMIT).await
    }
}

impl Mirror {
    /// Makes a `.git` with this commit as its detached head, the commits before it, the tags of these and an index: without
    /// branches, remotes, hooks, or settings besides those that git itself begins with. Nothing of it is shared with the
    /// mirror. What [`Mirror::worktree`] does not write as the commit has it is taken for unchanged.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks the commit; [`Error::Unavailable`] when its objects have more than `most`
    /// bytes, or the mirror has only the newest commits.
    pub async fn git_folder(&self, commit: &Sha, most: u64) -> Result<GitFolder, Error> {
        self.need(commit).await?;
        let shallow = self.git(["rev-parse", "--is-shallow-repository"]).line().await?;
        if shallow == "true" {
            return Err(unavailable(format!(
                "the product file asks for the history of {}, and this is a shallow clone: fetch all of it with \
                 `git fetch --unshallow`",
                commit.short()
            )));
        }
        let tags = self.tags(commit).await?;
        let roots = roots(commit, &tags);
        self.check_size(commit, &roots, most).await?;
        let directory = tempfile::Builder::new()
            .prefix("aspora-history-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(Error::io("create a directory for a history"))?;
        let folder = GitFolder { directory };
        let git = folder.git();
        Call::new(&git, ["init", "--quiet", "--template="]).output().await?;
        let packs = git.join("objects/pack/pack").display().to_string();
        // Deltas of the mirror are used again; others are not looked for, since that takes longer than it saves.
        let pack = self.git(["pack-objects", "--revs", "--quiet", "--window=0", &packs]);
        pack.input(roots).output().await?;
        Call::new(&git, ["update-ref", "--stdin"]).input(tags).output().await?;
        Call::new(&git, ["update-ref", "--no-deref", "HEAD", commit.as_str()]).output().await?;
        Call::new(&git, ["pack-refs", "--all"]).output().await?;
        Call::new(&git, ["read-tree", commit.as_str()]).output().await?;
        let odd = self.written_otherwise(commit).await?;
        if !odd.is_empty() {
            let call = Call::new(&git, ["update-index", "--assume-unchanged", "-z", "--stdin"]);
            call.input(odd).output().await?;
        }
        Ok(folder)
    }

    /// The tags of a commit and of those before it, as `update-ref` reads them: a line each, the object last.
    async fn tags(&self, commit: &Sha) -> Result<Vec<u8>, Error> {
        let merged = format!("--merged={commit}");
        let call =
            self.git(["for-each-ref", &merged, "--format=create %(refname) %(objectname)", "refs/tags"]);
        call.output().await
    }

    async fn check_size(&self, commit: &Sha, roots: &[u8], most: u64) -> Result<(), Error> {
        let call = self.git(["rev-list", "--objects", "--disk-usage", "--stdin"]).input(roots);
        let bytes: u64 = call.line().await?.parse().map_err(|_| Error::Git {
            command: "rev-list".to_owned(),
            message: "its sum of bytes could not be read".to_owned(),
            transient: false,
        })?;
        if bytes <= most {
            return Ok(());
        }
        Err(unavailable(format!(
            "the product file asks for the history of {}, which has {bytes} bytes of objects; the limit is {most} bytes: \
             take `history` out of the product file",
            commit.short()
        )))
    }

    /// The paths, each ended by a zero byte, that a work tree has not as the commit has them: submodules, and links that lead
    /// outside.
    async fn written_otherwise(&self, commit: &Sha) -> Result<Vec<u8>, Error> {
        let leaves = self.leaves(commit).await?;
        let (submodules, leaves): (Vec<Leaf>, Vec<Leaf>) =
            leaves.into_iter().partition(|leaf| leaf.mode == 0o160_000);
        let links: Vec<Leaf> = leaves.into_iter().filter(|leaf| !is_file(leaf.mode)).collect();
        let targets = self.contents(&links).await?;
        let outside = links
            .iter()
            .zip(&targets)
            .filter(|(link, target)| !stays_inside(&link.path, target))
            .map(|(link, _)| link);
        Ok(submodules.iter().chain(outside).flat_map(|leaf| [&leaf.path[..], b"\0"].concat()).collect())
    }
}

/// What the objects are listed from, a line each.
fn roots(commit: &Sha, tags: &[u8]) -> Vec<u8> {
    let tags = tags.split(|&byte| byte == b'\n').filter_map(|line| line.rsplit(|&byte| byte == b' ').next());
    let all = [commit.as_str().as_bytes()].into_iter().chain(tags.filter(|object| !object.is_empty()));
    all.flat_map(|object| [object, b"\n"].concat()).collect()
}

fn unavailable(reason: String) -> Error {
    Error::Unavailable(Unavailable { reason })
}
