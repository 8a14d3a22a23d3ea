//! Opens the pull request of a change of ours, once it is on the branch.

use super::{
    Failure, Reply,
    attempt::{Attempt, answer_with},
    count,
    ledger::{CommitMessage, Opened, PullRequestIntent, Pushed},
};
use crate::{
    core::{policy::PullState, run::Progress, sha::Sha, words::counted, workflow::Outcome},
    github::{NewPull, Pull, text},
};

/// A change that is on the branch.
pub(super) struct Written {
    pub(super) message: CommitMessage,
    /// The commit that it changes.
    pub(super) base: Sha,
    /// How many files it touches.
    pub(super) files: usize,
    pub(super) pushed: Pushed,
}

/// Opens the pull request of a change that is on the branch, and answers.
pub(super) async fn conclude(at: &Attempt<'_>, written: Written) -> Result<Reply, Failure> {
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
    let (what, closes) = match requirement.gap() {
        Some(gap) => ("Incident", gap.issue.map(|issue| format!("Closes #{issue}\n\n")).unwrap_or_default()),
        None => ("Requirement", String::new()),
    };
    let why = match explanation {
        "" => String::new(),
        explanation => format!("{}\n\n---\n", text::neutralise(explanation)),
    };
    format!(
        "{why}{closes}**{what}**: {}\n\n{}\n\n---\nWritten by Aspora ({}); {}.\n\n{}",
        text::line(&requirement.title),
        text::neutralise(&requirement.body),
        at.url(),
        text::line(&pushed.tests.to_string()),
        text::Marker::new(&format!("run:{}", at.lease.run)),
    )
}

/// Why the run does not go on: others have moved its branch.
pub(super) fn taken(at: &Attempt<'_>, now: Option<&Sha>) -> Failure {
    let state = now.map_or_else(|| "was deleted".to_owned(), |sha| format!("is at {}", sha.short()));
    Failure::last(format!("branch `{}` {state}, which is not this run's work", at.branch()))
}
