//! Whether a folder of this machine can be served as a product's repository, and what to do if not; and the way of
//! commits between both.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, bail};

use super::git::{Git, git};

/// The branches that runs make begin so.
const OURS: &str = "aspora/";

/// A git repository of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// The folder that holds its objects.
    pub(crate) dir: String,
    /// The branch that changes are merged into: the one that is checked out.
    pub(crate) branch: String,
}

impl Git {
    /// Makes a bare copy of a repository on this machine.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) async fn adopt(&self, source: &Source) -> anyhow::Result<()> {
        self.init().await?;
        self.text(["fetch", "--quiet", &source.dir, "+refs/heads/*:refs/heads/*"]).await?;
        self.text(["symbolic-ref", "HEAD", &format!("refs/heads/{}", source.branch)]).await?;
        Ok(())
    }

    /// Brings the commits of a branch of the source here, on no branch; its newest one, if the source has the branch.
    ///
    /// # Errors
    /// When git fails.
    pub(crate) async fn take(&self, source: &Source, branch: &str) -> anyhow::Result<Option<String>> {
        let reference = format!("refs/heads/{branch}");
        let Some(head) = read(&source.dir, &["rev-parse", "--verify", "--quiet", &reference]).await? else {
            return Ok(None);
        };
        self.text(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", &source.dir, &reference])
            .await?;
        Ok(Some(head))
    }

    /// Brings the branches of runs to the source, and what was merged into `base` as `aspora/merged/<base>`; returns
    /// those that it changed there. No branch that is checked out there is touched, and none loses a commit.
    ///
    /// # Errors
    /// When the source cannot be read. A branch that it does not take is said by a warning, and left.
    pub(crate) async fn give_back(&self, source: &Source, base: &str) -> anyhow::Result<Vec<String>> {
        let theirs = branches(&source.dir).await?;
        let mut changed = Vec::new();
        for (branch, sha) in self.branches().await? {
            let target = match branch == base {
                true => format!("{OURS}merged/{base}"),
                false if branch.starts_with(OURS) => branch.clone(),
                false => continue,
            };
            let there = theirs.get(&target);
            let is_known = branch == base && theirs.get(base).is_some_and(|theirs| theirs.sha == sha);
            if is_known || there.is_some_and(|there| there.sha == sha) {
                continue;
            }
            if there.is_some_and(|there| there.is_checked_out) {
                tracing::warn!("`{target}` is checked out in {} and is not moved there", source.dir);
                continue;
            }
            let refspec = format!("refs/heads/{branch}:refs/heads/{target}");
            match fetch_into(&source.dir, &self.dir, &refspec).await? {
                None => changed.push(target),
                Some(refusal) => {
                    tracing::warn!("`{target}` was not brought to {}: {refusal}", source.dir);
                }
            }
        }
        Ok(changed)
    }
}

/// A branch of the source.
struct Branch {
    sha: String,
    is_checked_out: bool,
}

async fn branches(dir: &str) -> anyhow::Result<BTreeMap<String, Branch>> {
    let format = "--format=%(objectname) %(if)%(worktreepath)%(then)yes%(else)no%(end) %(refname:lstrip=2)";
    let listing = read(dir, &["for-each-ref", format, "refs/heads"]).await?;
    let listing = listing.with_context(|| format!("list the branches of {dir}"))?;
    let branch = |line: &str| {
        let (sha, rest) = line.split_once(' ')?;
        let (checked_out, name) = rest.split_once(' ')?;
        Some((name.to_owned(), Branch { sha: sha.to_owned(), is_checked_out: checked_out == "yes" }))
    };
    Ok(listing.lines().filter_map(branch).collect())
}

/// Fetches into a repository that is not the twin's, forward only and without its hooks; git's words if it refuses.
async fn fetch_into(dir: &str, from: &Path, refspec: &str) -> anyhow::Result<Option<String>> {
    let mut command = git();
    command.args(["-c", "core.hooksPath=/dev/null", "--git-dir", dir, "fetch", "--quiet", "--no-tags"]);
    command.args(["--no-write-fetch-head", "--no-auto-maintenance"]).arg(from).arg(refspec);
    let output = command.output().await.context("run git fetch")?;
    let refusal = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok((!output.status.success()).then_some(refusal))
}

/// The repository of a folder, if it can be copied as it is.
///
/// # Errors
/// When the folder is no git repository, has no commit, is shallow, uses SHA-256, is at no branch, or has a branch in
/// the way of ours; the message says what to do.
pub(crate) async fn check(folder: &Path) -> anyhow::Result<Source> {
    let shown = folder.display();
    let text = folder.to_str().with_context(|| format!("{shown} has a name that is not UTF-8; rename it"))?;
    if !folder.is_dir() {
        bail!("there is no folder {shown}; give the folder of a git repository");
    }
    let Some(dir) = git_dir(text).await? else {
        bail!(
            "{shown} is not a git repository; give the top folder of one, or begin one: \
             `git init -b main`, `git add -A`, `git commit`"
        );
    };
    let ask = async |arguments: &[&str]| read(&dir, arguments).await;
    if ask(&["rev-parse", "--show-object-format"]).await?.as_deref() == Some("sha256") {
        bail!(
            "{shown} names its objects by SHA-256, which GitHub does not know; make a copy that uses SHA-1: \
             `git init --object-format=sha1`, then commit the files there"
        );
    }
    if ask(&["rev-parse", "--is-shallow-repository"]).await?.as_deref() == Some("true") {
        bail!("{shown} is a shallow clone, whose history is cut; fetch the rest: `git fetch --unshallow`");
    }
    let listing =
        ask(&["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads"]).await?.unwrap_or_default();
    let branches: Vec<&str> = listing.lines().collect();
    if branches.is_empty() {
        bail!("{shown} has no commit yet; commit its files: `git add -A`, `git commit`");
    }
    if branches.contains(&"aspora") {
        bail!(
            "{shown} has a branch `aspora`, beside which git allows no branch `aspora/…` of a run; rename it: \
             `git branch -m aspora NAME`"
        );
    }
    let current = ask(&["symbolic-ref", "--quiet", "--short", "HEAD"]).await?;
    let Some(branch) = default_branch(&branches, current.as_deref()) else {
        bail!(
            "{shown} is at no branch, so that it is not known where changes are to be merged; check that branch out: \
             `git switch {}`",
            branches[0]
        );
    };
    let branch = branch.to_owned();
    let common = ask(&["rev-parse", "--path-format=absolute", "--git-common-dir"]).await?;
    Ok(Source { dir: common.unwrap_or(dir), branch })
}

/// The branch that is checked out; where none is, the one that is usual or the only one.
fn default_branch<'a>(branches: &[&'a str], current: Option<&str>) -> Option<&'a str> {
    let named = |name: &str| branches.iter().copied().find(|branch| *branch == name);
    let only = if let [only] = branches { Some(*only) } else { None };
    current.and_then(named).or_else(|| named("main")).or_else(|| named("master")).or(only)
}

/// The folder that holds the objects: `.git` of a work tree, or the folder itself if it is bare.
async fn git_dir(folder: &str) -> anyhow::Result<Option<String>> {
    for candidate in [format!("{folder}/.git"), folder.to_owned()] {
        let mut command = git();
        let output = command.args(["rev-parse", "--resolve-git-dir", &candidate]).output();
        let output = output.await.context("start git: is it installed?")?;
        if output.status.success() {
            return Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()));
        }
    }
    Ok(None)
}

/// The answer of a git command; `None` when it fails.
async fn read(dir: &str, arguments: &[&str]) -> anyhow::Result<Option<String>> {
    let output = git().arg("--git-dir").arg(dir).args(arguments).output().await.context("run git")?;
    Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs these git commands in a folder, each with its arguments.
    async fn run(folder: &Path, commands: &[&[&str]]) {
        for arguments in commands {
            let me = [
                "-c",
                "user.name=Ada",
                "-c",
                "user.email=ada@example.com",
                "-c",
                "protocol.file.allow=always",
            ];
            let output = git().current_dir(folder).args(me).args(*arguments).output().await.unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// A folder after these git commands.
    async fn folder(commands: &[&[&str]]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), commands).await;
        folder
    }

    async fn refused(folder: &Path) -> String {
        check(folder).await.unwrap_err().to_string()
    }

    async fn branch_of(commands: &[&[&str]]) -> String {
        check(folder(commands).await.path()).await.unwrap().branch
    }

    const COMMIT: &[&str] = &["commit", "--quiet", "--allow-empty", "-m", "first"];
    const INIT: &[&str] = &["init", "--quiet", "-b", "main"];
    const TRUNK: &[&str] = &["init", "--quiet", "-b", "trunk"];
    const DETACH: &[&str] = &["checkout", "--quiet", "--detach"];

    #[tokio::test]
    async fn each_folder_that_cannot_be_served_is_refused_with_its_cause_and_remedy() {
        let none = folder(&[]).await;
        assert!(refused(none.path()).await.contains("is not a git repository"));
        let missing = refused(&none.path().join("missing")).await;
        assert!(missing.contains("there is no folder"), "{missing}");
        let empty = refused(folder(&[INIT]).await.path()).await;
        assert!(empty.contains("has no commit yet"), "{empty}");
        let in_the_way = refused(folder(&[INIT, COMMIT, &["branch", "aspora"]]).await.path()).await;
        assert!(in_the_way.contains("`git branch -m aspora NAME`"), "{in_the_way}");
        let lost = refused(folder(&[TRUNK, COMMIT, &["branch", "other"], DETACH]).await.path()).await;
        assert!(lost.contains("is at no branch") && lost.contains("`git switch other`"), "{lost}");
        let sha256 = [&["init", "--quiet", "-b", "main", "--object-format=sha256"], COMMIT];
        let sha256 = refused(folder(&sha256).await.path()).await;
        assert!(sha256.contains("SHA-256"), "{sha256}");
        let full = folder(&[INIT, COMMIT, COMMIT]).await;
        let url = format!("file://{}", full.path().display());
        let shallow = folder(&[&["clone", "--quiet", "--depth=1", &url, "."]]).await;
        let shallow = refused(shallow.path()).await;
        assert!(shallow.contains("`git fetch --unshallow`"), "{shallow}");
        assert!(check(full.path()).await.is_ok());
        let bare = folder(&[&["clone", "--quiet", "--bare", &url, "."]]).await;
        assert!(check(bare.path()).await.is_ok());
        std::fs::create_dir(full.path().join("inside")).unwrap();
        let inside = refused(&full.path().join("inside")).await;
        assert!(inside.contains("give the top folder of one"), "{inside}");
    }

    #[tokio::test]
    async fn changes_are_merged_into_the_branch_that_is_checked_out_whatever_its_name() {
        assert_eq!(branch_of(&[TRUNK, COMMIT]).await, "trunk");
        assert_eq!(branch_of(&[TRUNK, COMMIT, &["branch", "main"]]).await, "trunk");
        assert_eq!(branch_of(&[TRUNK, COMMIT, DETACH]).await, "trunk", "it is the only one");
        assert_eq!(branch_of(&[TRUNK, COMMIT, &["branch", "master"], DETACH]).await, "master");
        let top = folder(&[INIT, COMMIT, &["worktree", "add", "--quiet", "-b", "topic", "wt"]]).await;
        let worktree = check(&top.path().join("wt")).await.unwrap();
        assert_eq!(worktree.branch, "topic");
        assert_eq!(
            worktree.dir,
            check(top.path()).await.unwrap().dir,
            "its objects are those of the repository"
        );
    }

    #[tokio::test]
    async fn results_come_back_as_branches_and_take_nothing_away() {
        let theirs = folder(&[TRUNK, COMMIT]).await;
        let source = check(theirs.path()).await.unwrap();
        let here = tempfile::tempdir().unwrap();
        let git = Git::new(here.path().join("x.git"), std::sync::Arc::default());
        git.adopt(&source).await.unwrap();
        let base = git.branch("trunk").await.unwrap().unwrap();
        assert!(git.give_back(&source, "trunk").await.unwrap().is_empty(), "nothing is new");
        let me = ("ada", "ada@example.com");
        let ours = git.commit_files(Some(&base), &[("a", b"a")], "next", me).await.unwrap();
        git.move_branch("aspora/0199-a", &ours, None).await.unwrap();
        git.move_branch("trunk", &ours, Some(&base)).await.unwrap();
        git.move_branch("elsewhere", &ours, None).await.unwrap();
        assert_eq!(git.give_back(&source, "trunk").await.unwrap(), ["aspora/0199-a", "aspora/merged/trunk"]);
        let there = branches(&source.dir).await.unwrap();
        assert_eq!(there["trunk"].sha, base, "what is checked out stays as it is");
        assert_eq!((&there["aspora/merged/trunk"].sha, there.contains_key("elsewhere")), (&ours, false));
        // Another commit of theirs on our branch is not lost, and a branch that is checked out is not moved.
        run(
            theirs.path(),
            &[&["checkout", "--quiet", "aspora/0199-a"], COMMIT, &["checkout", "--quiet", "trunk"]],
        )
        .await;
        let second = git.commit_files(Some(&ours), &[("b", b"b")], "more", me).await.unwrap();
        git.move_branch("aspora/0199-a", &second, Some(&ours)).await.unwrap();
        assert!(git.give_back(&source, "trunk").await.unwrap().is_empty());
        run(theirs.path(), &[&["checkout", "--quiet", "aspora/merged/trunk"]]).await;
        git.move_branch("trunk", &second, Some(&ours)).await.unwrap();
        assert!(git.give_back(&source, "trunk").await.unwrap().is_empty());
        run(theirs.path(), &[&["checkout", "--quiet", "trunk"]]).await;
        assert_eq!(git.give_back(&source, "trunk").await.unwrap(), ["aspora/merged/trunk"]);
    }
}
