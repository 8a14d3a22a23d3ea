//! The state of a run, and what it waits for or has learnt.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::PauseCause;
use crate::{
    policy::{PullState, Tier},
    sha::Sha,
    workflow::End,
};

/// The state of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// A job for this step is queued or running. A start, an outcome, a signal or a timer puts a run here.
    At {
        /// The step.
        step: String,
        /// When the run entered the step; waiting in it does not change that.
        since: DateTime<Utc>,
    },
    /// The step waits without a job. [`Event::Parked`](super::Event::Parked) puts a run here; a signal or
    /// the timer takes it out.
    Waiting {
        /// The step that will run again.
        step: String,
        /// When the run entered the step.
        since: DateTime<Utc>,
        /// What it waits for.
        park: Park,
    },
    /// No new job is enqueued until the run is resumed. [`Event::Paused`](super::Event::Paused) puts a run
    /// here; only [`Event::Resumed`](super::Event::Resumed) or an end takes it out.
    Paused(Pause),
    /// The run is over. Only [`Event::RetriedFrom`](super::Event::RetriedFrom) takes it out, and only if the
    /// change is not merged.
    Ended {
        /// The end's name in the workflow, or `cancelled` or `stranded`.
        name: String,
        /// How the run ended.
        end: End,
        /// Why, in a sentence for people.
        reason: String,
    },
}

/// A pause: who made it, and the state that it wraps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The state that a resume goes back to: never paused or ended itself. A worker that had begun its
    /// attempt may still answer; then this is the state that follows from the answer.
    pub was: Box<State>,
    /// Whether the job of the current turn is still in the table, on hold.
    pub queued: bool,
    /// Who paused it: a person, or a worker by its name.
    pub by: String,
    /// Why, in words for people.
    pub reason: String,
    /// What kind of reason it is.
    pub cause: PauseCause,
    /// When it was paused.
    pub since: DateTime<Utc>,
    /// Whether a person has taken over the branch. A field of its own, since earlier releases read the cause.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takeover: bool,
}

/// What a run has learnt about its pull request. A later fact replaces an earlier one.
///
/// It belongs to the run and not to one workflow: whatever a run is about, its change goes through a pull
/// request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The base commit that the change rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Sha>,
    /// The head that the factory pushed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Sha>,
    /// The pull request's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<u64>,
    /// The tier of the change at its last assessment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The commit on the base branch that merged the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Sha>,
    /// Who merged it although no verdict had cleared it: a login, or `unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unjudged: Option<String>,
    /// What became of the pull request after the run had ended, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_end: Option<PullState>,
    /// The head up to which commits that are not ours belong to the change: at it a person gave the run back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Sha>,
    /// What the base's own checks said after the merge, once one of them had broken; in a sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broke: Option<String>,
}

/// What a waiting step waits for, and for how long at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Park {
    /// Why, in words that follow "waiting for".
    pub reason: String,
    /// The topics whose signals end the wait.
    pub topics: Vec<Topic>,
    /// When the step runs again even without a signal.
    pub until: DateTime<Utc>,
    /// Who can end the wait. Runs of earlier releases do not say.
    #[serde(default)]
    pub awaited: Awaited,
    /// The look at the pull request that found nothing but people missing; `None` where every look must be a whole one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look: Option<LastLook>,
}

/// A whole look at a pull request that had been still for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastLook {
    /// When the pull request had last changed, by the forge's clock. Comments, reviews, pushes and edits change it.
    pub changed: DateTime<Utc>,
    /// When it was looked at.
    pub at: DateTime<Utc>,
}

/// Who can end a wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Awaited {
    /// Checks, reviewers that are programs, the forge: they move by themselves.
    #[default]
    Machines,
    /// People who may approve the head.
    Approvers,
    /// The person who submitted the requirement.
    Requester,
    /// Other people: those who keep the repository, its policy or its checks.
    Keepers,
}

/// What a signal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A check run or a commit status changed.
    Checks,
    /// A person or a bot reviewed the pull request.
    Reviews,
    /// The pull request itself changed, its repository, or what we may do there.
    Pull,
    /// A branch got a new head.
    Push,
}

impl State {
    /// The name in tables and for people.
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
            Self::Paused(pause) => pause.was.step(),
            Self::Ended { .. } => None,
        }
    }

    /// When the run entered the step that it is in.
    #[must_use]
    pub fn entered(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::At { since, .. } | Self::Waiting { since, .. } => Some(*since),
            Self::Paused(pause) => pause.was.entered(),
            Self::Ended { .. } => None,
        }
    }
}

impl State {
    /// Since when the run stands here: in its step, or paused. An end does not say.
    #[must_use]
    pub fn since(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Paused(pause) => Some(pause.since),
            state => state.entered(),
        }
    }
}

impl Progress {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is known once `new` facts are added.
    #[must_use]
    pub fn with(&self, new: &Self) -> Self {
        Self {
            base: new.base.clone().or_else(|| self.base.clone()),
            head: new.head.clone().or_else(|| self.head.clone()),
            pull: new.pull.or(self.pull),
            tier: new.tier.or(self.tier),
            merged: new.merged.clone().or_else(|| self.merged.clone()),
            unjudged: new.unjudged.clone().or_else(|| self.unjudged.clone()),
            after_end: new.after_end.or(self.after_end),
            accepted: new.accepted.clone().or_else(|| self.accepted.clone()),
            broke: new.broke.clone().or_else(|| self.broke.clone()),
        }
    }
}

impl Park {
    /// A wait for machines.
    #[must_use]
    pub fn new(reason: impl Into<String>, topics: Vec<Topic>, until: DateTime<Utc>) -> Self {
        Self { reason: reason.into(), topics, until, awaited: Awaited::Machines, look: None }
    }
}

impl Awaited {
    /// Whether only people can end the wait.
    #[must_use]
    pub const fn is_people(self) -> bool {
        !matches!(self, Self::Machines)
    }
}

impl Topic {
    /// The name in tables.
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
