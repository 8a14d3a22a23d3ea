//! Whether a folder of this machine can be served as a product's repository, and what to do if not.

use std::path::Path;

use anyhow::{Context as _, bail};

use super::git::{Git, git};

impl Git {
    /// Makes a bare copy of a repository on this machine.
    ///
    /// # Errors
    /// As [`check`] has them, and when git fails.
    pub(crate) async fn adopt(&self, source: &Path) -> anyhow::Result<()> {
        let source = check(source).await?;
        self.init().await?;
        self.text(["fetch", "--quiet", &source, "+refs/heads/*:refs/heads/*"]).await?;
        Ok(())
    }
}

/// The repository of a folder, if it can be copied as it is.
///
/// # Errors
/// When the folder is no git repository, has no commit, is shallow, uses SHA-256, or has no branch `main`; the message
/// says what to do.
async fn check(folder: &Path) -> anyhow::Result<String> {
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
    let branches =
        ask(&["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads"]).await?.unwrap_or_default();
    if branches.lines().any(|branch| branch == "main") {
        return Ok(dir);
    }
    let current = ask(&["symbolic-ref", "--short", "HEAD"]).await?.unwrap_or_default();
    if branches.is_empty() {
        bail!("{shown} has no commit yet; commit its files on the branch `main`: `git add -A`, `git commit`");
    }
    bail!(
        "{shown} has no branch `main`, into which pull requests are merged here; its branch is `{current}`: \
         create `main` from it, `git branch main {current}`"
    )
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

    /// A folder after these git commands, each with its arguments.
    async fn folder(commands: &[&[&str]]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for arguments in commands {
            let me = [
                "-c",
                "user.name=Ada",
                "-c",
                "user.email=ada@example.com",
                "-c",
                "protocol.file.allow=always",
            ];
            let output = git().current_dir(folder.path()).args(me).args(*arguments).output().await.unwrap();
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        folder
    }

    async fn refused(folder: &Path) -> String {
        check(folder).await.unwrap_err().to_string()
    }

    const COMMIT: &[&str] = &["commit", "--quiet", "--allow-empty", "-m", "first"];

    #[tokio::test]
    async fn each_folder_that_cannot_be_served_is_refused_with_its_cause_and_remedy() {
        let none = folder(&[]).await;
        assert!(refused(none.path()).await.contains("is not a git repository"));
        let missing = refused(&none.path().join("missing")).await;
        assert!(missing.contains("there is no folder"), "{missing}");
        let empty = refused(folder(&[&["init", "--quiet", "-b", "main"]]).await.path()).await;
        assert!(empty.contains("has no commit yet"), "{empty}");
        let other = refused(folder(&[&["init", "--quiet", "-b", "trunk"], COMMIT]).await.path()).await;
        assert!(other.contains("`git branch main trunk`"), "{other}");
        let sha256 = [&["init", "--quiet", "-b", "main", "--object-format=sha256"], COMMIT];
        let sha256 = refused(folder(&sha256).await.path()).await;
        assert!(sha256.contains("SHA-256"), "{sha256}");
        let full = folder(&[&["init", "--quiet", "-b", "main"], COMMIT, COMMIT]).await;
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
}
