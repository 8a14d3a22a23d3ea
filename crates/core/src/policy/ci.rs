//! What the forge reports about a commit: check runs, commit statuses, workflow runs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{App, Person};
use crate::sha::Sha;

/// One check run on a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckFact {
    /// The check's name.
    pub name: String,
    /// The reporting app's number.
    pub app_id: u64,
    /// The reporting app's slug.
    pub app_slug: String,
    /// The run's number; greater is newer.
    pub id: u64,
    /// The suite that it belongs to.
    #[serde(default)]
    pub suite: Option<u64>,
    /// The workflow whose job it is; `None` where it is none of a workflow, or not known.
    #[serde(default)]
    pub workflow: Option<u64>,
    /// When it began, as its app says; `None` while it is queued.
    pub started_at: Option<DateTime<Utc>>,
    /// How far it is.
    pub status: CheckStatus,
    /// How it ended, once it is completed.
    pub conclusion: Option<Conclusion>,
    /// Where people read more.
    pub url: Option<String>,
    /// Whether the factory's own app reported it.
    pub ours: bool,
    /// How many steps of its job are done, where that was asked.
    #[serde(default)]
    pub steps: Option<u32>,
    /// When we first saw it in this state, or a job of its workflow run move.
    #[serde(default)]
    pub since: Option<DateTime<Utc>>,
}

/// How far a check run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// Waiting for a machine.
    Queued,
    /// Running.
    InProgress,
    /// Has a conclusion.
    Completed,
    /// Waiting for a person, as a deployment to a protected environment does.
    Waiting,
    /// Waiting for something else (`requested`, `pending`, and unknown values).
    #[serde(other)]
    Pending,
}

/// How a check run or a workflow run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// The only one that always satisfies.
    Success,
    /// The check found something wrong.
    Failure,
    /// Counts only from the factory's own app.
    Neutral,
    /// Counts only if the policy accepts it.
    Skipped,
    /// It was cancelled, or its runner was lost.
    Cancelled,
    /// It ran too long.
    TimedOut,
    /// It waits for a person.
    ActionRequired,
    /// The forge gave it up.
    Stale,
    /// Its workflow could not start.
    StartupFailure,
    /// An unknown value: counts as a failure.
    #[serde(other)]
    Unknown,
}

/// One commit status on a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitStatus {
    /// The status's name.
    pub context: String,
    /// Its number; greater is newer. 0 in facts recorded by release 0.1.0.
    #[serde(default)]
    pub id: u64,
    /// What it says.
    pub state: StatusState,
    /// When it was last written.
    pub updated_at: DateTime<Utc>,
    /// Where people read more.
    #[serde(default)]
    pub url: Option<String>,
    /// Who set it.
    #[serde(default)]
    pub creator: Option<Person>,
    /// When it was set, for the deadline; `None` for our own, which is no progress of what others check.
    #[serde(default)]
    pub since: Option<DateTime<Utc>>,
}

/// What a commit status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusState {
    /// Satisfies.
    Success,
    /// Not yet known.
    Pending,
    /// The check found something wrong.
    Failure,
    /// The check itself broke, or an unknown value.
    #[serde(other)]
    Error,
}

/// What is known of the checks beside their reports on the head.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ci {
    /// The workflow runs of the head; empty where they may not be read.
    pub workflow_runs: Vec<WorkflowRun>,
    /// What we asked to be run again on this head, oldest first.
    pub reruns: Vec<Rerun>,
    /// What the base reports.
    pub base: BaseReports,
    /// The app whose `Browser Evidence` counts, as the product names it.
    pub evidence_app: Option<App>,
    /// Whether our credential may not read check runs.
    #[serde(default)]
    pub checks_are_withheld: bool,
    /// Why the check runs of the head cannot be read, in words that follow "cannot be read:".
    #[serde(default)]
    pub check_runs_unreadable: Option<String>,
    /// Why the commit statuses of the head cannot be read, likewise.
    #[serde(default)]
    pub statuses_unreadable: Option<String>,
}

/// One run of a workflow on the head.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowRun {
    /// Its number.
    pub id: u64,
    /// The workflow's number.
    pub workflow: u64,
    /// The check suite with its jobs.
    pub suite: Option<u64>,
    /// The workflow's name.
    pub name: String,
    /// Which attempt it is, counted from 1.
    pub attempt: u32,
    /// How far it is.
    pub status: CheckStatus,
    /// How it ended, once it is completed.
    pub conclusion: Option<Conclusion>,
    /// Its page.
    pub url: String,
}

/// A request to run the failed jobs of a workflow run again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rerun {
    /// The workflow run.
    pub workflow_run: u64,
    /// The attempt that had failed.
    pub attempt: u32,
    /// When it was asked.
    pub at: DateTime<Utc>,
    /// Why the forge refused.
    pub refused: Option<String>,
}

/// What the forge reports about the base.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseReports {
    /// The newest commit of the base when they were read.
    pub tip: Option<Sha>,
    /// The newest commit of the base that has completed reports: the base itself or one shortly before it.
    pub commit: Option<Sha>,
    /// Its check runs.
    pub checks: Vec<CheckFact>,
    /// Its commit statuses.
    pub statuses: Vec<CommitStatus>,
    /// Who reports each name there, or on the nearest earlier commit that has a report of the name.
    pub reporters: Vec<Reporter>,
    /// The names that the head reported when they were read.
    pub asked: Vec<String>,
    /// Names that were red on the base in an earlier judgement of this head.
    pub red_before: Vec<String>,
}

/// Who reports a check of some name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reporter {
    /// The check's name.
    pub name: String,
    /// Who reports it.
    pub by: ReportedBy,
}

/// An app, by check runs, or an account, by commit statuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportedBy {
    /// An app.
    App {
        /// Its number.
        id: u64,
        /// Its slug.
        slug: String,
    },
    /// The account that sets the status.
    Status(Person),
}

impl CheckFact {
    /// Whether it found something wrong.
    #[must_use]
    pub fn is_red(&self) -> bool {
        self.conclusion == Some(Conclusion::Failure)
    }

    /// Whether this app reported it.
    #[must_use]
    pub fn is_by(&self, app: &App) -> bool {
        match app {
            App::Id(id) => self.app_id == *id,
            App::Slug(slug) => self.app_slug == *slug,
        }
    }
}

impl Conclusion {
    /// Whether the machinery failed rather than the code: running it again may succeed.
    #[must_use]
    pub const fn is_infrastructure(self) -> bool {
        matches!(self, Self::Cancelled | Self::TimedOut | Self::Stale | Self::StartupFailure)
    }
}

impl BaseReports {
    /// Whether they need not be read again while the base is at `tip` and the head reports this: who reports was
    /// asked for all of its names, and nothing that was read can change. What is red on the head is compared with
    /// the newest reports of the base.
    #[must_use]
    pub fn is_final_for(&self, tip: &Sha, of_head: &[CheckFact]) -> bool {
        let theirs = || of_head.iter().filter(|check| !check.ours);
        let is_over = |check: &CheckFact| check.status == CheckStatus::Completed && !check.is_red();
        self.tip.as_ref() == Some(tip)
            && theirs().all(|check| self.asked.contains(&check.name))
            && (self.commit.as_ref() == Some(tip) || !theirs().any(CheckFact::is_red))
            && self.checks.iter().all(is_over)
            && self.statuses.iter().all(|status| status.state == StatusState::Success)
    }

    /// Adds what an earlier commit of the base reports.
    pub fn add(&mut self, commit: &Sha, checks: Vec<CheckFact>, statuses: Vec<CommitStatus>) {
        let mut found = Self::reporters_of(&checks, &statuses);
        found.retain(|reporter| self.reporters.iter().all(|known| known.name != reporter.name));
        self.reporters.extend(found);
        let is_over = checks.iter().any(|check| check.status == CheckStatus::Completed)
            || statuses.iter().any(|status| status.state != StatusState::Pending);
        if self.commit.is_none() && is_over {
            (self.commit, self.checks, self.statuses) = (Some(commit.clone()), checks, statuses);
        }
    }

    /// The names that are red here or were red in these earlier reports.
    #[must_use]
    pub fn red(&self, earlier: Option<&Self>) -> Vec<String> {
        let checks = self.checks.iter().filter(|check| check.is_red()).map(|check| &check.name);
        let bad = |status: &&CommitStatus| matches!(status.state, StatusState::Failure | StatusState::Error);
        let statuses = self.statuses.iter().filter(bad).map(|status| &status.context);
        let before = earlier.into_iter().flat_map(|earlier| &earlier.red_before);
        let mut all: Vec<String> = checks.chain(statuses).chain(before).cloned().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The names that are reported by check runs and statuses, each with its reporter, once.
    #[must_use]
    pub fn reporters_of(checks: &[CheckFact], statuses: &[CommitStatus]) -> Vec<Reporter> {
        let by_app = checks.iter().map(|check| Reporter {
            name: check.name.clone(),
            by: ReportedBy::App { id: check.app_id, slug: check.app_slug.clone() },
        });
        let by_status = statuses.iter().filter_map(|status| {
            let by = ReportedBy::Status(status.creator.clone()?);
            Some(Reporter { name: status.context.clone(), by })
        });
        let mut all: Vec<Reporter> = Vec::new();
        for reporter in by_app.chain(by_status) {
            if !all.contains(&reporter) {
                all.push(reporter);
            }
        }
        all
    }
}
