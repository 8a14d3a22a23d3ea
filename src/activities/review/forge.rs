//! A reviewer that is an app on the forge: its check, its reviews and its threads on the head, and nobody else's.

use futures::{FutureExt as _, future::BoxFuture};

use super::{Ask, Reviewing, Seen, Subject, builtin, changed::Changes};
use crate::{
    activities::{Failure, attempt::Attempt, context},
    core::{
        finding::Finding,
        policy::ApprovalState,
        reviewer::{
            App, CheckSign, Reading, Remark, ReviewSign, Reviewer, Signs, StatusSign, ThreadSign, read,
        },
    },
    github::{CheckRun, CommitStatus, GivenReview, Thread},
};

/// An app on the forge.
pub(super) struct OnForge<'a> {
    pub(super) reviewer: &'a Reviewer,
    pub(super) app: &'a App,
}

impl Reviewing for OnForge<'_> {
    fn look<'a>(
        &'a self,
        at: &'a Attempt<'_>,
        subject: &'a Subject<'_>,
    ) -> BoxFuture<'a, Result<Seen, Failure>> {
        async move {
            let signs = self.signs(at, subject).await?;
            let name = &self.reviewer.name;
            Ok(match read(self.reviewer.kind, &signs) {
                Reading::Complete(remarks) => {
                    let findings = findings(self.reviewer, subject, &remarks).await?;
                    Seen::Complete { summary: String::new(), findings }
                }
                Reading::Silent => {
                    Seen::Awaited { why: format!("{name}, which has shown nothing yet"), ask: Ask::InAWhile }
                }
                Reading::Working(why) => Seen::Awaited { why, ask: Ask::No },
                Reading::NotAReview(why) => Seen::Awaited { why, ask: Ask::Now },
            })
        }
        .boxed()
    }
}

impl OnForge<'_> {
    /// What the app has put on the head.
    async fn signs(&self, at: &Attempt<'_>, subject: &Subject<'_>) -> Result<Signs, Failure> {
        let (forge, head) = (&at.factory.forge, subject.head);
        let checks = forge.check_runs(&at.repo, head).await?;
        let statuses = forge.statuses(&at.repo, head).await?;
        let reviews = forge.given_reviews(&at.repo, subject.pull).await?;
        let threads = forge.threads(&at.repo, subject.pull).await?;
        let mut changes = Changes::new(subject.mirror, head);
        let mut own_threads = Vec::new();
        for thread in &threads {
            own_threads.extend(self.thread(subject, thread, &mut changes).await?);
        }
        Ok(Signs {
            name: self.reviewer.name.clone(),
            check: self.check(subject, &checks),
            status: self.status(&statuses),
            reviews: reviews.iter().filter_map(|review| self.review(subject, review)).collect(),
            threads: own_threads,
        })
    }

    /// The newest run of its check on the head, of this app alone.
    fn check(&self, subject: &Subject<'_>, runs: &[CheckRun]) -> Option<CheckSign> {
        let name = self.app.check.as_deref()?;
        let is_of_app = |run: &&CheckRun| {
            run.app_slug.as_deref().is_some_and(|slug| slug.eq_ignore_ascii_case(&self.app.slug))
        };
        let is_void = |run: &CheckRun| run.completed_at.is_some_and(|at| subject.is_void(at));
        let own = runs.iter().filter(is_of_app).filter(|run| run.name == name && !is_void(run));
        let newest = own.max_by_key(|run| run.id)?;
        let output = &newest.output;
        Some(CheckSign {
            status: newest.status,
            conclusion: newest.conclusion,
            text: [&*output.title, &*output.summary, &*output.text].join("\n"),
        })
    }

    /// The newest status of its check's name on the head, set by the account of this app.
    fn status(&self, statuses: &[CommitStatus]) -> Option<StatusSign> {
        let name = self.app.check.as_deref()?;
        let bot = format!("{}[bot]", self.app.slug);
        let is_of_app = |status: &&CommitStatus| {
            let creator = status.creator.as_ref();
            creator.is_some_and(|by| by.is_bot && by.login.eq_ignore_ascii_case(&bot))
        };
        let own = statuses.iter().filter(is_of_app).filter(|status| status.context == name);
        let newest = own.max_by_key(|status| status.id)?;
        let description = newest.description.clone();
        Some(StatusSign { state: newest.state, description })
    }

    /// A review of the head by this app.
    fn review(&self, subject: &Subject<'_>, given: &GivenReview) -> Option<ReviewSign> {
        let is_of_app = given.author.as_ref().is_some_and(|author| author.is_app(&self.app.slug));
        let at = given.submitted_at?;
        if !is_of_app || given.commit.as_ref() != Some(subject.head) || subject.is_void(at) {
            return None;
        }
        let refuses = match given.state? {
            ApprovalState::ChangesRequested => true,
            ApprovalState::Approved | ApprovalState::Commented => false,
            ApprovalState::Dismissed => return None,
        };
        Some(ReviewSign { text: (!given.is_edited).then(|| given.body.clone()), refuses })
    }

    /// A thread that this app began and that counts on the head: one of the head that the app itself has not resolved, and
    /// an open one of an earlier head whose line has not changed since.
    async fn thread(
        &self,
        subject: &Subject<'_>,
        thread: &Thread,
        changes: &mut Changes<'_>,
    ) -> Result<Option<ThreadSign>, Failure> {
        let Some(first) = thread.first() else { return Ok(None) };
        if !first.author.as_ref().is_some_and(|author| author.is_app(&self.app.slug)) {
            return Ok(None);
        }
        let is_of_head = first.commit.as_ref() == Some(subject.head);
        let own = thread.resolved_by.as_deref().is_some_and(|by| by.eq_ignore_ascii_case(&self.app.slug));
        if thread.is_resolved && (own || !is_of_head) {
            return Ok(None);
        }
        if let (false, Some(commit)) = (is_of_head, &first.commit)
            && changes.has(commit, &thread.path, thread.line).await?
        {
            return Ok(None);
        }
        let (path, line, text) = (thread.path.clone(), thread.line, first.body.clone());
        Ok(Some(ThreadSign { path, line, text, edited: first.is_edited, is_of_head }))
    }
}

/// What a reviewer remarks, as findings at lines of the head.
pub(super) async fn findings(
    reviewer: &Reviewer,
    subject: &Subject<'_>,
    remarks: &[Remark],
) -> Result<Vec<Finding>, Failure> {
    let mut paths: Vec<&str> = remarks.iter().map(|remark| remark.path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    let texts = context::texts(subject.mirror, subject.head, paths).await?;
    let finding = |remark: &Remark| {
        let code = remark.line.and_then(|line| builtin::line_of(&texts, &remark.path, line));
        remark.finding(&reviewer.name, !reviewer.is_blocking(), code.as_deref().unwrap_or_default())
    };
    Ok(remarks.iter().map(finding).collect())
}
