//! What tests do at the twin as reviewers: apps that report a check, comment on lines and resolve threads, and people who
//! answer them.

use super::{
    checks::{self, CheckFields, CheckOutput},
    reviews::{self, NewComment, NewReview},
    state::ReviewComment,
    threads,
    twin::Twin,
};

/// A review of an app or a person, at lines of a commit.
#[derive(Debug, Clone, Default)]
pub struct LineReview<'a> {
    /// The commit; empty: the head.
    pub commit: &'a str,
    /// `COMMENT`, `APPROVE` or `REQUEST_CHANGES`.
    pub event: &'a str,
    /// Markdown.
    pub body: &'a str,
    /// Path, line and text of each comment.
    pub comments: &'a [(&'a str, u64, &'a str)],
}

impl Twin {
    /// Reports a check as an app, with a title and a summary: completed with a conclusion, in progress without one.
    ///
    /// # Errors
    /// When the repository or the commit is unknown.
    pub async fn report_check(
        &self,
        app: &str,
        repository: &str,
        sha: &str,
        (name, conclusion): (&str, Option<&str>),
        (title, summary): (&str, &str),
    ) -> anyhow::Result<i64> {
        let turn = self.shared.host.turn().await;
        let (title, summary) = (Some(title.to_owned()), Some(summary.to_owned()));
        let fields = CheckFields {
            name: Some(name.to_owned()),
            head_sha: Some(sha.to_owned()),
            status: Some("in_progress".to_owned()),
            output: Some(CheckOutput { title, summary, ..CheckOutput::default() }),
            ..CheckFields::default()
        };
        let id = checks::create(&turn, repository, app, fields).await?;
        if let Some(conclusion) = conclusion {
            let fields = CheckFields { conclusion: Some(conclusion.to_owned()), ..CheckFields::default() };
            checks::update(&turn, repository, app, id, fields)?;
        }
        Ok(id)
    }

    /// Reviews lines of a pull request as another account; the id of the review.
    ///
    /// # Errors
    /// When GitHub would refuse it, with GitHub's reason.
    pub async fn review_lines_as(
        &self,
        user: &str,
        repository: &str,
        number: i64,
        review: LineReview<'_>,
    ) -> anyhow::Result<i64> {
        let turn = self.shared.host.turn().await;
        let comment = |(path, line, body): &(&str, u64, &str)| NewComment {
            path: (*path).to_owned(),
            body: (*body).to_owned(),
            line: Some(*line),
            side: None,
            start_line: None,
            position: None,
        };
        let new = NewReview {
            commit_id: Some(review.commit.to_owned()).filter(|commit| !commit.is_empty()),
            body: Some(review.body.to_owned()),
            event: Some(review.event.to_owned()),
            comments: review.comments.iter().map(comment).collect(),
        };
        Ok(reviews::submit(&turn, repository, user, number, new).await?)
    }

    /// Answers in a thread as another account; the comment's id. No webhook tells of it.
    ///
    /// # Errors
    /// When there is no such thread.
    pub async fn answer_as(
        &self,
        user: &str,
        repository: &str,
        first: i64,
        body: &str,
    ) -> anyhow::Result<i64> {
        let turn = self.shared.host.turn().await;
        Ok(threads::answer(&turn, repository, user, first, body)?)
    }

    /// Edits a comment on a line as another account. No webhook tells of it.
    ///
    /// # Errors
    /// When there is no such comment.
    pub async fn edit_line_comment_as(
        &self,
        user: &str,
        repository: &str,
        id: i64,
        body: &str,
    ) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        Ok(threads::edit(&turn, repository, user, id, body)?)
    }

    /// Edits the text of a review as another account. No webhook tells of it.
    ///
    /// # Errors
    /// When there is no such review.
    pub async fn edit_review_as(
        &self,
        user: &str,
        repository: &str,
        id: i64,
        body: &str,
    ) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        Ok(threads::edit_review(&turn, repository, user, id, body)?)
    }

    /// Resolves a thread as another account, or opens it again.
    ///
    /// # Errors
    /// When there is no such thread.
    pub async fn resolve_thread_as(
        &self,
        user: &str,
        repository: &str,
        first: i64,
        resolved: bool,
    ) -> anyhow::Result<()> {
        let turn = self.shared.host.turn().await;
        Ok(threads::resolve(&turn, repository, user, first, resolved).await?)
    }

    /// The first comments of all threads of a pull request, oldest first, each with who resolved it.
    #[must_use]
    pub fn threads(&self, repository: &str, number: i64) -> Vec<(ReviewComment, Option<String>)> {
        let shown = self.shared.host.read(repository, |it| {
            let with_resolver = |first: &ReviewComment| (first.clone(), it.resolved.get(&first.id).cloned());
            it.threads(number).map(with_resolver).collect()
        });
        shown.unwrap_or_default()
    }
}
