//! What tests and demonstrations do at the twin as other people, and what they read from it.

use std::path::Path;

use anyhow::Context as _;

use super::{
    accounts::{BOT, address_of},
    comments,
    event::{Event, RepositoryAction},
    git::Move,
    pulls::{self, PullChange},
    push,
    reviews::{self, NewReview},
    state::{CheckRun, Comment, Issue, Pull, Reaction, Repository, Review, ReviewComment, Status, now},
    twin::Twin,
};

/// What a review does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewEvent {
    /// Approves the current head.
    Approve,
    /// Requests changes.
    RequestChanges,
    /// Comments without a decision.
    Comment,
    /// Begins a draft, which nobody else is shown.
    Draft,
}

impl ReviewEvent {
    /// GitHub's name of it; a draft has none.
    const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Approve => Some("APPROVE"),
            Self::RequestChanges => Some("REQUEST_CHANGES"),
            Self::Comment => Some("COMMENT"),
            Self::Draft => None,
        }
    }
}

impl Twin {
    /// Creates `owner/name` with these files as its first commit on `main`; does nothing if it exists.
    ///
    /// # Errors
    /// When the name is not `owner/name`, or git fails.
    pub async fn create_repository(&self, name: &str, files: &[(&str, &[u8])]) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        if turn.has(name) {
            return Ok(());
        }
        let (owner, _) = split(name)?;
        let git = turn.git(name);
        git.init().await?;
        if git.branch("main").await?.is_none() {
            let author = (owner, &*address_of(owner));
            let commit = git.commit_files(None, files, "feat: Begin the product", author).await?;
            git.move_branch("main", &commit, None).await?;
        }
        self.register(name, "main", None)
    }

    /// Registers a repository whose objects the twin has.
    pub(super) fn register(
        &self,
        name: &str,
        default_branch: &str,
        source: Option<&Path>,
    ) -> anyhow::Result<()> {
        let (owner, short) = split(name)?;
        self.shared.host.change(|state| {
            let mut repository = Repository::new(state.new_id(), owner, short, &now());
            default_branch.clone_into(&mut repository.default_branch);
            repository.source = source.map(|folder| folder.display().to_string());
            state.repositories.insert(name.to_owned(), repository);
            Ok(())
        })?;
        self.shared.host.announce(name, owner, &Event::Repository(RepositoryAction::Created))
    }

    /// Commits files to a branch as another user; a missing branch is created from the default branch.
    ///
    /// # Errors
    /// When the repository is unknown, or git fails.
    pub async fn push_as(
        &self,
        user: &str,
        repository: &str,
        branch: &str,
        files: &[(&str, &[u8])],
    ) -> anyhow::Result<String> {
        let turn = self.shared.host.turn().await;
        anyhow::ensure!(turn.has(repository), "the twin has no repository {repository}");
        let git = turn.git(repository);
        let before = git.branch(branch).await?;
        let parent = match &before {
            Some(before) => Some(before.clone()),
            None => git.branch(&self.default_branch(repository)?).await?,
        };
        let author = (user, &*address_of(user));
        let message = format!("Change {} files", files.len());
        let after = git.commit_files(parent.as_deref(), files, &message, author).await?;
        git.move_branch(branch, &after, before.as_deref()).await?;
        let moved = Move { branch: branch.to_owned(), before, after: Some(after.clone()) };
        push::moved(&turn, repository, user, &[moved]).await?;
        Ok(after)
    }

    /// Reviews a pull request as another user; returns the id of the review.
    ///
    /// # Errors
    /// When GitHub would refuse it, with GitHub's reason.
    pub async fn review_as(
        &self,
        user: &str,
        repository: &str,
        number: i64,
        event: ReviewEvent,
        body: &str,
    ) -> anyhow::Result<i64> {
        let turn = self.shared.host.turn().await;
        let review = NewReview {
            body: Some(body.to_owned()),
            event: event.as_str().map(str::to_owned),
            ..NewReview::default()
        };
        Ok(reviews::submit(&turn, repository, user, number, review).await?)
    }

    /// Comments as another user; the comment's id.
    ///
    /// # Errors
    /// When the pull request or issue is unknown.
    pub async fn comment_as(
        &self,
        user: &str,
        repository: &str,
        number: i64,
        body: &str,
    ) -> anyhow::Result<i64> {
        let turn = self.shared.host.turn().await;
        Ok(comments::add(&turn, repository, user, number, body.to_owned())?.id)
    }

    /// Edits a comment as another user.
    ///
    /// # Errors
    /// When the comment is unknown.
    pub async fn edit_comment_as(
        &self,
        user: &str,
        repository: &str,
        id: i64,
        body: &str,
    ) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        comments::edit(&turn, repository, user, id, body.to_owned())?;
        Ok(())
    }

    /// Dismisses a review as another user.
    ///
    /// # Errors
    /// When it is unknown, or neither approves nor requests changes.
    pub async fn dismiss_review_as(
        &self,
        user: &str,
        repository: &str,
        number: i64,
        review: i64,
    ) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        Ok(reviews::dismiss(&turn, repository, user, number, review).await?)
    }

    /// Closes a pull request without merging, as another user.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn close_pull(&self, user: &str, repository: &str, number: i64) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        Ok(pulls::close(&turn, repository, user, number).await?)
    }

    /// Reopens a pull request that was closed, as another user.
    ///
    /// # Errors
    /// When it is unknown, merged, or its branch is gone.
    pub async fn reopen_pull(&self, user: &str, repository: &str, number: i64) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        let change = PullChange { state: Some("open".to_owned()), ..PullChange::default() };
        Ok(pulls::edit(&turn, repository, user, number, change).await?)
    }

    /// Points a pull request at another base, as another user.
    ///
    /// # Errors
    /// When it is unknown or closed, or there is no such branch.
    pub async fn retarget_pull(
        &self,
        user: &str,
        repository: &str,
        number: i64,
        base: &str,
    ) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        let change = PullChange { base: Some(base.to_owned()), ..PullChange::default() };
        Ok(pulls::edit(&turn, repository, user, number, change).await?)
    }

    /// Makes a pull request a draft or ready for review, as another user.
    ///
    /// # Errors
    /// When it is unknown.
    pub async fn set_draft(
        &self,
        user: &str,
        repository: &str,
        number: i64,
        draft: bool,
    ) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        Ok(pulls::set_draft(&turn, repository, user, number, draft).await?)
    }

    /// Reports a check as an app: completed with a conclusion, in progress without one.
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
        self.report_check(app, repository, sha, (name, conclusion), (name, "")).await
    }

    /// Gives a user `admin`, `write`, `read` or `none`.
    ///
    /// # Errors
    /// When the repository is unknown.
    pub fn set_permission(&self, repository: &str, user: &str, permission: &str) -> anyhow::Result<()> {
        self.shared.host.change(|state| {
            let it = state.repositories.get_mut(repository);
            let it = it.with_context(|| format!("the twin has no repository {repository}"))?;
            it.permissions.insert(user.to_owned(), permission.to_owned());
            Ok(())
        })
    }

    /// All pull requests by number; an unknown repository has none.
    #[must_use]
    pub fn pulls(&self, repository: &str) -> Vec<Pull> {
        self.list(repository, |it| it.pulls.clone())
    }

    /// All reviews, oldest first.
    #[must_use]
    pub fn reviews(&self, repository: &str) -> Vec<Review> {
        self.list(repository, |it| it.reviews.clone())
    }

    /// All comments on lines, oldest first.
    #[must_use]
    pub fn review_comments(&self, repository: &str) -> Vec<ReviewComment> {
        self.list(repository, |it| it.review_comments.clone())
    }

    /// All comments in conversations, oldest first.
    #[must_use]
    pub fn comments(&self, repository: &str) -> Vec<Comment> {
        self.list(repository, |it| it.comments.clone())
    }

    /// All reactions to comments in conversations, oldest first.
    #[must_use]
    pub fn reactions(&self, repository: &str) -> Vec<Reaction> {
        self.list(repository, |it| it.reactions.clone())
    }

    /// All check runs, oldest first.
    #[must_use]
    pub fn check_runs(&self, repository: &str) -> Vec<CheckRun> {
        self.list(repository, |it| it.check_runs.clone())
    }

    /// All commit statuses, oldest first.
    #[must_use]
    pub fn statuses(&self, repository: &str) -> Vec<Status> {
        self.list(repository, |it| it.statuses.clone())
    }

    /// All issues, oldest first.
    #[must_use]
    pub fn issues(&self, repository: &str) -> Vec<Issue> {
        self.list(repository, |it| it.issues.clone())
    }

    /// The commit of a branch, if the branch exists.
    ///
    /// # Errors
    /// When git fails.
    pub async fn branch(&self, repository: &str, branch: &str) -> anyhow::Result<Option<String>> {
        self.shared.host.git(repository).branch(branch).await
    }

    /// The content of a file on `main`, if it exists.
    ///
    /// # Errors
    /// When there is no such repository, or git fails.
    pub async fn main_file(&self, repository: &str, path: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let branch = self.default_branch(repository)?;
        self.shared.host.git(repository).file(&format!("refs/heads/{branch}"), path).await
    }

    /// The login of the user of the token.
    #[must_use]
    pub fn bot(&self) -> &'static str {
        BOT
    }

    fn list<T>(&self, repository: &str, list: impl FnOnce(&Repository) -> Vec<T>) -> Vec<T> {
        self.shared.host.with_state(|state| state.repositories.get(repository).map(list)).unwrap_or_default()
    }
}

pub(super) fn split(name: &str) -> anyhow::Result<(&str, &str)> {
    let plain = |part: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        !part.is_empty() && !matches!(part, "." | "..") && !part.ends_with(".git") && part.chars().all(fits)
    };
    let (owner, short) = name.split_once('/').unwrap_or((name, ""));
    anyhow::ensure!(
        plain(owner) && plain(short),
        "`{name}` is not `owner/name` of letters, digits, `-`, `_` and `.`"
    );
    Ok((owner, short))
}
