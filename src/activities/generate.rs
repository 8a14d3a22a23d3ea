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
    let base = match at.pinned().await? {
        Some(base) => base,
        None => at.base(&mirror).await?,
    };
    let prompt = prompt(at, &mirror, &base).await?;
    let (offers, reds) = (AtomicU32::new(0), AtomicU32::new(0));
    at.draft(&mirror, &base, prompt, |draft| offer(at, &mirror, &base, (&offers, &reds), draft)).await
}

/// Publishes what the model wrote, and opens the pull request; else what the forge declined in it.
async fn offer(
    at: &Attempt<'_>,
    mirror: &Mirror,
    base: &Sha,
    (offers, reds): (&AtomicU32, &AtomicU32),
    draft: Draft,
) -> Result<Result<Reply, Objection>, Failure> {
    let (title, explanation, files) = match draft {
        Draft::Declined(reason) => return Ok(Ok(answer(Outcome::Declined, reason))),
        Draft::Asked(reply) => return Ok(Ok(reply)),
        Draft::Written { title, explanation, files } => (title, explanation, files),
    };
    match at.try_out(mirror, (base, base), &files).await? {
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
    let title = title.unwrap_or_else(|| format!("feat: {}", at.brief.title));
    let message = CommitMessage { title, explanation };
    let number = offers.fetch_add(1, Ordering::Relaxed) + 1;
    let offer = Offer { parent: base, files: &files, message: &message, expected: None, number };
    let pushed = match at.publish(mirror, offer).await? {
        Published::Done(pushed) => pushed,
        Published::Moved(now) => return Err(taken(at, now.as_ref())),
        Published::Declined(complaint) => return Ok(Err(Objection::Unusable(vec![complaint]))),
    };
    conclude(at, Written { message, base: base.clone(), files: files.len(), pushed }).await.map(Ok)
}

async fn prompt(at: &Attempt<'_>, mirror: &Mirror, base: &Sha) -> Result<llm::Prompt, Failure> {
    let requirement = &at.brief;
    let about = format!("{} {}", requirement.title, requirement.body);
    let context = Context::read(mirror, base, &about, &[]).await?;
    Ok(llm::Generate {
        product: &requirement.named(),
        title: &requirement.title,
        body: &requirement.body,
        said: &at.said().await?,
        spec: context.spec.as_deref(),
        policy: context.policy.as_deref().unwrap_or("none"),
        files: &context.files,
        harness: &context.harness(),
        tree: &context.tree,
    }
    .prompt())
}

/// The change that an earlier visit of this step pushed before the run was sent back here: it is not paid
/// for again.
async fn pushed_before(at: &Attempt<'_>) -> Result<Option<Written>, Failure> {
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
        base: intent.parent,
        files: intent.files.len(),
        pushed: ledger::observation::<ChangePushIntent>(&key, result)?,
    }))
}
