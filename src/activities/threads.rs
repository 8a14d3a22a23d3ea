//! Threads of comments on lines: what is open where the base demands that all are resolved, and the resolution of those
//! that a bot alone wrote about what is fixed.

use super::{
    Failure,
    attempt::Attempt,
    ledger::{ResolveIntent, Resolved, ReviewIntent},
};
use crate::{
    core::{
        finding::tally,
        policy::{Conversation, ReviewedBy},
        reviewer::{Maker, Reviewer},
        sha::Sha,
    },
    github::{Kind, Thread, ThreadComment},
    store::{effect, review_part},
};

impl Attempt<'_> {
    /// The open conversations, where the base branch demands that all are resolved.
    pub(super) async fn open_conversations(&self, pull: u64) -> Result<Option<Vec<Conversation>>, Failure> {
        let (forge, branch) = (&self.factory.forge, &self.stored.spec.base_branch);
        if !forge.demands_resolved_conversations(&self.repo, branch).await? {
            return Ok(None);
        }
        let threads = forge.threads(&self.repo, pull).await?;
        let open = threads.iter().filter(|thread| !thread.is_resolved).filter_map(|thread| {
            let first = thread.first()?;
            let by = first.author.as_ref().map(|author| author.login.clone()).unwrap_or_default();
            Some(Conversation { url: first.url.clone(), path: thread.path.clone(), by })
        });
        Ok(Some(open.collect()))
    }

    /// What each reviewer said of a head; nothing where the built-in one is alone.
    pub(super) async fn reviewed_by(&self, head: &Sha) -> Result<Vec<ReviewedBy>, Failure> {
        let reviewers = self.reviewers().await?;
        if reviewers.iter().all(|it| it.maker == Maker::Builtin) {
            return Ok(Vec::new());
        }
        let pool = &self.factory.pool;
        let edition = self.newest_edition().await?.0;
        let parts = review_part::of_head(pool, self.lease.run, head, edition).await?;
        let said = |part: review_part::Row| {
            let complete = part.state == "complete";
            let counted = tally(&part.findings.0);
            let note = match (complete, part.note.contains("took over")) {
                (true, false) => counted,
                _ => part.note,
            };
            ReviewedBy { reviewer: part.reviewer, advisory: part.advisory, complete, note }
        };
        let of_product = |part: &review_part::Row| reviewers.iter().any(|it| it.name == part.reviewer);
        Ok(parts.into_iter().filter(of_product).map(said).collect())
    }

    /// Resolves the threads of earlier heads that reviewers alone wrote, after a clean review of this head. One that a
    /// person wrote in is never touched, nor is one whose comments cannot all be read.
    pub(super) async fn resolve_fixed(
        &self,
        pull: u64,
        head: &Sha,
        reviewers: &[Reviewer],
    ) -> Result<(), Failure> {
        // Without an earlier head nothing can have been fixed.
        if self.brief.is_silent() || self.pushes().await?.len() < 2 {
            return Ok(());
        }
        let ours: Vec<u64> =
            self.observations::<ReviewIntent>().await?.iter().map(|posted| posted.observation.id).collect();
        let threads = self.factory.forge.threads(&self.repo, pull).await?;
        let is_reviewers = |comment: &ThreadComment| is_by_a_reviewer(comment, &ours, reviewers);
        for thread in &threads {
            if is_fixed(thread, head, is_reviewers) || self.has_begun_to_resolve(thread, head).await? {
                self.resolve(thread, head).await?;
            }
        }
        Ok(())
    }

    /// Whether a thread that is resolved may be so by an attempt that did not live to record it.
    async fn has_begun_to_resolve(&self, thread: &Thread, head: &Sha) -> Result<bool, Failure> {
        let (pool, key) = (&self.factory.pool, resolve_key(thread, head));
        Ok(thread.is_resolved && effect::get(pool, self.lease.run, &key).await?.is_some())
    }

    async fn resolve(&self, thread: &Thread, head: &Sha) -> Result<(), Failure> {
        let forge = &self.factory.forge;
        let key = resolve_key(thread, head);
        let intent = ResolveIntent { thread: thread.id.clone(), head: head.clone() };
        // Resolving what is resolved changes nothing.
        let act = async {
            match forge.resolve_thread(&self.repo, &thread.id).await {
                Ok(()) => Ok(Resolved { refused: None }),
                Err(error) if matches!(error.kind(), Kind::Forbidden | Kind::NotFound) => {
                    Ok(Resolved { refused: Some(error.to_string()) })
                }
                Err(error) => Err(error.into()),
            }
        };
        let found = thread.is_resolved.then_some(Resolved { refused: None });
        self.once(&key, &intent, async { Ok(found) }, act).await?;
        Ok(())
    }
}

fn resolve_key(thread: &Thread, head: &Sha) -> String {
    format!("resolve/{}/{}", head.short(), thread.id)
}

/// Whether an open thread is of an earlier head and written by reviewers alone.
fn is_fixed(thread: &Thread, head: &Sha, is_by_a_reviewer: impl Fn(&ThreadComment) -> bool) -> bool {
    let is_whole = thread.total == thread.comments.len();
    let is_earlier =
        thread.first().and_then(|first| first.commit.as_ref()).is_some_and(|commit| commit != head);
    !thread.is_resolved && is_whole && is_earlier && thread.comments.iter().all(is_by_a_reviewer)
}

/// Whether a comment belongs to a review that we posted, or is by the app of one of the product's reviewers.
fn is_by_a_reviewer(comment: &ThreadComment, ours: &[u64], reviewers: &[Reviewer]) -> bool {
    let is_ours = comment.review.is_some_and(|review| ours.contains(&review));
    let is_app = |reviewer: &Reviewer| match &reviewer.maker {
        Maker::Forge(app) => comment.author.as_ref().is_some_and(|author| author.is_app(&app.slug)),
        Maker::Builtin | Maker::Http(_) => false,
    };
    is_ours || reviewers.iter().any(is_app)
}
