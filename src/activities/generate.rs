//! Generate: the model writes the change; branch, commit and pull request are made.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Failure, Reply,
    attempt::{Attempt, Kind, answer, learnt},
    context::Context,
    draft::Draft,
    publish::{Published, Pushed},
};
use crate::{
    core::{run::Progress, sha::Sha, workflow::Outcome},
    github::{NewPull, Pull, PullState, text},
    llm,
    store::effect,
};

/// A pull request as the ledger keeps it.
#[derive(Debug, Serialize, Deserialize)]
struct Opened {
    number: u64,
    url: String,
    open: bool,
}

/// A change that is on the branch.
struct Written {
    title: String,
    why: String,
    /// The commit that it rests on.
    base: Sha,
    /// How many files it touches.
    files: usize,
    pushed: Pushed,
}

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    if let Some(before) = pushed_before(at).await? {
        return conclude(at, before).await;
    }
    let mirror = at.mirror().await?;
    let base = match at.pinned().await? {
        Some(base) => base,
        None => at.base(&mirror).await?,
    };
    let requirement = &at.requirement;
    let about = format!("{} {}", requirement.title, requirement.body);
    let context = Context::read(&mirror, &base, &about, &[]).await?;
    let prompt = llm::Generate {
        product: &requirement.product,
        title: &requirement.title,
        body: &requirement.body,
        spec: context.spec.as_deref(),
        policy: context.policy.as_deref().unwrap_or("there is none"),
        files: &context.files,
        harness: &context.harness(),
        tree: &context.tree,
    }
    .prompt();
    let (intent, files) = match at.draft(&mirror, &base, prompt).await? {
        Draft::Declined(reason) => return Ok(answer(Outcome::Declined, reason)),
        Draft::Written { answer, files } => (answer, files),
    };
    let title = intent.title.unwrap_or_else(|| format!("feat: {}", requirement.title));
    let message = format!("{title}\n\n{}", intent.explanation);
    let pushed = match at.publish(&mirror, &base, &files, &message, None).await? {
        Published::Done(pushed) => pushed,
        Published::Moved(now) => return Err(taken(at, now.as_ref())),
    };
    conclude(at, Written { title, why: intent.explanation, base, files: files.len(), pushed }).await
}

/// The change that an earlier visit of this step put on the branch, before it came to nothing and was
/// retried: it is not paid for again.
async fn pushed_before(at: &Attempt<'_>) -> Result<Option<Written>, Failure> {
    let (visits, own) = (format!("{}.", at.task.lease.step), format!("{}/push", at.scope()));
    let effects = effect::of_run(&at.factory.pool, at.task.lease.run).await?;
    let mut earlier = effects.into_iter().rev().filter(|it| it.key.starts_with(&visits) && it.key != own);
    let Some((request, result)) =
        earlier.find_map(|it| Some((it.request, it.result.filter(|_| it.kind == "push")?)))
    else {
        return Ok(None);
    };
    let text = |name: &str| request.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    let (title, why) = text("message").split_once("\n\n").unwrap_or((text("message"), ""));
    Ok(Some(Written {
        title: title.to_owned(),
        why: why.to_owned(),
        base: text("parent").parse().map_err(Failure::last)?,
        files: request.get("files").and_then(|files| files.as_array()).map_or(0, Vec::len),
        pushed: serde_json::from_value(result).map_err(Failure::last)?,
    }))
}

async fn conclude(at: &Attempt<'_>, written: Written) -> Result<Reply, Failure> {
    let Written { title, why, base, files, pushed } = written;
    let opened = open(at, &title, &why, &pushed).await?;
    let progress = Progress {
        base: Some(base),
        head: Some(pushed.sha.clone()),
        pull: Some(opened.number),
        ..Progress::default()
    };
    if !opened.open {
        let note = format!("pull request #{} was closed by somebody", opened.number);
        return Ok(learnt(Outcome::Closed, note, progress));
    }
    let note = format!(
        "opened #{} on {}: {} files, {}",
        opened.number,
        pushed.sha.short(),
        files,
        pushed.tests.words()
    );
    Ok(learnt(Outcome::Opened, note, progress))
}

/// Opens the pull request, or adopts the one that an earlier attempt opened.
async fn open(at: &Attempt<'_>, title: &str, why: &str, pushed: &Pushed) -> Result<Opened, Failure> {
    let (forge, branch) = (&at.factory.forge, at.branch());
    let new = NewPull {
        title: text::line(title),
        body: body(at, why, pushed),
        head: branch.to_owned(),
        base: at.task.stored.spec.base_branch.clone(),
    };
    let request = json!({ "head": new.head, "base": new.base, "title": new.title });
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
    at.once("pull-request", Kind::PullRequest, &request, find, act).await
}

fn opened(pull: &Pull) -> Opened {
    Opened { number: pull.number, url: pull.url.clone(), open: pull.state == PullState::Open }
}

fn body(at: &Attempt<'_>, why: &str, pushed: &Pushed) -> String {
    let requirement = &at.requirement;
    format!(
        "{}\n\n---\n**Requirement**: {}\n\n{}\n\n---\nWritten by Aspora ({}); {}.\n\n{}",
        text::neutralise(why),
        text::line(&requirement.title),
        text::neutralise(&requirement.body),
        at.url(),
        text::line(&pushed.tests.words()),
        text::Marker::new(&format!("run:{}", at.task.lease.run)),
    )
}

fn taken(at: &Attempt<'_>, now: Option<&Sha>) -> Failure {
    let whose = now.map_or_else(|| "is gone".to_owned(), |sha| format!("stands at {}", sha.short()));
    Failure::last(format!("branch `{}` {whose}, and not by this run", at.branch()))
}
