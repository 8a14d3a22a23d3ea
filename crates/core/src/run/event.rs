//! What happens to a run, and what must then be done.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Park, Progress, Topic};
use crate::workflow::{End, Outcome, Queue};

/// What happened to a run; the history is a list of these. Who made it so stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    Started,
    /// The run began at a step of its own, with what an earlier run of the same requirement had come to know.
    Forked {
        /// The earlier run.
        from_run: Uuid,
        /// The last event of the earlier run that this one rests on.
        from_seq: u32,
        /// The step where this one begins.
        step: String,
        /// Why, in words for people.
        reason: String,
        /// What is taken over.
        #[serde(default)]
        progress: Progress,
    },
    /// An activity answered.
    Answered {
        /// The job it answers to.
        turn: u32,
        /// The answer.
        outcome: Outcome,
        /// The answer in a sentence for people.
        note: String,
        /// What was learnt on the way.
        #[serde(default)]
        progress: Progress,
    },
    /// An activity found that it must wait.
    Parked {
        /// The job it answers to.
        turn: u32,
        /// For what.
        park: Park,
        /// What was learnt on the way.
        #[serde(default)]
        progress: Progress,
    },
    /// News came for a waiting run.
    Signalled {
        /// What the news is about.
        topic: Topic,
    },
    /// The time that a waiting run had set itself came.
    Woken,
    /// An attempt failed; the same job will be tried again.
    Failed {
        /// The job.
        turn: u32,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// What went wrong, in a sentence for people.
        error: String,
        /// When it will be tried again.
        retry_at: DateTime<Utc>,
    },
    /// This release cannot follow the run's graph.
    Stranded {
        /// What it lacks, for the person who is asked.
        reason: String,
    },
    /// The last attempt failed; the job is a dead letter.
    Exhausted {
        /// The job.
        turn: u32,
        /// The attempts that were made.
        attempts: u32,
        /// What went wrong last.
        error: String,
    },
    /// Nothing more shall be asked for until somebody resumes it.
    Paused {
        /// Who paused it; here too, because a paused run says so without its history.
        by: String,
        /// Why, in words for people.
        reason: String,
        /// What kind of reason it is.
        cause: PauseCause,
    },
    /// A paused run goes on.
    Resumed {
        /// Why, in words for people.
        reason: String,
    },
    /// The run was ended by a person.
    Cancelled {
        /// Why, in words for people.
        reason: String,
    },
    /// What the run waited for was not awaited any longer: its step is due now.
    Hurried {
        /// Why, in words for people.
        reason: String,
    },
    /// A person answered in the place of the step's activity.
    Skipped {
        /// The answer.
        outcome: Outcome,
        /// Why, in words for people.
        reason: String,
    },
    /// A person sent the run back to a step, or let it begin again where it ended.
    RetriedFrom {
        /// The step.
        step: String,
        /// Why, in words for people.
        reason: String,
    },
}

/// Why a run is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseCause {
    /// A person wanted it so.
    Person,
    /// A budget is used up.
    Budget,
    /// What the step needs has failed too often, here or in other runs.
    Breaker,
}

/// What the engine must do in the transaction that records the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask a worker of `queue` to do `step`.
    Enqueue {
        /// The step.
        step: String,
        /// Its queue.
        queue: Queue,
        /// The number of the job.
        turn: u32,
        /// The most attempts it may take.
        attempts: u32,
    },
    /// Let nobody claim the run's job; who holds it may finish.
    HoldJob,
    /// Let the run's job be claimed again.
    ReleaseJob,
    /// Take the run's job away, also from a worker that holds it.
    DropJob,
    /// Let the run's job be claimed now, whatever its time was.
    MakeJobDue,
    /// Remember to wake the run.
    SetTimer(DateTime<Utc>),
    /// Forget the wake-up.
    ClearTimer,
    /// The run is over.
    Finish(End),
}

/// Why an event does not fit a run. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The answer belongs to an older job.
    #[error("the answer to job {got} was fenced off: the run is at job {now}")]
    Fenced {
        /// The job it answers to.
        got: u32,
        /// The job the run is at.
        now: u32,
    },
    /// The event means nothing in this state.
    #[error("`{event}` means nothing to a run that is {state}")]
    Illegal {
        /// Where the run stands.
        state: &'static str,
        /// The event.
        event: &'static str,
    },
    /// The workflow has no such step or road; it is not the one the run began with.
    #[error("workflow `{workflow}` has no road from `{step}`")]
    Lost {
        /// The workflow's name.
        workflow: String,
        /// The step without a road.
        step: String,
    },
    /// Somebody named a step that the workflow does not have.
    #[error("workflow `{workflow}` has no step `{step}`; it has {known}")]
    NoStep {
        /// The workflow's name.
        workflow: String,
        /// The name that is no step.
        step: String,
        /// The steps there are, with commas.
        known: String,
    },
    /// Somebody answered for a step what it cannot answer.
    #[error("`{step}` never answers `{outcome}`; it answers {known}")]
    NoOutcome {
        /// The step.
        step: String,
        /// The answer that it never gives.
        outcome: Outcome,
        /// The answers that it gives, with commas.
        known: String,
    },
    /// Only the step itself may say this: what is merged has been judged.
    #[error("`{0}` cannot be skipped: nothing is merged that was not judged")]
    Unskippable(String),
    /// The change is on the base branch: there is nothing to do again.
    #[error("the run has succeeded; there is nothing to do again")]
    Succeeded,
}

impl Event {
    /// The event's name in tables, JSON and the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Forked { .. } => "forked",
            Self::Answered { .. } => "answered",
            Self::Parked { .. } => "parked",
            Self::Signalled { .. } => "signalled",
            Self::Woken => "woken",
            Self::Failed { .. } => "failed",
            Self::Stranded { .. } => "stranded",
            Self::Exhausted { .. } => "exhausted",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Cancelled { .. } => "cancelled",
            Self::Hurried { .. } => "hurried",
            Self::Skipped { .. } => "skipped",
            Self::RetriedFrom { .. } => "retried_from",
        }
    }
}

impl PauseCause {
    /// The word that the API and people use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Budget => "budget",
            Self::Breaker => "breaker",
        }
    }
}
