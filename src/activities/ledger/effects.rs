//! The kinds of effects: what each intends, and what is observed of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Effect;
use crate::{
    core::{policy::Conclusion, sha::Sha},
    llm::{Prompt, Reply, Task},
};

/// A call of the model.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::activities) struct ModelCallIntent {
    pub(in crate::activities) task: Task,
    pub(in crate::activities) model: String,
    /// The commit whose files the prompt shows.
    pub(in crate::activities) basis: Sha,
    /// Of the prompt.
    pub(in crate::activities) digest: String,
    pub(in crate::activities) prompt: Prompt,
}

/// The model's reply to a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::activities) struct Answered {
    #[serde(flatten)]
    pub(in crate::activities) reply: Reply,
    /// What it cost, where prices are set.
    #[serde(default)]
    pub(in crate::activities) micro_dollars: Option<u64>,
}

/// A push of a change that the model wrote.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::activities) struct ChangePushIntent {
    pub(in crate::activities) branch: String,
    pub(in crate::activities) parent: Sha,
    /// The paths that the change touches.
    #[serde(default)]
    pub(in crate::activities) files: Vec<String>,
    #[serde(default)]
    pub(in crate::activities) message: CommitMessage,
    /// Kept for people; listings of effects leave it out.
    #[serde(default)]
    pub(in crate::activities) diff: String,
    #[serde(default)]
    pub(in crate::activities) diff_is_cut: bool,
}

/// A push that merges the base into the branch.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::activities) struct BasePushIntent {
    pub(in crate::activities) branch: String,
    pub(in crate::activities) parent: Sha,
    pub(in crate::activities) base: Sha,
}

/// A commit message in git's own form: the title, a blank line, the explanation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub(in crate::activities) struct CommitMessage {
    /// One line.
    pub(in crate::activities) title: String,
    pub(in crate::activities) explanation: String,
}

/// A head that was pushed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::activities) struct Pushed {
    /// The new head.
    pub(in crate::activities) sha: Sha,
    /// The result of its tests, which ran before the push.
    pub(in crate::activities) tests: Tests,
}

/// The result of the product's tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::activities) enum Tests {
    Passed,
    /// With the end of their output.
    Failed(String),
    /// With the reason.
    NotRun(String),
}

/// The opening of the pull request.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::activities) struct PullRequestIntent {
    /// The branch with the change.
    pub(in crate::activities) head: String,
    /// The branch that it is merged into.
    pub(in crate::activities) base: String,
    pub(in crate::activities) title: String,
}

/// The pull request that was opened or adopted.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::activities) struct Opened {
    pub(in crate::activities) number: u64,
    pub(in crate::activities) url: String,
    pub(in crate::activities) open: bool,
}

/// The creation of a check run.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::activities) struct CheckRunIntent {
    pub(in crate::activities) name: String,
    pub(in crate::activities) head: Sha,
}

/// The update of a check run.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::activities) struct CheckUpdateIntent {
    pub(in crate::activities) id: u64,
    pub(in crate::activities) title: String,
    /// `None` leaves it in progress.
    pub(in crate::activities) conclusion: Option<Conclusion>,
}

/// A check run that was created or updated.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::activities) struct Reported {
    pub(in crate::activities) id: u64,
    /// The app that we report as.
    pub(in crate::activities) app_id: Option<u64>,
    pub(in crate::activities) url: String,
}

/// The posting of a review.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::activities) struct ReviewIntent {
    pub(in crate::activities) head: Sha,
    /// How many findings it has.
    pub(in crate::activities) findings: usize,
}

/// A review that was posted.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::activities) struct Posted {
    pub(in crate::activities) id: u64,
}

/// The merge of the pull request at a head.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::activities) struct MergeIntent {
    pub(in crate::activities) pull: u64,
    /// The head.
    pub(in crate::activities) sha: Sha,
}

/// A pull request that was merged.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::activities) struct Merged {
    /// The commit on the base branch.
    pub(in crate::activities) sha: Sha,
    pub(in crate::activities) head: Sha,
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

impl Effect for ReviewIntent {
    const KIND: &'static str = "review";
    type Observation = Posted;
}

impl Effect for MergeIntent {
    const KIND: &'static str = "merge";
    type Observation = Merged;
}

impl fmt::Display for CommitMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\n{}", self.title, self.explanation)
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
