//! Pull requests that other people and programs open at the twin, from its repository and from forks.

use super::{
    accounts::address_of,
    pulls::{self, Head, NewPull},
    twin::Twin,
};

impl Twin {
    /// Opens a pull request of a branch into `main`, as another user; its number.
    ///
    /// # Errors
    /// When GitHub would refuse it, with GitHub's reason.
    pub async fn open_pull_as(
        &self,
        user: &str,
        repository: &str,
        branch: &str,
        title: &str,
    ) -> anyhow::Result<i64> {
        self.open_pull_into(user, repository, (branch, "main"), title).await
    }

    /// The same into another branch.
    ///
    /// # Errors
    /// As [`Twin::open_pull_as`].
    pub async fn open_pull_into(
        &self,
        user: &str,
        repository: &str,
        (branch, base): (&str, &str),
        title: &str,
    ) -> anyhow::Result<i64> {
        let turn = self.shared.host.turn().await;
        Ok(pulls::open(&turn, repository, user, new(title, branch, base)).await?)
    }

    /// The same into `main`, with a description.
    ///
    /// # Errors
    /// As [`Twin::open_pull_as`].
    pub async fn open_pull_with(
        &self,
        user: &str,
        repository: &str,
        branch: &str,
        (title, body): (&str, &str),
    ) -> anyhow::Result<i64> {
        let turn = self.shared.host.turn().await;
        let new = NewPull { body: Some(body.to_owned()), ..new(title, branch, "main") };
        Ok(pulls::open(&turn, repository, user, new).await?)
    }

    /// Opens a pull request into `main` from a fork of this user's, whose branch has these files on top of `main`; its number.
    ///
    /// # Errors
    /// When GitHub would refuse it, or git fails.
    pub async fn open_fork_pull_as(
        &self,
        user: &str,
        repository: &str,
        branch: &str,
        files: &[(&str, &[u8])],
    ) -> anyhow::Result<i64> {
        let turn = self.shared.host.turn().await;
        let git = turn.git(repository);
        let main = git.branch("main").await?;
        let message = format!("Change {} files", files.len());
        let author = (user, &*address_of(user));
        let sha = git.commit_files(main.as_deref(), files, &message, author).await?;
        let head = Head { branch: branch.to_owned(), sha, fork: Some(user.to_owned()) };
        Ok(pulls::add(&turn, repository, user, new(&message, branch, "main"), head).await?)
    }

    /// Pushes another commit with these files to the fork of a pull request; the new head.
    ///
    /// # Errors
    /// When it is unknown, or git fails.
    pub async fn push_fork_as(
        &self,
        user: &str,
        repository: &str,
        number: i64,
        files: &[(&str, &[u8])],
    ) -> anyhow::Result<String> {
        let turn = self.shared.host.turn().await;
        let pull = pulls::one(&turn, repository, number)?;
        let author = (user, &*address_of(user));
        let git = turn.git(repository);
        let after = git.commit_files(Some(&pull.head_sha), files, "Change the fork", author).await?;
        pulls::synchronize(&turn, repository, user, &pull, &after).await?;
        Ok(after)
    }
}

fn new(title: &str, branch: &str, base: &str) -> NewPull {
    NewPull {
        title: title.to_owned(),
        head: branch.to_owned(),
        base: base.to_owned(),
        body: None,
        draft: false,
    }
}
