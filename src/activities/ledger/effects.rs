//! The kinds of effects: what each intends, and what is observed of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Effect;
use crate::{
    core::{
        policy::{Conclusion, StatusState},
        sha::Sha,
    },
    llm::{Prompt, Reply, Task},
};

/// A call of the model.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ModelCallIntent {
    pub(crate) task: Task,
    /// The model that was asked last.
    pub(crate) model: String,
    /// The model that this one stands in for, if it is the fallback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fallback_for: Option<String>,
    /// The commit whose files the prompt shows.
    pub(crate) basis: Sha,
    /// Of the prompt.
    pub(crate) digest: String,
    pub(crate) prompt: Prompt,
    /// The paths of the blocks that the prompt asked last says are kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) kept: Vec<String>,
    /// The edition of the rules by which the answer before this call was read.
    #[serde(default, skip_serializing_if = "is_first_edition")]
    pub(crate) edition: u32,
}

const fn is_first_edition(edition: &u32) -> bool {
    *edition == 0
}

/// The model's reply to a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Answered {
    #[serde(flatten)]
    pub(crate) reply: Reply,
    /// What it cost, where prices are set.
    #[serde(default)]
    pub(crate) micro_dollars: Option<u64>,
    /// The model that the one which answered stood in for, if it is the fallback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fallback_for: Option<String>,
}

/// A push of a change that the model wrote.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChangePushIntent {
    pub(crate) branch: String,
    pub(crate) parent: Sha,
    /// The paths that the change touches.
    #[serde(default)]
    pub(crate) files: Vec<String>,
    #[serde(default)]
    pub(crate) message: CommitMessage,
    /// Kept for people; listings of effects leave it out.
    #[serde(default)]
    pub(crate) diff: String,
    #[serde(default)]
    pub(crate) diff_is_cut: bool,
    /// Whether the forge makes the commit, which it signs; it is pushed otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_signed: bool,
}

/// A push that merges the base into the branch.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BasePushIntent {
    pub(crate) branch: String,
    pub(crate) parent: Sha,
    pub(crate) base: Sha,
    /// Whether the forge makes the merge, which it signs; it is pushed otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_signed: bool,
}

/// A commit message in git's own form: the title, a blank line, the explanation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(crate) struct CommitMessage {
    /// One line.
    pub(crate) title: String,
    pub(crate) explanation: String,
}

/// A head that was pushed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Pushed {
    /// The new head.
    pub(crate) sha: Sha,
    /// The result of its tests, which ran before the push.
    pub(crate) tests: Tests,
    /// The commit at which the branch was created, where the forge made the head on it; a push creates the branch with
    /// the head.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) branched_from: Option<Sha>,
}

/// The result of the product's tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Tests {
    Passed,
    /// With the end of their output.
    Failed(String),
    /// With the reason.
    NotRun(String),
}

/// The opening of the pull request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PullRequestIntent {
    /// The branch with the change.
    pub(crate) head: String,
    /// The branch that it is merged into.
    pub(crate) base: String,
    pub(crate) title: String,
}

/// The pull request that was opened or adopted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opened {
    pub(crate) number: u64,
    pub(crate) url: String,
    pub(crate) open: bool,
}

/// The creation of a check run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CheckRunIntent {
    pub(crate) name: String,
    pub(crate) head: Sha,
}

/// The update of a check run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CheckUpdateIntent {
    pub(crate) id: u64,
    pub(crate) title: String,
    /// `None` leaves it in progress.
    pub(crate) conclusion: Option<Conclusion>,
}

/// A check run that was created or updated.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reported {
    pub(crate) id: u64,
    /// The app that we report as.
    pub(crate) app_id: Option<u64>,
    pub(crate) url: String,
}

/// The setting of a commit status, where we may not make check runs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StatusIntent {
    pub(crate) name: String,
    pub(crate) head: Sha,
    pub(crate) state: StatusState,
}

/// The posting or the edit of the one comment that holds the gate's report.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CommentIntent {
    pub(crate) pull: u64,
    pub(crate) head: Sha,
}

/// The posting of a review.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReviewIntent {
    pub(crate) head: Sha,
    /// How many findings it has.
    pub(crate) findings: usize,
}

/// The comment that asks an app for its review of a head.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReviewRequestIntent {
    /// The reviewer, by its name.
    pub(crate) reviewer: String,
    pub(crate) head: Sha,
}

/// The resolution of a thread.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ResolveIntent {
    /// The forge's id of the thread.
    pub(crate) thread: String,
    /// The head whose clean review it follows.
    pub(crate) head: Sha,
}

/// A thread that is resolved.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Resolved {
    /// Why the forge does not let us resolve it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refused: Option<String>,
}

/// A review that was posted.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Posted {
    pub(crate) id: u64,
}

/// The merge of the pull request at a head.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MergeIntent {
    pub(crate) pull: u64,
    /// The head.
    pub(crate) sha: Sha,
}

/// A pull request that was merged.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Merged {
    /// The commit on the base branch.
    pub(crate) sha: Sha,
    pub(crate) head: Sha,
}

/// The issue of a harness gap.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IssueIntent {
    pub(crate) title: String,
    pub(crate) label: String,
}

/// The issue that was made, or found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct IssueMade {
    pub(crate) number: u64,
    pub(crate) url: String,
}

/// The re-run of the failed jobs of a workflow run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RerunIntent {
    pub(crate) workflow_run: u64,
    /// The attempt that failed.
    pub(crate) attempt: u32,
}

/// A re-run that was asked for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reran {
    pub(crate) workflow_run: u64,
    /// The attempt that had failed.
    pub(crate) attempt: u32,
    pub(crate) head: Sha,
    /// Why the forge refused.
    pub(crate) refused: Option<String>,
}

/// One request to merge, which the forge may carry out in the background.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MergeOrderIntent {
    pub(crate) pull: u64,
    /// The head.
    pub(crate) sha: Sha,
}

/// A request to merge that was answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MergeOrdered {
    /// The forge's name of the merge, if it is one in the background.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uuid: Option<String>,
}

impl Effect for IssueIntent {
    const KIND: &'static str = "issue";
    type Observation = IssueMade;
}

impl Effect for ModelCallIntent {
    const KIND: &'static str = "llm_call";
    type Observation = Answered;
}

impl Effect for ChangePushIntent {
    const KIND: &'static str = "push";
    type Observation = Pushed;
}

impl Effect for BasePushIntent {
    const KIND: &'static str = ChangePushIntent::KIND;
    type Observation = Pushed;
}

impl Effect for PullRequestIntent {
    const KIND: &'static str = "pull_request";
    type Observation = Opened;
}

impl Effect for CheckRunIntent {
    const KIND: &'static str = "check_run";
    type Observation = Reported;
}

impl Effect for CheckUpdateIntent {
    const KIND: &'static str = CheckRunIntent::KIND;
    type Observation = Reported;
}

impl Effect for StatusIntent {
    const KIND: &'static str = "commit_status";
    type Observation = Reported;
}

impl Effect for CommentIntent {
    const KIND: &'static str = "comment";
    type Observation = Posted;
}

impl Effect for RerunIntent {
    const KIND: &'static str = "rerun";
    type Observation = Reran;
}

impl Effect for ReviewRequestIntent {
    const KIND: &'static str = "review_request";
    type Observation = Posted;
}

impl Effect for ResolveIntent {
    const KIND: &'static str = "resolve";
    type Observation = Resolved;
}

impl Effect for ReviewIntent {
    const KIND: &'static str = "review";
    type Observation = Posted;
}

impl Effect for MergeIntent {
    const KIND: &'static str = "merge";
    type Observation = Merged;
}

impl Effect for MergeOrderIntent {
    const KIND: &'static str = "merge_order";
    type Observation = MergeOrdered;
}

impl fmt::Display for CommitMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.explanation.as_str() {
            "" => f.write_str(&self.title),
            explanation => write!(f, "{}\n\n{explanation}", self.title),
        }
    }
}

impl From<CommitMessage> for String {
    fn from(message: CommitMessage) -> Self {
        message.to_string()
    }
}

impl From<String> for CommitMessage {
    fn from(text: String) -> Self {
        match text.split_once("\n\n") {
            Some((title, explanation)) => {
                Self { title: title.to_owned(), explanation: explanation.to_owned() }
            }
            None => Self { title: text, explanation: String::new() },
        }
    }
}

impl fmt::Display for Tests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("tests pass"),
            Self::Failed(_) => f.write_str("tests fail"),
            Self::NotRun(reason) => write!(f, "tests not run ({reason})"),
        }
    }
}
