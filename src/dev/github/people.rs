//! What tests and demonstrations do at the twin as other people, and what they look at.

use std::path::Path;

use anyhow::Context as _;

use super::{
    BOT, Twin,
    http_backend::Move,
    now,
    render::address_of,
    routes::{
        Refusal,
        checks::{self, Fields, Output},
        comments, pulls,
        reviews::{self, NewReview},
    },
    state::{CheckRun, Comment, Issue, Pull, Repository, Review, ReviewComment},
};

/// What a reviewer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Approves the head as it is now.
    Approve,
    /// Wants changes.
    RequestChanges,
    /// Says something without deciding.
    Comment,
}

impl Verdict {
    fn event(self) -> &'static str {
        match self {
            Self::Approve => "APPROVE",
            Self::RequestChanges => "REQUEST_CHANGES",
            Self::Comment => "COMMENT",
        }
    }
}

impl Twin {
    /// Makes `owner/name` with these files as its first commit on `main`; does nothing if it exists.
    ///
    /// # Errors
    /// When the name is not `owner/name` or git fails.
    pub async fn create_repository(&self, name: &str, files: &[(&str, &[u8])]) -> anyhow::Result<()> {
        let _turn = self.shared.turn.lock().await;
        if self.shared.has(name) {
            return Ok(());
        }
        let owner = split(name)?.0;
        let git = self.shared.git(name);
        git.init().await?;
        if git.branch("main").await?.is_none() {
            let author = (owner, &*address_of(owner));
            let commit = git.commit_files(None, files, "feat: Begin the product", author).await?;
            git.move_branch("main", &commit, None).await?;
        }
        self.register(name)
    }

    /// Makes `owner/name` a copy of a git repository on this machine; does nothing if it exists.
    ///
    /// # Errors
    /// When the name is not `owner/name`, or the folder is no git repository with a branch `main`.
    pub async fn adopt_repository(&self, name: &str, source: &Path) -> anyhow::Result<()> {
        let _turn = self.shared.turn.lock().await;
        if self.shared.has(name) {
            return Ok(());
        }
        split(name)?;
        let adopted = self.shared.git(name).adopt(source).await;
        adopted.with_context(|| format!("adopt {} as {name}", source.display()))?;
        self.register(name)
    }

    fn register(&self, name: &str) -> anyhow::Result<()> {
        let (owner, short) = split(name)?;
        self.shared.change(|state| {
            let repository = Repository::new(state.new_id(), owner, short, &now());
            state.repositories.insert(name.to_owned(), repository);
            Ok(())
        })
    }

    /// Commits files to a branch as somebody else; the branch is made from `main` if missing.
    ///
    /// # Errors
    /// When the repository is unknown or git fails.
    pub async fn push_as(
        &self,
        user: &str,
        repository: &str,
        branch: &str,
        files: &[(&str, &[u8])],
    ) -> anyhow::Result<String> {
        let _turn = self.shared.turn.lock().await;
        anyhow::ensure!(self.shared.has(repository), "the twin has no repository {repository}");
        let git = self.shared.git(repository);
        let before = git.branch(branch).await?;
        let parent = match &before {
            Some(before) => Some(before.clone()),
            None => git.branch("main").await?,
        };
        let author = (user, &*address_of(user));
        let message = format!("Change {} files", files.len());
        let after = git.commit_files(parent.as_deref(), files, &message, author).await?;
        git.move_branch(branch, &after, before.as_deref()).await?;
        let moved = Move { branch: branch.to_owned(), before, after: Some(after.clone()) };
        self.shared.moved(repository, user, &[moved]).await?;
        Ok(after)
    }

    /// Reviews a pull request as somebody else; answers the review's id.
    ///
    /// # Errors
    /// When GitHub would refuse it, with its reason.
    pub async fn review_as(
        &self,
        user: &str,
        repository: &str,
        number: i64,
        verdict: Verdict,
        body: &str,
    ) -> anyhow::Result<i64> {
        let _turn = self.shared.turn.lock().await;
        let review = NewReview {
            body: Some(body.to_owned()),
            event: Some(verdict.event().to_owned()),
            ..NewReview::default()
        };
        reviews::submit(&self.shared, repository, user, number, review).await.map_err(told)
    }

    /// Comments as somebody else.
    ///
    /// # Errors
    /// When the pull request or issue is unknown.
    pub async fn comment_as(
        &self,
        user: &str,
        repository: &str,
        number: i64,
        body: &str,
    ) -> anyhow::Result<()> {
        let _turn = self.shared.turn.lock().await;
        comments::say(&self.shared, repository, user, number, body.to_owned()).map(|_| ()).map_err(told)
    }

    /// Closes a pull request without merging, as somebody else.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn close_pull(&self, user: &str, repository: &str, number: i64) -> anyhow::Result<()> {
        let _turn = self.shared.turn.lock().await;
        pulls::close(&self.shared, repository, user, number).await.map_err(told)
    }

    /// Reports a check as an app; a conclusion completes it, none leaves it in progress.
    ///
    /// # Errors
    /// When the repository or the commit is unknown.
    pub async fn set_check(
        &self,
        app: &str,
        repository: &str,
        sha: &str,
        name: &str,
        conclusion: Option<&str>,
    ) -> anyhow::Result<i64> {
        let _turn = self.shared.turn.lock().await;
        let output =
            Output { title: Some(name.to_owned()), summary: Some(String::new()), ..Output::default() };
        let fields = Fields {
            name: Some(name.to_owned()),
            head_sha: Some(sha.to_owned()),
            status: Some("in_progress".to_owned()),
            output: Some(output),
            ..Fields::default()
        };
        let id = checks::begin(&self.shared, repository, app, fields).await.map_err(told)?;
        if let Some(conclusion) = conclusion {
            let fields = Fields { conclusion: Some(conclusion.to_owned()), ..Fields::default() };
            checks::change(&self.shared, repository, id, fields).map_err(told)?;
        }
        Ok(id)
    }

    /// Gives somebody `admin`, `write`, `read` or `none`.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn set_permission(&self, repository: &str, user: &str, permission: &str) -> anyhow::Result<()> {
        self.shared
            .write(repository, |it, _| it.permissions.insert(user.to_owned(), permission.to_owned()))?;
        Ok(())
    }

    /// All pull requests, in the order of their numbers; none of an unknown repository.
    #[must_use]
    pub fn pulls(&self, repository: &str) -> Vec<Pull> {
        self.see(repository, |it| it.pulls.clone())
    }

    /// All reviews, oldest first.
    #[must_use]
    pub fn reviews(&self, repository: &str) -> Vec<Review> {
        self.see(repository, |it| it.reviews.clone())
    }

    /// All comments on lines, oldest first.
    #[must_use]
    pub fn review_comments(&self, repository: &str) -> Vec<ReviewComment> {
        self.see(repository, |it| it.review_comments.clone())
    }

    /// All comments in conversations, oldest first.
    #[must_use]
    pub fn comments(&self, repository: &str) -> Vec<Comment> {
        self.see(repository, |it| it.comments.clone())
    }

    /// All check runs, oldest first.
    #[must_use]
    pub fn check_runs(&self, repository: &str) -> Vec<CheckRun> {
        self.see(repository, |it| it.check_runs.clone())
    }

    /// All issues, oldest first.
    #[must_use]
    pub fn issues(&self, repository: &str) -> Vec<Issue> {
        self.see(repository, |it| it.issues.clone())
    }

    /// The commit of a branch, if there is one.
    ///
    /// # Errors
    /// When git fails.
    pub async fn branch(&self, repository: &str, branch: &str) -> anyhow::Result<Option<String>> {
        self.shared.git(repository).branch(branch).await
    }

    /// A file on `main`, if it is there.
    ///
    /// # Errors
    /// When git fails.
    pub async fn main_file(&self, repository: &str, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        self.shared.git(repository).file("refs/heads/main", path).await
    }

    /// The login of the token's user.
    #[must_use]
    pub fn bot(&self) -> &'static str {
        BOT
    }

    fn see<T>(&self, repository: &str, see: impl FnOnce(&Repository) -> Vec<T>) -> Vec<T> {
        self.shared.look(|state| state.repositories.get(repository).map(see)).unwrap_or_default()
    }
}

fn split(name: &str) -> anyhow::Result<(&str, &str)> {
    let plain = |part: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && !part.starts_with('.') && !part.ends_with(".git") && part.chars().all(fits)
    };
    let (owner, short) = name.split_once('/').unwrap_or((name, ""));
    anyhow::ensure!(
        plain(owner) && plain(short),
        "`{name}` is not a repository: `owner/name` of letters, digits, `-`, `_` and `.` is needed"
    );
    Ok((owner, short))
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn told(refusal: Refusal) -> anyhow::Error {
    anyhow::anyhow!(refusal.message())
}
