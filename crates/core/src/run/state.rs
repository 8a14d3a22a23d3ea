//! Where a run stands, and what it waits for or has come to know.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::PauseCause;
use crate::{policy::Tier, sha::Sha, workflow::End};

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// A job for this step is queued or running. Put here by a start, an answer, a signal or a timer.
    At {
        /// The step.
        step: String,
        /// When the run entered the step; waiting in it does not change that.
        since: DateTime<Utc>,
    },
    /// The step waits without a job. Put here by [`Event::Parked`](super::Event::Parked); a signal or the
    /// timer takes it out.
    Waiting {
        /// The step that will run again.
        step: String,
        /// When the run entered the step.
        since: DateTime<Utc>,
        /// What it waits for.
        park: Park,
    },
    /// Nothing more is asked for until somebody resumes it. Put here by
    /// [`Event::Paused`](super::Event::Paused); only [`Event::Resumed`](super::Event::Resumed) or an end
    /// takes it out. A worker that was at it may still answer: `was` is then what follows.
    Paused {
        /// Where it goes on: never paused or ended itself.
        was: Box<Self>,
        /// Whether the job of the current turn is still in the table, held back.
        queued: bool,
        /// Who paused it: a person, or the factory by the name of a worker.
        by: String,
        /// Why, in words for people.
        reason: String,
        /// What kind of reason it is.
        cause: PauseCause,
        /// When it was paused.
        since: DateTime<Utc>,
    },
    /// The run is over. Only a person's [`Event::RetriedFrom`](super::Event::RetriedFrom) takes it out, and
    /// only where the change is not merged.
    Ended {
        /// The end's name in the workflow, or `cancelled` or `stranded`.
        name: String,
        /// What that means.
        end: End,
        /// Why, in a sentence for people.
        reason: String,
    },
}

/// What a run has come to know of its pull request. A later fact replaces an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The base commit that the change rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Sha>,
    /// The head that we last pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Sha>,
    /// The pull request's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<u64>,
    /// The tier of the change, as last judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The commit on the base branch that merged the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Sha>,
}

/// What a waiting step waits for, and until when at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Park {
    /// Why, in words that follow "waiting for".
    pub reason: String,
    /// The topics whose news end the wait.
    pub topics: Vec<Topic>,
    /// When the step looks again even without news.
    pub until: DateTime<Utc>,
}

/// What a signal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A check run or a commit status changed.
    Checks,
    /// A person or a bot reviewed the pull request.
    Reviews,
    /// The pull request itself changed.
    Pull,
    /// A branch got a new head.
    Push,
}

impl State {
    /// The word that tables and people use.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::At { .. } => "active",
            Self::Waiting { .. } => "waiting",
            Self::Paused { .. } => "paused",
            Self::Ended { .. } => "ended",
        }
    }

    /// The step that the run is at, waits in or was paused in.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::At { step, .. } | Self::Waiting { step, .. } => Some(step),
            Self::Paused { was, .. } => was.step(),
            Self::Ended { .. } => None,
        }
    }

    /// When the run entered the step that it is in.
    #[must_use]
    pub fn entered(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::At { since, .. } | Self::Waiting { since, .. } => Some(*since),
            Self::Paused { was, .. } => was.entered(),
            Self::Ended { .. } => None,
        }
    }
}

impl Progress {
    /// What is known once these news are in.
    #[must_use]
    pub fn with(&self, news: &Self) -> Self {
        Self {
            base: news.base.clone().or_else(|| self.base.clone()),
            head: news.head.clone().or_else(|| self.head.clone()),
            pull: news.pull.or(self.pull),
            tier: news.tier.or(self.tier),
            merged: news.merged.clone().or_else(|| self.merged.clone()),
        }
    }
}

impl Topic {
    /// The word that tables use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Checks => "checks",
            Self::Reviews => "reviews",
            Self::Pull => "pull",
            Self::Push => "push",
        }
    }
}
