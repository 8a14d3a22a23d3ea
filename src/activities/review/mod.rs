//! Review: the product's reviewers review one head. What they say becomes one review: it is recorded, posted as comments
//! and shown as a check.
//!
//! Three makers answer for one trait: our own agent (`builtin`), an app on the forge (`forge`), and what answers the
//! findings of a head over HTTP (`http`). A foreign review is awaited without a worker, by the row that its first look
//! makes (`store::review_part`); a webhook or the timer wakes the step, which then looks at everything again.

mod ask;
mod builtin;
mod changed;
mod forge;
mod http;
mod late;
mod post;
mod turn;

use futures::future::BoxFuture;

pub use self::http::Access;
use super::{
    Failure, Reply,
    attempt::{Attempt, answer, moved},
    wait::wait_until,
};
use crate::{
    core::{
        finding::{Finding, tally},
        policy::{FindingState, Policy},
        push::Arrival,
        reviewer::{self, Maker, Reviewer},
        sha::Sha,
        workflow::Outcome,
    },
    store::{
        product,
        review::{self, New},
    },
    workspace::{Diff, Mirror},
};

/// What a review came to.
enum Reviewed {
    /// It is complete, with these open findings.
    Complete(Vec<Finding>),
    /// The change could not be reviewed.
    Failed(String),
}

/// The head that is reviewed.
struct Subject<'a> {
    mirror: &'a Mirror,
    pull: u64,
    base: &'a Sha,
    head: &'a Sha,
    /// `None` where only what is on the forge is looked at.
    diff: Option<&'a Diff>,
    arrival: Arrival,
}

impl Subject<'_> {
    /// Whether a later push of this head voids what was said of it then.
    fn is_void(&self, said: chrono::DateTime<chrono::Utc>) -> bool {
        self.arrival.returned && self.arrival.since.is_some_and(|since| said < since)
    }
}

/// What one look at one reviewer comes to.
enum Seen {
    /// It has reviewed the head.
    Complete { summary: String, findings: Vec<Finding> },
    /// It has not reviewed the head yet, for this reason.
    Awaited { why: String, ask: Ask },
    /// It cannot review the head.
    Failed(String),
}

/// Whether a reviewer that is awaited should be asked for its review.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// It is at work.
    No,
    /// It has shown nothing so far.
    InAWhile,
    /// It has ended without a review.
    Now,
}

/// Who reviews: looks once, and never waits.
trait Reviewing: Send + Sync {
    fn look<'a>(
        &'a self,
        at: &'a Attempt<'_>,
        subject: &'a Subject<'_>,
    ) -> BoxFuture<'a, Result<Seen, Failure>>;
}

/// Who makes a reviewer's review.
fn maker(reviewer: &Reviewer) -> Box<dyn Reviewing + '_> {
    match &reviewer.maker {
        Maker::Builtin => Box::new(builtin::Builtin),
        Maker::Forge(app) => Box::new(forge::OnForge { reviewer, app }),
        Maker::Http(base) => Box::new(http::ByHttp { reviewer, base }),
    }
}

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let head = at.head()?;
    let pull = at.pull().await?;
    if pull.head_sha != head {
        return Ok(moved(&head, &pull.head_sha));
    }
    let mirror = at.mirror().await?;
    let base = at.base(&mirror).await?;
    let diff = mirror.diff(&base, &head).await?;
    let arrival = at.arrival((&mirror, &base), &pull, &at.pushes().await?).await?;
    let number = pull.number;
    let subject =
        Subject { mirror: &mirror, pull: number, base: &base, head: &head, diff: Some(&diff), arrival };
    let reviewers = at.reviewers().await?;
    let reviewed = match recorded(at, &head, arrival).await? {
        Some(Reviewed::Failed(_)) if reviewers.iter().any(|it| it.maker != Maker::Builtin) => None,
        reviewed => reviewed,
    };
    let reviewed = match reviewed {
        Some(reviewed) => reviewed,
        None => match turn::take(at, &subject, &reviewers).await? {
            turn::Taken::All(reviewed) => reviewed,
            turn::Taken::Awaited { on, until } => {
                return Ok(wait_until(at, format!("the review of {} by {on}", head.short()), until));
            }
        },
    };
    let (clean, note) = match reviewed {
        Reviewed::Failed(why) => (false, format!("the review of {} failed: {why}", head.short())),
        Reviewed::Complete(findings) => {
            post::post(at, (number, &head), &diff.text, &findings, &reviewers).await?;
            let clean = !findings.iter().any(|finding| finding.holds_merge(at.rounds_left));
            (clean, format!("{} on {}", tally(&findings), head.short()))
        }
    };
    at.report_review(&head, clean, &note).await?;
    if clean {
        at.resolve_fixed(number, &head, &reviewers).await?;
    }
    Ok(answer(if clean { Outcome::Clean } else { Outcome::Findings }, note))
}

impl Attempt<'_> {
    /// Who reviews the pull request now: of each product that it is judged for, those of the policy at the base as it was
    /// last fetched, else those of the product.
    pub(super) async fn reviewers(&self) -> Result<Vec<Reviewer>, Failure> {
        let mirror = self.factory.workspaces.mirror(&self.repo);
        let base = self.base(&mirror).await?;
        let text = mirror.policy(&base).await?.unwrap_or_default();
        // A policy that cannot be read names nobody; it holds the merge by itself.
        let policy = Policy::parse(text.as_bytes()).ok();
        let mut lists = Vec::new();
        for product in &self.brief.products {
            lists.push(self.reviewers_of(product, policy.as_ref()).await?);
        }
        Ok(reviewer::together(lists))
    }

    async fn reviewers_of(&self, product: &str, policy: Option<&Policy>) -> Result<Vec<Reviewer>, Failure> {
        let name = product.parse().map_err(|_| Failure::unusable("the product's name is none"))?;
        let settings = match policy.and_then(|policy| policy.reviewers(&name)) {
            Some(settings) => settings.to_vec(),
            None => {
                let product = product::get(&self.factory.pool, product).await?;
                product.map(|product| product.reviewers.0).unwrap_or_default()
            }
        };
        reviewer::check(&settings).map_err(|wrong| {
            let wrong: Vec<String> =
                wrong.into_iter().map(|it| format!("/reviewers{}: {}", it.pointer, it.message)).collect();
            Failure::unusable(format!("the reviewers of {product} cannot be used: {}", wrong.join("; ")))
        })
    }
}

/// The review of this head, if there is one that a later push did not void.
async fn recorded(at: &Attempt<'_>, head: &Sha, arrival: Arrival) -> Result<Option<Reviewed>, Failure> {
    let (pool, run) = (&at.factory.pool, at.lease.run);
    let Some(review) = review::of_head(pool, run, head.as_str()).await? else { return Ok(None) };
    if arrival.returned && arrival.since.is_some_and(|since| review.reviewed_at < since) {
        return Ok(None);
    }
    // What was judged by an earlier text says nothing about this one.
    if review.edition != at.brief.edition() {
        return Ok(None);
    }
    if let Some(why) = review.failed {
        return Ok(Some(Reviewed::Failed(why)));
    }
    let found = review::findings_of_head(pool, run, head).await?;
    let open = found.into_iter().filter(|found| found.state == FindingState::Open);
    Ok(Some(Reviewed::Complete(open.map(|found| found.finding).collect())))
}

/// Records the review of the head, or why there is none.
async fn record(
    at: &Attempt<'_>,
    subject: &Subject<'_>,
    reviewed: Result<(String, Vec<Finding>), String>,
) -> Result<Reviewed, Failure> {
    let Subject { head, arrival, .. } = subject;
    let (pool, lease, edition) = (&at.factory.pool, &at.lease, at.brief.edition());
    let not_before = arrival.since.filter(|_| arrival.returned);
    let (summary, findings) = match reviewed {
        Ok(reviewed) => reviewed,
        Err(why) => {
            let new = New { failed: Some(&why), not_before, edition, ..New::complete(head, "", &[]) };
            review::record(pool, lease, &new).await?;
            return Ok(Reviewed::Failed(why));
        }
    };
    let changed = changed::since_found(at, subject).await?;
    let new = New { changed: &changed, not_before, edition, ..New::complete(head, &summary, &findings) };
    review::record(pool, lease, &new).await?;
    // What a person dismissed before is dismissed here too.
    let recorded = recorded(at, head, *arrival).await?;
    Ok(recorded.unwrap_or(Reviewed::Complete(findings)))
}
