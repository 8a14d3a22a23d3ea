//! What people who may write ask for in their reviews: a refusal and its comments on lines, and the comments on lines of
//! any other review. Each becomes one remark, which goes to remediation once; an edited text replaces it.
//!
//! A draft is nobody's business, what others write is shown and never given to a model, and answers within a thread are a
//! conversation.

use super::{Failure, attempt::Attempt};
use crate::{
    core::policy::{Approval, ApprovalState, Permission, Person, Remark, WHOLE_CHANGE, severity_of_remark},
    github::{Account, Review, ReviewComment},
    store::remark::{self, Source, Sourced},
};

/// The most characters of a remark.
const LONGEST: usize = 4_000;

/// A review that may ask for something.
struct Asking<'a> {
    review: &'a Review,
    user: &'a Account,
    /// Whether it refuses the head: then it holds the merge up.
    refuses: bool,
}

impl Attempt<'_> {
    /// The open remarks, after the reviews as they are now.
    pub(super) async fn remarks(
        &self,
        pull: u64,
        reviews: &[Review],
        approvals: &[Approval],
    ) -> Result<Vec<Remark>, Failure> {
        let us = self.factory.forge.identity().await?;
        let asking = asking(reviews, &us);
        let mut standing = Vec::new();
        if !asking.is_empty() {
            let comments = self.factory.forge.review_comments(&self.repo, pull).await?;
            for asking in &asking {
                standing.extend(self.remarks_of(asking, &comments, approvals).await?);
            }
        }
        let (pool, run) = (&self.factory.pool, self.lease.run);
        remark::sync(pool, run, &standing).await?;
        Ok(remark::open(pool, run).await?)
    }

    async fn remarks_of(
        &self,
        asking: &Asking<'_>,
        comments: &[ReviewComment],
        approvals: &[Approval],
    ) -> Result<Vec<Sourced>, Failure> {
        let Asking { review, user, refuses } = *asking;
        let by = Person { id: Some(user.id), login: user.login.clone() };
        let severity = severity_of_remark(refuses);
        let mut remarks = Vec::new();
        if refuses && !review.body.trim().is_empty() {
            let source = (Source::Review, number(review.id));
            remarks.push(Sourced::new(
                source,
                by.clone(),
                severity,
                (WHOLE_CHANGE, None),
                &text(&review.body),
            ));
        }
        for comment in comments.iter().filter(|it| it.review == Some(review.id) && it.answers.is_none()) {
            let source = (Source::Line, number(comment.id));
            let place = (comment.path.as_str(), comment.line);
            remarks.push(Sourced::new(source, by.clone(), severity, place, &text(&comment.body)));
        }
        if remarks.is_empty() || self.may_ask(asking, &remarks, approvals).await? {
            return Ok(remarks);
        }
        Ok(Vec::new())
    }

    /// Whether the person may write, which is asked only for what is new.
    async fn may_ask(
        &self,
        asking: &Asking<'_>,
        remarks: &[Sourced],
        approvals: &[Approval],
    ) -> Result<bool, Failure> {
        if asking.refuses {
            let is_theirs = |it: &&Approval| {
                it.by.id == Some(asking.user.id) && it.state == ApprovalState::ChangesRequested
            };
            return Ok(approvals.iter().find(is_theirs).is_some_and(|it| it.permission >= Permission::Write));
        }
        let mut all_known = true;
        for it in remarks {
            let message = &it.remark.finding.message;
            all_known &= remark::is_known(&self.factory.pool, it.source, it.id, message).await?;
        }
        if all_known {
            return Ok(true);
        }
        let permission = self.factory.forge.permission_of_account(&self.repo, asking.user).await?;
        Ok(permission >= Permission::Write)
    }
}

/// The reviews of people that ask for something and that no later approval of theirs replaced.
fn asking<'a>(reviews: &'a [Review], us: &Account) -> Vec<Asking<'a>> {
    let is_content = |user: &Account, review: &Review| {
        reviews.iter().any(|later| {
            later.user.as_ref().is_some_and(|it| it.id == user.id)
                && later.state == Some(ApprovalState::Approved)
                && later.submitted_at > review.submitted_at
        })
    };
    let asks = |review: &'a Review| {
        let user = review.user.as_ref().filter(|user| !user.is_bot && user.id != us.id)?;
        let refuses = match review.state? {
            ApprovalState::ChangesRequested => true,
            ApprovalState::Commented => false,
            ApprovalState::Approved | ApprovalState::Dismissed => return None,
        };
        let is_submitted = review.submitted_at.is_some() && !is_content(user, review);
        is_submitted.then_some(Asking { review, user, refuses })
    };
    reviews.iter().filter_map(asks).collect()
}

fn number(id: u64) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

fn text(body: &str) -> String {
    body.trim().chars().take(LONGEST).collect()
}
