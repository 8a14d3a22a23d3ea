//! Putting a change on the branch: a commit whose name is known beforehand, its tests, the push.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Failure,
    attempt::{Attempt, Before, Kind},
};
use crate::{
    core::{
        edit::{Written, whole_diff},
        sha::Sha,
    },
    store::product,
    workspace::{FileEdit, Limits, Mirror, NewCommit, Push},
};

/// The most of a diff that is kept for people, in bytes; the forge has it whole.
const LONGEST_DIFF: usize = 256 * 1024;

/// A head that was pushed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pushed {
    /// The new head.
    pub(super) sha: Sha,
    /// How its tests went before it was pushed.
    pub(super) tests: Tests,
}

/// How the product's tests went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Tests {
    /// They passed.
    Passed,
    /// They failed; this is the end of their output.
    Failed(String),
    /// They did not run, and why.
    NotRun(String),
}

/// What became of the attempt to give the branch a new head.
pub(super) enum Published {
    /// The branch has it.
    Done(Pushed),
    /// Somebody else moved the branch; it stands there now.
    Moved(Option<Sha>),
}

impl Attempt<'_> {
    /// Commits `files` on `parent` and pushes them, if the branch still stands at `expected`.
    pub(super) async fn publish(
        &self,
        mirror: &Mirror,
        parent: &Sha,
        files: &[Written],
        message: &str,
        expected: Option<&Sha>,
    ) -> Result<Published, Failure> {
        let key = format!("{}/push", self.scope());
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        let (diff, is_cut) = whole_diff(files, LONGEST_DIFF);
        // The database's JSON cannot hold a NUL.
        let diff = diff.replace('\0', "\u{fffd}");
        let request = json!({
            "branch": self.branch(), "parent": parent, "files": paths, "message": message,
            "diff": diff, "diff_is_cut": is_cut,
        });
        let intent = match self.begin(&key, Kind::Push, &request).await? {
            Before::Done(pushed) => return Ok(Published::Done(pushed)),
            Before::Unknown(intent) | Before::Fresh(intent) => intent,
        };
        // Same parent, same files, same message and the date of the intent: the same commit every time.
        let commit = NewCommit {
            parent: parent.clone(),
            files: edits(files),
            message: self.signed(message, &key),
            at: intent.at,
        };
        let sha = mirror.commit(&commit).await?;
        let tests = self.test(mirror, &sha).await?;
        self.push(&key, mirror, sha, tests, expected).await
    }

    /// Pushes `sha`; a push that was made before is found by the branch standing there.
    pub(super) async fn push(
        &self,
        key: &str,
        mirror: &Mirror,
        sha: Sha,
        tests: Tests,
        expected: Option<&Sha>,
    ) -> Result<Published, Failure> {
        if self.task.lost.is_cancelled() {
            return Err(Failure::LeaseLost);
        }
        if let Push::Moved { now } = mirror.push(self.branch(), &sha, expected).await? {
            return Ok(Published::Moved(now));
        }
        let pushed = Pushed { sha, tests };
        self.observe(key, &pushed).await?;
        Ok(Published::Done(pushed))
    }

    /// Runs the product's own tests on a commit, in the sandbox or not at all.
    pub(super) async fn test(&self, mirror: &Mirror, commit: &Sha) -> Result<Tests, Failure> {
        let product = product::get(&self.factory.pool, &self.task.stored.spec.product).await?;
        let command = product.map(|product| product.test_command).unwrap_or_default();
        if command.is_empty() {
            return Ok(Tests::NotRun("the product has no test command".to_owned()));
        }
        let sandbox = match &self.factory.sandbox {
            Ok(sandbox) => sandbox,
            Err(unavailable) => return Ok(Tests::NotRun(unavailable.to_string())),
        };
        let worktree = mirror.worktree(commit).await?;
        let argv: Vec<&str> = command.iter().map(String::as_str).collect();
        let run = sandbox.run(worktree.path(), &argv, Limits::default()).await?;
        Ok(match (run.passed, run.timed_out) {
            (true, _) => Tests::Passed,
            (false, true) => Tests::Failed(format!("{}\nthe tests ran out of time", run.output)),
            (false, false) => Tests::Failed(run.output),
        })
    }

    /// The message with the trailers by which an audit finds the run and the effect again.
    pub(super) fn signed(&self, message: &str, key: &str) -> String {
        format!("{}\n\nAspora-Run: {}\nAspora-Effect: {key}\n", message.trim_end(), self.task.lease.run)
    }
}

/// What is written, as git takes it.
pub(super) fn edits(files: &[Written]) -> Vec<FileEdit> {
    let edit = |file: &Written| FileEdit {
        path: file.path.clone(),
        content: file.after.clone().map(String::into_bytes),
    };
    files.iter().map(edit).collect()
}

impl Tests {
    /// A few words for a sentence.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Passed => "tests pass".to_owned(),
            Self::Failed(_) => "tests fail".to_owned(),
            Self::NotRun(why) => format!("tests not run ({why})"),
        }
    }
}
