//! Generate: the model writes the change; branch, commit and pull request are made.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{
    Failure, Reply,
    ask::Objection,
    attempt::{Attempt, answer},
    context::Context,
    draft::Draft,
    ledger::{self, ChangePushIntent, CommitMessage, Effect},
    open_pulls,
    opening::{Written, conclude, taken},
    proof,
    publish::{Offer, Published},
    revert,
    tested::{Tried, spent, spent_refused},
};
use crate::{
    core::{sha::Sha, workflow::Outcome},
    llm,
    store::effect,
    workspace::Mirror,
};

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    if let Some(reply) = at.awaits_answers().await? {
        return Ok(reply);
    }
    if let Some(written) = pushed_before(at).await? {
        return conclude(at, written).await;
    }
    if let Some(wait) = open_pulls::take_place(at).await? {
        return Ok(wait);
    }
    if let Some(reverted) = revert::asked(at).await? {
        return revert::perform(at, &reverted).await;
    }
    let mirror = at.mirror().await?;
    let basis = basis(at, &mirror).await?;
    let prompt = prompt(at, &mirror, &basis.parent).await?;
    let (offers, reds) = (AtomicU32::new(0), AtomicU32::new(0));
    at.draft(&mirror, &basis.parent, prompt, |draft| offer(at, &mirror, &basis, (&offers, &reds), draft))
        .await
}

/// What the change is written on.
struct Basis {
    /// The base, which it is judged against.
    base: Sha,
    /// The commit that it follows.
    parent: Sha,
    /// Whether that is on the branch already: the case of a harness gap is.
    is_pushed: bool,
}

async fn basis(at: &Attempt<'_>, mirror: &Mirror) -> Result<Basis, Failure> {
    if at.brief.gap().is_some() {
        let case = at.progress().head.clone().ok_or_else(|| {
            Failure::last("the run has no case yet: send it back to `reproduce`, or fork it")
        })?;
        let base = match &at.progress().base {
            Some(base) => base.clone(),
            None => at.base(mirror).await?,
        };
        return Ok(Basis { base, parent: case, is_pushed: true });
    }
    let base = match at.pinned().await? {
        Some(base) => base,
        None => at.base(mirror).await?,
    };
    Ok(Basis { parent: base.clone(), base, is_pushed: false })
}

/// Publishes what the model wrote, and opens the pull request; else what the forge declined in it.
async fn offer(
    at: &Attempt<'_>,
    mirror: &Mirror,
    basis: &Basis,
    (offers, reds): (&AtomicU32, &AtomicU32),
    draft: Draft,
) -> Result<Result<Reply, Objection>, Failure> {
    let (title, why, files) = match draft {
        Draft::Declined(reason) => return Ok(Ok(answer(Outcome::Declined, reason))),
        Draft::Asked(reply) => return Ok(Ok(reply)),
        Draft::Written { title, why, files } => (title, why, files),
    };
    let Basis { base, parent, is_pushed } = basis;
    match at.try_out(mirror, (base, parent), &files).await? {
        Tried::Fine => {}
        Tried::Asks(withheld) => return Ok(Ok(at.asks_consent(*withheld))),
        Tried::Refused(refusal, most) => {
            return match spent_refused(&refusal, most, reds) {
                Some(why) => Err(Failure::unusable(why)),
                None => Ok(Err(Objection::Refused(refusal))),
            };
        }
        Tried::Red(red, most) => {
            return match spent(at, &red, most, reds) {
                Some(why) => Err(Failure::unusable(why)),
                None => Ok(Err(Objection::Red(red))),
            };
        }
    }
    let kind = if at.brief.gap().is_some() { "fix" } else { "feat" };
    let title = title.unwrap_or_else(|| format!("{kind}: {}", at.brief.title));
    let message = CommitMessage { title, explanation: why };
    let number = offers.fetch_add(1, Ordering::Relaxed) + 1;
    let expected = is_pushed.then_some(parent);
    let offer = Offer { parent, files: &files, message: &message, expected, number };
    let pushed = match at.publish(mirror, offer).await? {
        Published::Done(pushed) => pushed,
        Published::Moved(now) => return Err(taken(at, now.as_ref())),
        Published::Declined(complaint) => return Ok(Err(Objection::unusable(complaint))),
    };
    conclude(at, Written { message, base: base.clone(), files: files.len(), pushed }).await.map(Ok)
}

async fn prompt(at: &Attempt<'_>, mirror: &Mirror, basis: &Sha) -> Result<llm::Prompt, Failure> {
    let requirement = &at.brief;
    let about = format!("{} {}", requirement.title, requirement.body);
    let context = Context::read(mirror, basis, &about, &[]).await?;
    Ok(llm::Generate {
        product: &requirement.named(),
        title: &requirement.title,
        body: &requirement.body,
        said: &at.said_and_noted().await?,
        spec: context.spec.as_deref(),
        policy: context.policy.as_deref().unwrap_or("none"),
        files: &context.files,
        harness: &context.harness(),
        tree: &context.tree,
        case: &case_files(at, mirror, basis).await?,
    }
    .prompt())
}

/// The paths of the failing case that a fix is for; none where the change is for a requirement.
async fn case_files(at: &Attempt<'_>, mirror: &Mirror, basis: &Sha) -> Result<Vec<String>, Failure> {
    let (Some(_), Some(base)) = (at.brief.gap(), &at.progress().base) else { return Ok(Vec::new()) };
    Ok(proof::cases(mirror, base, basis).await?.files.into_iter().map(|file| file.path).collect())
}

/// The change that an earlier visit of this step pushed before the run was sent back here: it is not paid
/// for again.
pub(super) async fn pushed_before(at: &Attempt<'_>) -> Result<Option<Written>, Failure> {
    let (visits, own) = (format!("{}.", at.lease.step), at.push_key(1));
    let effects = effect::of_run(&at.factory.pool, at.lease.run).await?;
    let is_earlier_push = |row: &effect::Row| {
        row.kind == ChangePushIntent::KIND && row.key.starts_with(&visits) && row.key != own
    };
    let earlier = effects.into_iter().rev().filter(is_earlier_push);
    let Some((key, request, result)) =
        earlier.filter_map(|row| Some((row.key, row.request, row.result?))).next()
    else {
        return Ok(None);
    };
    let intent: ChangePushIntent = ledger::intent(&key, request)?;
    Ok(Some(Written {
        message: intent.message,
        // A fix of a harness gap follows its case, and is judged against the base that the case was proven on.
        base: at.brief.gap().and_then(|_| at.progress().base.clone()).unwrap_or(intent.parent),
        files: intent.files.len(),
        pushed: ledger::observation::<ChangePushIntent>(&key, result)?,
    }))
}
