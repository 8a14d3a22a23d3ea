//! Generate: the model writes the change; branch, commit and pull request are made.

use std::sync::atomic::{AtomicU32, Ordering};

use super::{
    Failure, Reply,
    ask::Objection,
    attempt::{Attempt, answer, answer_with},
    context::Context,
    count,
    draft::Draft,
    ledger::{self, ChangePushIntent, CommitMessage, Effect, Opened, PullRequestIntent, Pushed},
    open_pulls,
    publish::{Offer, Published},
    tested::{Tried, spent, spent_refused},
};
use crate::{
    core::{policy::PullState, run::Progress, sha::Sha, words::counted, workflow::Outcome},
    github::{NewPull, Pull, text},
    llm,
    store::effect,
    workspace::Mirror,
};

/// A change that is on the branch.
struct Written {
    message: CommitMessage,
    /// The commit that it changes.
    base: Sha,
    /// How many files it touches.
    files: usize,
    pushed: Pushed,
}

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

async fn conclude(at: &Attempt<'_>, written: Written) -> Result<Reply, Failure> {
    let Written { message, base, files, pushed } = written;
    let opened = open(at, &message, &pushed).await?;
    let progress = Progress {
        base: Some(base),
        head: Some(pushed.sha.clone()),
        pull: Some(opened.number),
        ..Progress::default()
    };
    if !opened.open {
        let note = format!("pull request #{} is closed", opened.number);
        return Ok(answer_with(Outcome::Closed, note, progress));
    }
    let (head, files) = (pushed.sha.short(), counted(count(files), "file"));
    let note = format!("opened #{} on {head}: {files}, {}", opened.number, pushed.tests);
    Ok(answer_with(Outcome::Opened, note, progress))
}

/// Opens the pull request, or adopts the one that an earlier attempt opened.
async fn open(at: &Attempt<'_>, message: &CommitMessage, pushed: &Pushed) -> Result<Opened, Failure> {
    let (forge, branch) = (&at.factory.forge, at.branch());
    let new = NewPull {
        title: text::line(&message.title),
        body: body(at, &message.explanation, pushed),
        head: branch.to_owned(),
        base: at.stored.spec.base_branch.clone(),
    };
    let intent =
        PullRequestIntent { head: new.head.clone(), base: new.base.clone(), title: new.title.clone() };
    let find = async { Ok(forge.find_pull(&at.repo, branch).await?.as_ref().map(opened)) };
    let act = async {
        match forge.open_pull(&at.repo, &new).await {
            Ok(pull) => Ok(opened(&pull)),
            Err(error) if error.is_already_exists() => {
                let found = forge.find_pull(&at.repo, branch).await?;
                found.as_ref().map(opened).ok_or_else(|| Failure::retry(error))
            }
            Err(error) => Err(error.into()),
        }
    };
    at.once("pull-request", &intent, find, act).await
}

fn opened(pull: &Pull) -> Opened {
    Opened { number: pull.number, url: pull.url.clone(), open: pull.state == PullState::Open }
}

fn body(at: &Attempt<'_>, explanation: &str, pushed: &Pushed) -> String {
    let requirement = &at.brief;
    format!(
        "{}\n\n---\n**Requirement**: {}\n\n{}\n\n---\nWritten by Aspora ({}); {}.\n\n{}",
        text::neutralise(explanation),
        text::line(&requirement.title),
        text::neutralise(&requirement.body),
        at.url(),
        text::line(&pushed.tests.to_string()),
        text::Marker::new(&format!("run:{}", at.lease.run)),
    )
}

fn taken(at: &Attempt<'_>, now: Option<&Sha>) -> Failure {
    let state = now.map_or_else(|| "was deleted".to_owned(), |sha| format!("is at {}", sha.short()));
    Failure::last(format!("branch `{}` {state}, which is not this run's work", at.branch()))
}
