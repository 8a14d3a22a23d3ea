//! The twin's git: bare repositories, read and changed through the git command.
//!
//! Nothing here knows about pull requests. Every change of a branch is a compare-and-set.

mod call;
mod diff;
mod replay;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;

use self::{
    call::succeed_with,
    diff::{patches_of, read_listing, with_patch},
};
pub(crate) use self::{
    call::{Git, git, succeed},
    diff::Changed,
};

/// One commit, as git prints it.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Signature,
    pub(crate) committer: Signature,
    pub(crate) message: String,
}

/// The paths that a commit touches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Touched {
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
    pub(crate) modified: Vec<String>,
}

/// Who made a commit, and when.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) date: String,
}

/// One branch that was created (no `before`), deleted (no `after`) or moved.
#[derive(Debug, Clone)]
pub(crate) struct Move {
    pub(crate) branch: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

/// What a head has that its base does not.
#[derive(Debug, Clone)]
pub(crate) struct Comparison {
    pub(crate) head_sha: String,
    pub(crate) base_sha: String,
    /// Whether the base has commits that the head has not.
    pub(crate) behind: bool,
    /// The commits of the head that the base has not.
    pub(crate) shas: Vec<String>,
    pub(crate) commits: u64,
    pub(crate) additions: u64,
    pub(crate) deletions: u64,
    pub(crate) changed_files: u64,
}

/// The object name that git gives to a tree without files.
pub(crate) const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

impl Git {
    /// Makes an empty bare repository that may be pushed to over HTTP.
    pub(crate) async fn init(&self) -> anyhow::Result<()> {
        tokio::fs::create_dir_all(&self.dir).await.context("make the repository's folder")?;
        self.text(["init", "--quiet", "--bare", "--initial-branch=main"]).await?;
        self.open_to_http().await
    }

    async fn open_to_http(&self) -> anyhow::Result<()> {
        for (key, value) in [("http.receivepack", "true"), ("receive.advertisePushOptions", "true")] {
            self.text(["config", key, value]).await?;
        }
        Ok(())
    }

    /// All branches with their commits.
    pub(crate) async fn branches(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let listing =
            self.text(["for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads"]).await?;
        let pairs = listing.lines().filter_map(|line| line.split_once(' '));
        Ok(pairs.map(|(sha, branch)| (branch.to_owned(), sha.to_owned())).collect())
    }

    /// The commit of a branch, if it exists.
    pub(crate) async fn branch(&self, branch: &str) -> anyhow::Result<Option<String>> {
        self.commit_named(&format!("refs/heads/{branch}")).await
    }

    /// The full SHA of any name of a commit that git understands, if there is such a commit.
    pub(crate) async fn commit_named(&self, name: &str) -> anyhow::Result<Option<String>> {
        if name.starts_with('-') {
            return Ok(None);
        }
        let (status, out) =
            self.ask(&["rev-parse", "--verify", "--quiet", &format!("{name}^{{commit}}")]).await?;
        Ok((status == 0).then(|| out.trim().to_owned()))
    }

    /// How many commits `head` has that `base` does not.
    pub(crate) async fn ahead(&self, base: &str, head: &str) -> anyhow::Result<u64> {
        let count = self.text(["rev-list", "--count", &format!("{base}..{head}")]).await?;
        count.trim().parse().context("read the count of commits")
    }

    /// Whether `old` is part of the history of `new`.
    pub(crate) async fn contains(&self, new: &str, old: &str) -> anyhow::Result<bool> {
        Ok(self.ask(&["merge-base", "--is-ancestor", old, new]).await?.0 == 0)
    }

    /// The last common commit of two histories.
    pub(crate) async fn merge_base(&self, one: &str, other: &str) -> anyhow::Result<Option<String>> {
        let (status, out) = self.ask(&["merge-base", one, other]).await?;
        Ok((status == 0).then(|| out.trim().to_owned()))
    }

    /// The tree of the merge of both, or `None` when they conflict.
    pub(crate) async fn merged_tree(&self, base: &str, head: &str) -> anyhow::Result<Option<String>> {
        let (status, out) = self.ask(&["merge-tree", "--write-tree", "--no-messages", base, head]).await?;
        Ok((status == 0).then(|| out.trim().to_owned()))
    }

    /// Writes a commit that is on no branch yet.
    pub(crate) async fn commit_tree(
        &self,
        tree: &str,
        parents: &[&str],
        message: &str,
        author: (&str, &str),
    ) -> anyhow::Result<String> {
        self.commit_tree_by(tree, parents, message, (author, author)).await
    }

    /// As [`Self::commit_tree`], by an author and a committer.
    pub(crate) async fn commit_tree_by(
        &self,
        tree: &str,
        parents: &[&str],
        message: &str,
        (author, committer): ((&str, &str), (&str, &str)),
    ) -> anyhow::Result<String> {
        let mut command = self.command(["commit-tree", tree, "-F", "-"]);
        for parent in parents {
            command.args(["-p", parent]);
        }
        command.env("GIT_AUTHOR_NAME", author.0).env("GIT_AUTHOR_EMAIL", author.1);
        command.env("GIT_COMMITTER_NAME", committer.0).env("GIT_COMMITTER_EMAIL", committer.1);
        Ok(String::from_utf8(succeed(command, message.as_bytes()).await?)?.trim().to_owned())
    }

    /// Moves a branch from `old` (`None`: it must not exist) to `new`.
    pub(crate) async fn move_branch(&self, branch: &str, new: &str, old: Option<&str>) -> anyhow::Result<()> {
        let absent = "0".repeat(40);
        self.text(["update-ref", &format!("refs/heads/{branch}"), new, old.unwrap_or(&absent)]).await?;
        Ok(())
    }

    /// Shows the head of a pull request as `refs/pull/<number>/head`, as GitHub does.
    pub(crate) async fn show_pull(&self, number: i64, head: &str) -> anyhow::Result<()> {
        self.text(["update-ref", &format!("refs/pull/{number}/head"), head]).await?;
        Ok(())
    }

    /// The numbers of the pull requests whose heads have a commit in their history.
    pub(crate) async fn pulls_with(&self, sha: &str) -> anyhow::Result<BTreeSet<i64>> {
        let format = "--format=%(refname:lstrip=2)";
        let (status, out) =
            self.ask(&["for-each-ref", "--contains", sha, format, "refs/pull/*/head"]).await?;
        let numbers = out.lines().filter_map(|name| name.strip_suffix("/head")?.parse().ok());
        Ok(if status == 0 { numbers.collect() } else { BTreeSet::new() })
    }

    /// Deletes a branch that is at `old`.
    pub(crate) async fn delete_branch(&self, branch: &str, old: &str) -> anyhow::Result<()> {
        self.text(["update-ref", "-d", &format!("refs/heads/{branch}"), old]).await?;
        Ok(())
    }

    /// Commits files on top of `parent` (`None`: a first commit), on no branch yet.
    pub(crate) async fn commit_files(
        &self,
        parent: Option<&str>,
        files: &[(&str, &[u8])],
        message: &str,
        author: (&str, &str),
    ) -> anyhow::Result<String> {
        let listing = self.index_lines(files).await?;
        let tree = self.tree_with(parent, &listing).await?;
        let parents: Vec<&str> = parent.into_iter().collect();
        self.commit_tree(&tree, &parents, message, author).await
    }

    /// The line of `git update-index --index-info` that puts a file in its place.
    pub(crate) async fn index_line(&self, mode: &str, path: &str, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        let blob = String::from_utf8(succeed(self.command(["hash-object", "-w", "--stdin"]), bytes).await?)?;
        Ok(format!("{mode} {}\t{path}\0", blob.trim()).into_bytes())
    }

    /// As [`Self::index_line`] for many files; those that begin as a script does are executable.
    async fn index_lines(&self, files: &[(&str, &[u8])]) -> anyhow::Result<Vec<u8>> {
        let scratch = tempfile::tempdir().context("make a folder for new files")?;
        let mut paths = String::new();
        for (number, (_, bytes)) in files.iter().enumerate() {
            let path = scratch.path().join(number.to_string());
            std::fs::write(&path, bytes).context("write a new file")?;
            paths.push_str(&format!("{}\n", path.display()));
        }
        let hash = self.command(["hash-object", "-w", "--no-filters", "--stdin-paths"]);
        let blobs = String::from_utf8(succeed(hash, paths.as_bytes()).await?)?;
        let line = |((path, bytes), blob): (&(&str, &[u8]), &str)| {
            let mode = if bytes.starts_with(b"#!") { "100755" } else { "100644" };
            format!("{mode} {blob}\t{path}\0").into_bytes()
        };
        Ok(files.iter().zip(blobs.lines()).flat_map(line).collect())
    }

    /// The tree of `parent` with these lines applied.
    pub(crate) async fn tree_with(&self, parent: Option<&str>, lines: &[u8]) -> anyhow::Result<String> {
        let scratch = tempfile::tempdir().context("make a folder for the index")?;
        let index = scratch.path().join("index");
        if let Some(parent) = parent {
            succeed_with(self.command(["read-tree", parent]), &index, b"").await?;
        }
        succeed_with(self.command(["update-index", "-z", "--index-info"]), &index, lines).await?;
        let tree = succeed_with(self.command(["write-tree"]), &index, b"").await?;
        Ok(String::from_utf8(tree)?.trim().to_owned())
    }

    /// A file's content at a commit, if it is there.
    pub(crate) async fn file(&self, commit: &str, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let mut command = self.command(["cat-file", "blob", &format!("{commit}:{path}")]);
        let output = command.output().await.context("run git cat-file")?;
        Ok(output.status.success().then_some(output.stdout))
    }

    /// The name of a file's object at a commit.
    pub(crate) async fn blob_name(&self, commit: &str, path: &str) -> anyhow::Result<String> {
        Ok(self.text(["rev-parse", &format!("{commit}:{path}")]).await?.trim().to_owned())
    }

    /// The paths of all files at a commit or branch.
    pub(crate) async fn paths(&self, name: &str) -> anyhow::Result<Vec<String>> {
        let listing = self.text(["ls-tree", "-r", "--name-only", "-z", name]).await?;
        Ok(listing.split_terminator('\0').map(str::to_owned).collect())
    }

    /// The commits of a range such as `main..topic`, oldest first; with `only`, the last one alone.
    pub(crate) async fn commits(&self, range: &str, only: bool) -> anyhow::Result<Vec<Commit>> {
        let most = if only { "--max-count=1" } else { "--max-count=-1" };
        self.log(["--reverse", most, range]).await
    }

    /// The paths that a commit adds, removes and modifies; of a merge none, as in the payload of a push.
    pub(crate) async fn touched(&self, sha: &str) -> anyhow::Result<Touched> {
        let listing = self
            .text(["diff-tree", "-r", "-z", "--root", "--no-commit-id", "--no-renames", "--name-status", sha])
            .await?;
        let mut fields = listing.split('\0').filter(|field| !field.is_empty());
        let mut touched = Touched::default();
        while let (Some(status), Some(path)) = (fields.next(), fields.next()) {
            let list = match status {
                "A" => &mut touched.added,
                "D" => &mut touched.removed,
                _ => &mut touched.modified,
            };
            list.push(path.to_owned());
        }
        Ok(touched)
    }

    /// A commit that is known to be there.
    pub(crate) async fn commit(&self, sha: &str) -> anyhow::Result<Commit> {
        let found = self.commits(sha, true).await?.pop();
        found.with_context(|| format!("there is no commit {sha}"))
    }

    /// The commits of a branch, newest first, at most so many.
    pub(crate) async fn latest(&self, name: &str, most: usize) -> anyhow::Result<Vec<Commit>> {
        self.log(["--first-parent", &format!("--max-count={most}"), name]).await
    }

    async fn log(&self, which: [&str; 3]) -> anyhow::Result<Vec<Commit>> {
        let format = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B%x1e";
        let arguments = ["log", format].into_iter().chain(which).chain(["--"]);
        let log = self.text(arguments).await?;
        Ok(log.split('\x1e').filter_map(|record| read_commit(record.trim_start_matches('\n'))).collect())
    }

    /// The files that `head` has changed since it forked from `base`.
    pub(crate) async fn changes(&self, base: &str, head: &str) -> anyhow::Result<Vec<Changed>> {
        let from = self.merge_base(base, head).await?.unwrap_or_else(|| base.to_owned());
        let range = [from.as_str(), head, "--"];
        let listing = self.diff(&["--raw", "-z", "--abbrev=40"], range).await?;
        let patches = self.diff(&["--patch"], range).await?;
        let patches = patches_of(&patches);
        let files = read_listing(&listing);
        Ok(files.into_iter().enumerate().map(|(at, file)| with_patch(file, patches.get(at))).collect())
    }

    /// Compares two commits.
    pub(crate) async fn compare(&self, base: &str, head: &str) -> anyhow::Result<Comparison> {
        let files = self.changes(base, head).await?;
        let shas: Vec<String> =
            self.text(["rev-list", &format!("{base}..{head}")]).await?.lines().map(str::to_owned).collect();
        Ok(Comparison {
            head_sha: head.to_owned(),
            base_sha: base.to_owned(),
            behind: self.ahead(head, base).await? > 0,
            commits: shas.len() as u64,
            shas,
            additions: files.iter().map(|file| file.additions).sum(),
            deletions: files.iter().map(|file| file.deletions).sum(),
            changed_files: files.len() as u64,
        })
    }

    /// A digest of what `head` changes since it forked from `base`, without line numbers and white space.
    pub(crate) async fn patch_id(&self, base: &str, head: &str) -> anyhow::Result<String> {
        let diff = self.diff(&["--patch"], [&format!("{base}...{head}"), "--", "."]).await?;
        let id = succeed(self.command(["patch-id", "--stable"]), diff.as_bytes()).await?;
        Ok(String::from_utf8_lossy(&id).split_whitespace().next().unwrap_or("").to_owned())
    }

    async fn diff(&self, how: &[&str], range: [&str; 3]) -> anyhow::Result<String> {
        let fixed = ["diff", "--no-color", "--no-ext-diff", "-M"];
        self.text(fixed.iter().chain(how).chain(&range).copied()).await
    }
}

fn read_commit(record: &str) -> Option<Commit> {
    let fields: Vec<&str> = record.splitn(10, '\0').collect();
    let [sha, tree, parents, name, email, date, by, by_email, at, message] = fields.try_into().ok()?;
    Some(Commit {
        sha: sha.to_owned(),
        tree: tree.to_owned(),
        parents: parents.split_whitespace().map(str::to_owned).collect(),
        author: Signature { name: name.to_owned(), email: email.to_owned(), date: date.to_owned() },
        committer: Signature { name: by.to_owned(), email: by_email.to_owned(), date: at.to_owned() },
        message: message.trim_end().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn changes_list_status_counts_and_patch() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let git = Git::new(folder.path().join("product.git"), std::sync::Arc::default());
        git.init().await?;
        let me = ("ada", "ada@example.com");
        let first =
            git.commit_files(None, &[("a.txt", b"one\ntwo\n"), ("b.sh", b"#!/bin/sh\n")], "first", me);
        let first = first.await?;
        let second =
            git.commit_files(Some(&first), &[("a.txt", b"one\n2\nthree\n"), ("c", b"\0")], "next", me);
        let second = second.await?;
        let changes = git.changes(&first, &second).await?;
        let short: Vec<_> = changes.iter().map(|file| (&*file.path, file.status, file.additions)).collect();
        assert_eq!(short, [("a.txt", "modified", 2), ("c", "added", 0)]);
        assert!(changes[0].patch.as_deref().is_some_and(|patch| patch.starts_with("@@ -1,2 +1,3 @@")));
        assert_eq!(changes[1].patch, None, "a binary file has no patch");
        assert_eq!(git.commits(&format!("{first}..{second}"), false).await?[0].message, "next");
        Ok(())
    }
}
