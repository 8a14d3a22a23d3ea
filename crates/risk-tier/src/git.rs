//! A repository, read by a git that runs nothing the repository or the machine configures.

use std::{
    collections::BTreeSet,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};
use aspora_core::{
    change::{Change, ChangeKind, FileChange},
    policy::DIFF_LIMIT,
};

const LISTING: [&str; 5] =
    ["diff", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none"];

/// A repository.
pub(crate) struct Git<'a> {
    repo: &'a Path,
}

impl<'a> Git<'a> {
    pub(crate) const fn at(repo: &'a Path) -> Self {
        Self { repo }
    }

    /// The full name of a commit; a name that git could read as an option is refused.
    pub(crate) fn commit(&self, name: &str) -> anyhow::Result<String> {
        ensure!(!name.is_empty() && !name.starts_with('-'), "{name:?} is not a commit");
        self.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")])
            .with_context(|| format!("find the commit {name:?}; a shallow clone may lack it"))
    }

    /// Every last common commit; never empty.
    pub(crate) fn merge_bases(&self, base: &str, head: &str) -> anyhow::Result<Vec<String>> {
        let (_, listing) = self.ends(&["merge-base", "--all", base, head], &[0, 1])?;
        let forks: Vec<String> = String::from_utf8_lossy(&listing).lines().map(str::to_owned).collect();
        if !forks.is_empty() {
            return Ok(forks);
        }
        if self.line(&["rev-parse", "--is-shallow-repository"])? == "true" {
            bail!(
                "the clone is shallow and does not reach the commit where {head} forked from {base}: fetch more \
                 history, such as with `git fetch --unshallow` or `fetch-depth: 0` of actions/checkout"
            );
        }
        bail!("{base} and {head} have no common history, so there is no change between them");
    }

    /// What differs between two commits or trees.
    pub(crate) fn change(&self, from: &str, to: &str) -> anyhow::Result<Change> {
        let shape = ["--raw", "-z", "--no-abbrev", "--no-relative", from, to, "--"];
        let raw = self.run(&[&LISTING[..], &shape[..]].concat()).context("list the change")?;
        let mut change = Change::from_raw_diff(&raw).context("read git's listing")?;
        let may_be_blank = |file: &FileChange| {
            file.kind == ChangeKind::Modified && file.old_mode == file.new_mode && !file.odd
        };
        if change.files.iter().any(may_be_blank) {
            let non_blank = self.non_blank(from, to)?;
            for file in change.files.iter_mut().filter(|file| may_be_blank(file)) {
                file.blank = !non_blank.contains(file.path.as_bytes());
            }
        }
        Ok(change)
    }

    /// The paths in which more than white space differs.
    fn non_blank(&self, from: &str, to: &str) -> anyhow::Result<BTreeSet<Vec<u8>>> {
        let shape = ["--numstat", "-z", "--ignore-all-space", "--ignore-blank-lines", "--no-relative"];
        let listing = self.run(&[&LISTING[..], &shape[..], &[from, to, "--"][..]].concat());
        let mut non_blank = BTreeSet::new();
        for record in listing.context("list what is not white space")?.split(|&byte| byte == 0) {
            let mut fields = record.splitn(3, |&byte| byte == b'\t');
            if let (Some(added), Some(removed), Some(path)) = (fields.next(), fields.next(), fields.next())
                && (added, removed) != (&b"0"[..], &b"0"[..])
            {
                non_blank.insert(path.to_vec());
            }
        }
        Ok(non_blank)
    }

    /// The bytes of the textual diff, counted no further than just over [`DIFF_LIMIT`].
    pub(crate) fn diff_bytes(&self, from: &str, to: &str) -> anyhow::Result<u64> {
        let shape = ["--patch", "--no-color", "--no-relative", from, to, "--"];
        let mut git = self.command(&[&LISTING[..], &shape[..]].concat());
        let mut child = git.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("run git")?;
        let pipe = child.stdout.take().context("read the diff")?;
        let counted = std::io::copy(&mut pipe.take(DIFF_LIMIT + 1), &mut std::io::sink());
        let counted = counted.context("read the diff")?;
        if counted > DIFF_LIMIT {
            // It may have ended by itself already.
            let _ = child.kill();
            child.wait().context("wait for git")?;
        } else {
            ensure!(child.wait().context("wait for git")?.success(), "git could not show the diff");
        }
        Ok(counted)
    }

    /// The text of a file at a commit; `None` if it does not exist.
    pub(crate) fn file(&self, commit: &str, path: &str) -> anyhow::Result<Option<String>> {
        let entry = self.run(&["ls-tree", "-z", "--full-tree", commit, "--", &format!(":(literal){path}")]);
        let entry = entry.with_context(|| format!("look for {path:?} at {commit}"))?;
        if entry.is_empty() {
            return Ok(None);
        }
        ensure!(
            entry.starts_with(b"100644 ") || entry.starts_with(b"100755 "),
            "{path:?} is not a plain file at {commit}"
        );
        let bytes = self.run(&["cat-file", "blob", &format!("{commit}:{path}")])?;
        // Bytes that are not UTF-8 stay visible, so that the policy is refused for them.
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The bytes of a plain file at a commit; `None` if there is none, or something else.
    pub(crate) fn plain_file(&self, commit: &str, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let entry = self.run(&["ls-tree", "-z", "--full-tree", commit, "--", &format!(":(literal){path}")]);
        let entry = entry.with_context(|| format!("look for {path:?} at {commit}"))?;
        if !entry.starts_with(b"100644 ") && !entry.starts_with(b"100755 ") {
            return Ok(None);
        }
        self.run(&["cat-file", "blob", &format!("{commit}:{path}")]).map(Some)
    }

    /// The paths of all files at these commits.
    pub(crate) fn files(&self, commits: &[&str]) -> anyhow::Result<Vec<String>> {
        let mut files = Vec::new();
        for commit in commits {
            let listing = self.run(&["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit])?;
            files.extend(
                listing.split(|&byte| byte == 0).map(|path| String::from_utf8_lossy(path).into_owned()),
            );
        }
        files.sort();
        files.dedup();
        files.retain(|path| !path.is_empty());
        Ok(files)
    }

    /// The folders in which the repository's files are checked out; a bare repository has none.
    pub(crate) fn work_trees(&self) -> anyhow::Result<Vec<PathBuf>> {
        let listing = String::from_utf8_lossy(&self.run(&["worktree", "list", "--porcelain"])?).into_owned();
        let mut trees: Vec<PathBuf> =
            listing.lines().filter_map(|line| line.strip_prefix("worktree ")).map(PathBuf::from).collect();
        trees.extend(self.line(&["rev-parse", "--show-toplevel"]).ok().map(PathBuf::from));
        Ok(trees)
    }

    pub(crate) fn line(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let text = String::from_utf8(self.run(arguments)?).context("git's answer is not UTF-8")?;
        Ok(text.trim_end_matches('\n').to_owned())
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> anyhow::Result<Vec<u8>> {
        Ok(self.ends(arguments, &[0])?.1)
    }

    /// Runs git, which must end with one of these codes; the code and what it printed.
    pub(crate) fn ends(&self, arguments: &[&str], codes: &[i32]) -> anyhow::Result<(i32, Vec<u8>)> {
        let output = self.command(arguments).output().context("run git; is it installed?")?;
        match output.status.code().filter(|code| codes.contains(code)) {
            Some(code) => Ok((code, output.stdout)),
            None => {
                let said = String::from_utf8_lossy(&output.stderr);
                bail!("git {} failed ({}): {}", arguments[0], output.status, said.trim().escape_debug());
            }
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut git = Command::new("git");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                git.env_remove(name);
            }
        }
        git.env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("LC_ALL", "C")
            .args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*"])
            .arg("--no-pager")
            .arg("-C")
            .arg(self.repo)
            .args(arguments);
        git
    }
}
