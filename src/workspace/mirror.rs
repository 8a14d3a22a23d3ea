//! Reads a repository from its bare mirror: files, changes, commits.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    config::Signature,
    error::Error,
    git::Call,
    link::Link,
    memo::{Memo, Question},
    names::{reference, sha, shown},
};
use crate::core::{
    dependency::InputFile,
    path::RepoPath,
    policy::{POLICY_LIMIT, POLICY_PATH},
    product_file,
    sha::Sha,
};

const LARGEST_FILE: usize = 16 << 20;

/// The bare mirror of one repository. Its branches are as of the last fetch.
#[derive(Clone)]
pub struct Mirror {
    path: PathBuf,
    author: Signature,
    link: Option<Link>,
    memo: Arc<Memo>,
}

/// One file, symlink or submodule of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path inside the repository; bytes that are not UTF-8 become `\xNN`.
    pub path: String,
    /// Git's mode: `0o100644`, `0o100755`, `0o120000` (symlink) or `0o160000` (submodule).
    pub mode: u32,
    /// Bytes; 0 for a submodule.
    pub size: u64,
}

/// One commit. Names and addresses are what its author wrote, and prove nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its SHA.
    pub sha: Sha,
    /// Its parents, first parent first.
    pub parents: Vec<Sha>,
    /// Who wrote it.
    pub author: Signature,
    /// Who committed it.
    pub committer: Signature,
    /// The whole message.
    pub message: String,
    /// The trailers at its end, such as `Aspora-Effect`, in order.
    pub trailers: Vec<(String, String)>,
}

/// One line of `git ls-tree`, with the path as git has it.
pub(super) struct Leaf {
    pub(super) mode: u32,
    pub(super) object: String,
    pub(super) size: u64,
    pub(super) path: Vec<u8>,
}

impl Mirror {
    pub(super) fn new(path: PathBuf, author: Signature, link: Option<Link>, memo: Arc<Memo>) -> Self {
        Self { path, author, link, memo }
    }

    /// A bare repository on this machine, to read; it cannot be fetched or pushed.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        let author = Signature { name: "nobody".to_owned(), email: "nobody@localhost".to_owned() };
        Self::new(path, author, None, Arc::default())
    }

    /// Where a branch was at the last fetch.
    ///
    /// # Errors
    /// [`Error::Refused`] for an invalid branch name; [`Error::Git`] when git fails.
    pub async fn branch(&self, name: &str) -> Result<Option<Sha>, Error> {
        let reference = reference(name)?;
        if !self.exists() {
            return Ok(None);
        }
        let name = format!("{reference}^{{commit}}");
        let call = self.git(["rev-parse", "--verify", "--quiet", "--end-of-options", &name]);
        let answer = call.ends_with(&[0, 1]).await?;
        if answer.code == 1 {
            Ok(None)
        } else {
            sha(String::from_utf8_lossy(&answer.output).trim()).map(Some)
        }
    }

    /// The commit that a name stands for: a branch, a tag, `HEAD`, or what git makes of it.
    ///
    /// # Errors
    /// [`Error::Missing`] when it stands for none.
    pub async fn commit_of(&self, name: &str) -> Result<Sha, Error> {
        let commit = format!("{name}^{{commit}}");
        let call = self.git(["rev-parse", "--verify", "--quiet", "--end-of-options", &commit]);
        let answer = call.ends_with(&[0, 1, 128]).await?;
        if answer.code != 0 {
            return Err(Error::Missing(format!("{name:?} is no commit of {}", self.path.display())));
        }
        sha(String::from_utf8_lossy(&answer.output).trim())
    }

    /// Whether the mirror holds this commit.
    ///
    /// # Errors
    /// [`Error::Git`] when git fails.
    pub async fn holds(&self, commit: &Sha) -> Result<bool, Error> {
        let name = format!("{commit}^{{commit}}");
        Ok(self.exists() && self.known(["cat-file", "-e", &name]).ends_with(&[0, 1, 128]).await?.code == 0)
    }

    /// The tree of a commit; `None` when the mirror lacks the commit.
    ///
    /// # Errors
    /// [`Error::Git`] when git fails.
    pub async fn tree_of(&self, commit: &Sha) -> Result<Option<Sha>, Error> {
        let name = format!("{commit}^{{tree}}");
        let call = self.known(["rev-parse", "--verify", "--quiet", "--end-of-options", &name]);
        let answer = call.ends_with(&[0, 1, 128]).await?;
        if answer.code == 0 {
            sha(String::from_utf8_lossy(&answer.output).trim()).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Every file, symlink and submodule of a commit, in git's order.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks the commit.
    pub async fn list(&self, commit: &Sha) -> Result<Vec<Entry>, Error> {
        let leaves = self.leaves(commit).await?;
        let entry = |leaf: Leaf| Entry { path: shown(&leaf.path), mode: leaf.mode, size: leaf.size };
        Ok(leaves.into_iter().map(entry).collect())
    }

    /// Every file, symlink and submodule of a commit with git's name of its content, in git's order.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks the commit.
    pub async fn objects(&self, commit: &Sha) -> Result<Vec<InputFile>, Error> {
        let leaves = self.leaves(commit).await?;
        let file = |leaf: Leaf| InputFile { path: shown(&leaf.path), mode: leaf.mode, object: leaf.object };
        Ok(leaves.into_iter().map(file).collect())
    }

    /// Every path of a commit, in git's order; bytes that are not UTF-8 become `\xNN`.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks the commit.
    pub async fn paths(&self, commit: &Sha) -> Result<Vec<String>, Error> {
        self.need(commit).await?;
        let call = self.known(["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit.as_str()]);
        let listing = call.output().await?;
        Ok(listing.split(|&byte| byte == 0).filter(|path| !path.is_empty()).map(shown).collect())
    }

    /// The content of a file; `None` when the commit has no regular file at this path (a symlink is not one).
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks the commit, [`Error::TooLarge`] above 16 MiB.
    pub async fn read(&self, commit: &Sha, path: &RepoPath) -> Result<Option<Vec<u8>>, Error> {
        self.need(commit).await?;
        match self.leaf(commit, path).await? {
            Some(leaf) if is_file(leaf.mode) => {
                let call = self.known(["cat-file", "blob", &leaf.object]).cut_at(LARGEST_FILE);
                let answer = call.ends_with(&[0]).await?;
                let too_large = || Error::TooLarge { what: path.to_string(), limit: LARGEST_FILE };
                if answer.cut { Err(too_large()) } else { Ok(Some(answer.output)) }
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The contents of these files at a commit, by one call of git; what is no regular file there is left out.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks the commit, [`Error::TooLarge`] for a file above 16 MiB and above 256 MiB in all.
    pub async fn read_all(
        &self,
        commit: &Sha,
        paths: &BTreeSet<&str>,
    ) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let mut leaves = self.leaves(commit).await?;
        let is_wanted = |leaf: &Leaf| std::str::from_utf8(&leaf.path).is_ok_and(|path| paths.contains(path));
        leaves.retain(|leaf| is_file(leaf.mode) && is_wanted(leaf));
        if let Some(leaf) = leaves.iter().find(|leaf| leaf.size > LARGEST_FILE as u64) {
            return Err(Error::TooLarge { what: shown(&leaf.path), limit: LARGEST_FILE });
        }
        let contents = self.contents(&leaves).await?;
        Ok(leaves.iter().map(|leaf| shown(&leaf.path)).zip(contents).collect())
    }

    /// The policy's text at a commit, if there is one. What cannot be a policy is kept so far that it is refused for what
    /// is wrong with it and not taken for absent: bytes that are not UTF-8 stay visible, and of one that is too large
    /// enough is kept.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks the commit.
    pub async fn policy(&self, commit: &Sha) -> Result<Option<String>, Error> {
        let path: RepoPath =
            POLICY_PATH.parse().map_err(|error| Error::refused(POLICY_PATH, format!("{error}")))?;
        let bytes = match self.read(commit, &path).await {
            Err(Error::TooLarge { .. }) => Some(vec![b' '; POLICY_LIMIT + 1]),
            read => read?,
        };
        Ok(bytes.map(|bytes| {
            let kept = bytes.len().min(POLICY_LIMIT + 1);
            String::from_utf8_lossy(&bytes[..kept]).into_owned()
        }))
    }

    /// The product file's text at a commit, if there is one; bytes that are not UTF-8 stay visible.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks the commit.
    pub async fn product_file(&self, commit: &Sha) -> Result<Option<String>, Error> {
        let path = product_file::PATH;
        let path = path.parse().map_err(|error| Error::refused(path, format!("{error}")))?;
        let bytes = match self.read(commit, &path).await {
            Err(Error::TooLarge { .. }) => Some(vec![b' '; product_file::FILE_LIMIT + 1]),
            read => read?,
        };
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Whether `later` contains `earlier`; a commit contains itself.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks a commit.
    pub async fn is_ancestor(&self, earlier: &Sha, later: &Sha) -> Result<bool, Error> {
        self.need(earlier).await?;
        self.need(later).await?;
        let call = self.git(["merge-base", "--is-ancestor", earlier.as_str(), later.as_str()]);
        Ok(call.ends_with(&[0, 1]).await?.code == 0)
    }

    /// The newest commits of a history, itself first, at most `most`.
    ///
    /// # Errors
    /// [`Error::Missing`] for a commit that is not here, or git's own.
    pub async fn recent(&self, commit: &Sha, most: usize) -> Result<Vec<Sha>, Error> {
        self.need(commit).await?;
        let most = format!("--max-count={most}");
        let listing = self.known(["rev-list", &most, commit.as_str()]).output().await?;
        let lines = String::from_utf8_lossy(&listing).lines().map(str::to_owned).collect::<Vec<_>>();
        Ok(lines.into_iter().filter_map(|line| line.parse().ok()).collect())
    }

    /// The commits that `head` has and `base` does not, oldest first.
    ///
    /// # Errors
    /// [`Error::Missing`] when the mirror lacks a commit.
    pub async fn commits(&self, base: &Sha, head: &Sha) -> Result<Vec<Commit>, Error> {
        self.need(base).await?;
        self.need(head).await?;
        let format =
            "--format=%H%x00%P%x00%an%x00%ae%x00%cn%x00%ce%x00%B%x00%(trailers:only=true,unfold=true)";
        let call =
            self.known(["log", "-z", "--reverse", "--topo-order", "--no-show-signature", "--encoding=UTF-8"]);
        let listing = call.and([format, head.as_str(), &format!("^{base}")]).output().await?;
        let fields: Vec<_> = listing.split(|&byte| byte == 0).map(String::from_utf8_lossy).collect();
        fields.chunks_exact(8).map(commit).collect()
    }

    /// The directory of the bare repository.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn git<const N: usize>(&self, args: [&str; N]) -> Call<'_> {
        Call::new(&self.path, args)
    }

    /// A call about objects by their full names alone.
    pub(super) fn known<const N: usize>(&self, args: [&str; N]) -> Call<'_> {
        self.git(args).kept_in(&self.memo)
    }

    pub(super) fn author(&self) -> &Signature {
        &self.author
    }

    pub(super) fn link(&self) -> Result<&Link, Error> {
        self.link.as_ref().ok_or_else(|| {
            Error::refused(self.path.display().to_string(), "this repository is read-only here")
        })
    }

    pub(super) fn exists(&self) -> bool {
        self.path.join("HEAD").exists()
    }

    pub(super) async fn need(&self, commit: &Sha) -> Result<(), Error> {
        if self.holds(commit).await? {
            return Ok(());
        }
        Err(Error::Missing(format!("the mirror does not hold commit {commit}: fetch first")))
    }

    pub(super) async fn leaves(&self, commit: &Sha) -> Result<Vec<Leaf>, Error> {
        self.need(commit).await?;
        leaves(&self.known(listing_of(commit)).output().await?)
    }

    /// What a commit has at a path: of its whole listing where that is known, otherwise by itself.
    async fn leaf(&self, commit: &Sha, path: &RepoPath) -> Result<Option<Leaf>, Error> {
        let whole = Question::of(&self.path, &listing_of(commit).map(str::to_owned));
        let listing = match whole.and_then(|question| self.memo.get(&question)) {
            Some(listing) => listing,
            None => {
                let one = ["ls-tree", "-z", "-l", "--full-tree", "--", commit.as_str(), path.as_str()];
                self.known(one).output().await?
            }
        };
        let end = format!("\t{path}");
        let record = listing.split(|&byte| byte == 0).find(|record| record.ends_with(end.as_bytes()));
        let found = leaves(record.unwrap_or_default())?.pop();
        Ok(found.filter(|leaf| leaf.path == path.as_str().as_bytes()))
    }
}

/// What lists every file of a commit.
fn listing_of(commit: &Sha) -> [&str; 6] {
    ["ls-tree", "-r", "-z", "-l", "--full-tree", commit.as_str()]
}

pub(super) fn is_file(mode: u32) -> bool {
    mode & 0o170_000 == 0o100_000
}

/// Reads `git ls-tree -z -l`.
fn leaves(listing: &[u8]) -> Result<Vec<Leaf>, Error> {
    let leaf = |record: &[u8]| {
        let tab = record.iter().position(|&byte| byte == b'\t')?;
        let head = std::str::from_utf8(&record[..tab]).ok()?;
        let [mode, _, object, size] = head.split_ascii_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        Some(Leaf {
            mode: u32::from_str_radix(mode, 8).ok()?,
            object: object.to_owned(),
            size: if size == "-" { 0 } else { size.parse().ok()? },
            path: record[tab + 1..].to_vec(),
        })
    };
    let unreadable = || Error::Git {
        command: "ls-tree".to_owned(),
        message: "its listing could not be read".to_owned(),
        transient: false,
    };
    let records = listing.split(|&byte| byte == 0).filter(|record| !record.is_empty());
    records.map(|record| leaf(record).ok_or_else(unreadable)).collect()
}

fn commit(fields: &[std::borrow::Cow<'_, str>]) -> Result<Commit, Error> {
    let signature = |at: usize| Signature { name: fields[at].to_string(), email: fields[at + 1].to_string() };
    let trailer =
        |line: &str| line.split_once(':').map(|(key, value)| (key.to_owned(), value.trim().to_owned()));
    Ok(Commit {
        sha: sha(&fields[0])?,
        parents: fields[1].split_ascii_whitespace().map(sha).collect::<Result<_, _>>()?,
        author: signature(2),
        committer: signature(4),
        message: fields[6].trim_end().to_owned(),
        trailers: fields[7].lines().filter_map(trailer).collect(),
    })
}
