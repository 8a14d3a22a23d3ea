//! Publishing a change: a commit whose SHA is the same in every attempt, its tests, the push.

mod signed;

use super::{
    Failure,
    attempt::Attempt,
    ledger::{Before, ChangePushIntent, CommitMessage, Pushed, Tests},
};
use crate::{
    core::{
        edit::{Written, whole_diff},
        sha::Sha,
    },
    llm::Complaint,
    store::effect,
    workspace::{self, FileEdit, Mirror, NewCommit, Push},
};

/// The most of a diff that is kept for people, in bytes; the forge has all of it.
const LONGEST_DIFF: usize = 256 * 1024;

/// The result of giving the branch a new head.
pub(super) enum Published {
    /// The branch has it.
    Done(Pushed),
    /// The branch is not where it was expected, but here; `None` if it was deleted.
    Moved(Option<Sha>),
    /// The forge declined it for something in the change, which the model can take out.
    Declined(Complaint),
}

/// A change to be published.
#[derive(Clone, Copy)]
pub(super) struct Offer<'a> {
    pub(super) parent: &'a Sha,
    pub(super) files: &'a [Written],
    pub(super) message: &'a CommitMessage,
    /// Where the branch is expected; `None` if it does not exist yet.
    pub(super) expected: Option<&'a Sha>,
    /// The first of this visit, or the next one after the forge declined one; from 1.
    pub(super) number: u32,
}

impl Attempt<'_> {
    /// Commits a change and pushes it, if the branch is still where it is expected. Where commits must be signed, the
    /// forge makes the commit.
    pub(super) async fn publish(&self, mirror: &Mirror, offer: Offer<'_>) -> Result<Published, Failure> {
        let Offer { parent, files, message, expected, number } = offer;
        let key = self.push_key(number);
        if self.has_offer(number + 1).await? {
            // An earlier attempt pushed this one, was declined, and asked again.
            return Ok(Published::Declined(Complaint::general("the forge declined this change")));
        }
        let is_signed = self.forge_signs().await?;
        if is_signed && let Some(complaint) = self.unsignable(mirror, parent, files).await? {
            return Ok(Published::Declined(complaint));
        }
        let intent = ChangePushIntent { is_signed, ..self.push_intent(parent, files, message) };
        let recorded = match self.begin(&key, &intent).await? {
            Before::Done(pushed) => return Ok(Published::Done(pushed)),
            Before::Unknown(recorded) | Before::Fresh(recorded) => recorded,
        };
        // The same parent, files, message and date (those of the intent) make the same commit in every attempt.
        let commit = NewCommit {
            parent: parent.clone(),
            files: edits(files),
            message: self.signed(&recorded.intent.message.to_string(), &key),
            at: recorded.at,
        };
        let sha = mirror.commit(&commit).await?;
        let tests = self.tests_of(mirror, &sha).await?;
        self.check_lease()?;
        if recorded.intent.is_signed {
            let (made, push) = self.commit_signed(mirror, &sha, offer, &commit.message).await?;
            let branched_from = expected.is_none().then(|| parent.clone());
            return self.pushed(&key, Pushed { sha: made, tests, branched_from }, push).await;
        }
        match mirror.push(self.branch(), &sha, expected).await {
            Err(workspace::Error::Declined(declined)) if declined.is_about_the_change() => {
                Ok(Published::Declined(Complaint::general(&declined.to_string())))
            }
            pushed => self.pushed(&key, Pushed { sha, tests, branched_from: None }, pushed?).await,
        }
    }

    /// Whether this visit of the step began to push a change of this number.
    async fn has_offer(&self, number: u32) -> Result<bool, Failure> {
        Ok(effect::get(&self.factory.pool, self.lease.run, &self.push_key(number)).await?.is_some())
    }

    fn push_intent(&self, parent: &Sha, files: &[Written], message: &CommitMessage) -> ChangePushIntent {
        let (diff, diff_is_cut) = whole_diff(files, LONGEST_DIFF);
        ChangePushIntent {
            branch: self.branch().to_owned(),
            parent: parent.clone(),
            files: files.iter().map(|file| file.path.to_string()).collect(),
            message: message.clone(),
            // The database's JSON cannot hold a NUL.
            diff: diff.replace('\0', "\u{fffd}"),
            diff_is_cut,
            is_signed: false,
        }
    }

    /// Pushes `sha`. If an earlier attempt pushed it, the branch is already there, which counts as pushed.
    pub(super) async fn push(
        &self,
        key: &str,
        mirror: &Mirror,
        sha: Sha,
        tests: Tests,
        expected: Option<&Sha>,
    ) -> Result<Published, Failure> {
        self.check_lease()?;
        let pushed = mirror.push(self.branch(), &sha, expected).await?;
        self.pushed(key, Pushed { sha, tests, branched_from: None }, pushed).await
    }

    /// Records a new head, unless the branch was moved by someone else.
    pub(super) async fn pushed(&self, key: &str, pushed: Pushed, push: Push) -> Result<Published, Failure> {
        if let Push::Moved { now } = push {
            return Ok(Published::Moved(now));
        }
        self.observe::<ChangePushIntent>(key, &pushed).await?;
        Ok(Published::Done(pushed))
    }

    /// The message with the trailers that name the run and the effect, for audits.
    pub(super) fn signed(&self, message: &str, key: &str) -> String {
        format!("{}\n\nAspora-Run: {}\nAspora-Effect: {key}\n", message.trim_end(), self.lease.run)
    }
}

/// The files of a change, as git takes them.
pub(super) fn edits(files: &[Written]) -> Vec<FileEdit> {
    let edit = |file: &Written| FileEdit {
        path: file.path.clone(),
        content: file.after.clone().map(String::into_bytes),
    };
    files.iter().map(edit).collect()
}
