//! Reproduce: the model writes the case that was missing; it is proven to show the incident on the base, and pushed as the
//! first commit of the branch.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{
    Failure, Reply,
    ask::Objection,
    attempt::{Attempt, answer, answer_with},
    consent::Permit,
    context::Context,
    draft::Draft,
    gap,
    generate::pushed_before,
    ledger::CommitMessage,
    proof,
    publish::{Offer, Published, edits},
};
use crate::{
    core::{
        edit::Written, gap::Unproven, harness, policy::TestRule, run::Progress, sha::Sha, tested::listed,
        workflow::Outcome,
    },
    llm,
    workspace::{Mirror, NewCommit},
};

/// How many cases may prove nothing before a person is needed.
const MOST_UNPROVEN: u32 = 4;

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    if let Some(reply) = at.awaits_answers().await? {
        return Ok(reply);
    }
    let about = at.brief.gap().ok_or_else(|| Failure::last("the run is about no harness gap"))?;
    if about.state != "open" {
        return Ok(answer(Outcome::Closed, format!("the gap is {} already", about.state)));
    }
    let mirror = at.mirror().await?;
    let newest = at.base(&mirror).await?;
    gap::time(at, &mirror, &newest).await?;
    gap::issue(at).await?;
    if let Some(written) = pushed_before(at).await? {
        return Ok(reproduced(&written.base, &written.pushed.sha, "its case was pushed before"));
    }
    if at.test_plan(&mirror).await?.rule != TestRule::Ours {
        let why = "the product's own tests do not run here, so that no case can be proven: give the product a test \
                   command (docs/PRODUCT_FILE.md) and retry the run";
        return Err(Failure::last(why));
    }
    let base = at.pinned().await?.unwrap_or(newest);
    let prompt = prompt(at, &mirror, &base).await?;
    let (offers, unproven) = (AtomicU32::new(0), AtomicU32::new(0));
    at.draft(&mirror, &base, prompt, |draft| offer(at, &mirror, &base, (&offers, &unproven), draft)).await
}

/// Pushes the case if it is proven; else what is wrong with it.
async fn offer(
    at: &Attempt<'_>,
    mirror: &Mirror,
    base: &Sha,
    (offers, unproven): (&AtomicU32, &AtomicU32),
    draft: Draft,
) -> Result<Result<Reply, Objection>, Failure> {
    let (title, why, files) = match draft {
        Draft::Declined(reason) => return Ok(Ok(answer(Outcome::Declined, reason))),
        Draft::Asked(reply) => return Ok(Ok(reply)),
        Draft::Written { title, why, files } => (title, why, files),
    };
    let names = match proven(at, mirror, base, &files).await? {
        Proven::Yes(names) => names,
        Proven::No { why, log } => {
            let count = unproven.fetch_add(1, Ordering::Relaxed) + 1;
            gap::refused(at, &why).await?;
            if count >= MOST_UNPROVEN {
                let note = format!("{count} cases of the model prove nothing; the last: {why}");
                return Ok(Ok(answer(Outcome::Declined, note)));
            }
            return Ok(Err(Objection::Unproven { why, log }));
        }
        Proven::Asks(reply) => return Ok(Ok(*reply)),
    };
    let title = title.unwrap_or_else(|| format!("test: {}", at.brief.title));
    let message = CommitMessage { title, explanation: why };
    let number = offers.fetch_add(1, Ordering::Relaxed) + 1;
    let offer = Offer { parent: base, files: &files, message: &message, expected: None, number };
    match at.publish(mirror, offer).await? {
        Published::Done(pushed) => {
            let what = format!("fails on the base by an assertion: {}", listed(&names, 3));
            Ok(Ok(reproduced(base, &pushed.sha, &what)))
        }
        Published::Moved(_) => {
            Err(Failure::last(format!("branch `{}` is there already, and not this run's work", at.branch())))
        }
        Published::Declined(complaint) => Ok(Err(Objection::unusable(complaint))),
    }
}

enum Proven {
    /// With the names of the cases.
    Yes(Vec<String>),
    /// Why not, and the output of the tests.
    No { why: String, log: String },
    /// Dependencies wait for a person.
    Asks(Box<Reply>),
}

async fn proven(at: &Attempt<'_>, mirror: &Mirror, base: &Sha, files: &[Written]) -> Result<Proven, Failure> {
    let outside: Vec<String> =
        files.iter().map(|file| file.path.to_string()).filter(|path| !harness::holds(path)).collect();
    if !outside.is_empty() {
        let why = format!(
            "it changes files outside of `{}/`, and the fix is asked for later: {}",
            harness::FOLDER,
            listed(&outside, 5)
        );
        return Ok(Proven::No { why, log: String::new() });
    }
    let message = "a case that is tried out".to_owned();
    let new =
        NewCommit { parent: base.clone(), files: edits(files), message, at: chrono::DateTime::UNIX_EPOCH };
    let commit = mirror.commit(&new).await?;
    let (plan, forked) = at.plan_of(mirror, base, &commit).await?;
    let permitted = match at.permit(mirror, plan, (base, forked.as_ref()), &commit).await? {
        Permit::Given(permitted) => permitted,
        Permit::Withheld(withheld) => {
            return Ok(match withheld.refusal() {
                Some(why) => Proven::No { why, log: String::new() },
                None => Proven::Asks(Box::new(at.asks_consent(*withheld))),
            });
        }
    };
    let cases = proof::cases(mirror, base, &commit).await?;
    let proof = at.prove(mirror, &permitted, base, cases).await?;
    let unproven = match proof.judge() {
        Ok(names) => return Ok(Proven::Yes(names)),
        Err(unproven) => unproven,
    };
    if let Unproven::NotRun(why) = &unproven {
        return Err(Failure::retry(why));
    }
    let log = at.log_with(mirror, &permitted, &commit).await?;
    Ok(Proven::No { why: unproven.to_string(), log })
}

fn reproduced(base: &Sha, head: &Sha, what: &str) -> Reply {
    let progress = Progress { base: Some(base.clone()), head: Some(head.clone()), ..Progress::default() };
    answer_with(Outcome::Reproduced, format!("the case is at {}: {what}", head.short()), progress)
}

async fn prompt(at: &Attempt<'_>, mirror: &Mirror, base: &Sha) -> Result<llm::Prompt, Failure> {
    let incident = &at.brief;
    let about = format!("{} {}", incident.title, incident.body);
    let context = Context::read(mirror, base, &about, &[]).await?;
    Ok(llm::Reproduce {
        product: &incident.named(),
        title: &incident.title,
        body: &incident.body,
        said: &at.said().await?,
        spec: context.spec.as_deref(),
        command: &at.test_plan(mirror).await?.command(),
        files: &context.files,
        harness: &context.harness(),
        tree: &context.tree,
    }
    .prompt())
}
