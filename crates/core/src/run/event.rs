//! What happens to a run, and the actions that follow.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Park, Progress, Topic};
use crate::{
    consent::Consent,
    opinion::Opinion,
    policy::{Conclusion, PullState, Via},
    sha::Sha,
    workflow::{End, Outcome, Queue},
};

/// What happened to a run; a history is a list of these. Its row also names the actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    Started {
        /// What was known then: the pull request of a run that is about one.
        #[serde(default, skip_serializing_if = "Progress::is_empty")]
        progress: Progress,
    },
    /// The run began at a given step, with what an earlier run about the same subject had learnt.
    Forked {
        /// The earlier run.
        from_run: Uuid,
        /// The last event of the earlier run at the time of the fork.
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
    /// An activity has to wait.
    Parked {
        /// The job it answers to.
        turn: u32,
        /// For what, and for how long.
        park: Park,
        /// What was learnt on the way.
        #[serde(default)]
        progress: Progress,
    },
    /// A signal came for a waiting run.
    Signalled {
        /// What the signal is about.
        topic: Topic,
    },
    /// The timer of a waiting run fired.
    Woken,
    /// An attempt failed; the same job will be retried.
    Failed {
        /// The job.
        turn: u32,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// What went wrong, in a sentence for people.
        error: String,
        /// When it will be retried.
        retry_at: DateTime<Utc>,
    },
    /// A provider is out of reach: the job waits for it, and no attempt is used up. Recorded once for each
    /// provider and job.
    Held {
        /// The job.
        turn: u32,
        /// The provider's key, such as `model api.openai.com/gpt-5`.
        provider: String,
        /// Since when it is out of reach.
        since: DateTime<Utc>,
        /// What failed, in a sentence for people.
        error: String,
    },
    /// The job that was held went on: its attempt ended by itself.
    WentOn {
        /// The job.
        turn: u32,
        /// For how long the outage held it, in seconds.
        after_s: u64,
    },
    /// This release cannot follow the run's graph.
    Stranded {
        /// What it lacks, in a sentence for people.
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
    /// The run is paused: no new job is enqueued until it is resumed.
    Paused {
        /// Who paused it; stored in the event as well, because a paused run shows it without its history.
        by: String,
        /// Why, in words for people.
        reason: String,
        /// What kind of reason it is.
        cause: PauseCause,
    },
    /// A person works on the run's branch: the run is paused, and nothing of ours is pushed before it is resumed, which
    /// accepts what the branch holds then.
    TakenOver {
        /// Who took it over, by their login on the forge or their name here.
        by: String,
        /// What they did, in words for people.
        reason: String,
    },
    /// A paused run was resumed.
    Resumed {
        /// Why, in words for people.
        reason: String,
    },
    /// A person ended the run.
    Cancelled {
        /// Why, in words for people.
        reason: String,
    },
    /// A person ended the run's wait: its step is due now.
    Hurried {
        /// Why, in words for people.
        reason: String,
    },
    /// A person answered in place of the step's activity.
    Skipped {
        /// The answer.
        outcome: Outcome,
        /// Why, in words for people.
        reason: String,
    },
    /// Someone asked for what they may not ask for; nothing changed.
    NotPermitted {
        /// What they asked for.
        asked: String,
        /// Why not, in words for people.
        reason: String,
    },
    /// A person dismissed a finding of the reviews; the run goes on as it was.
    FindingDismissed {
        /// The finding's fingerprint.
        fingerprint: String,
        /// Where it is and what it says, in a line.
        finding: String,
        /// Why, in words for people.
        reason: String,
    },
    /// The step that waits asked people; the texts are in a table of their own. It follows [`Event::Parked`].
    Asked {
        /// The round of questions, from 1.
        round: u32,
        /// How many there are.
        questions: u32,
    },
    /// A person answered a round of questions.
    QuestionAnswered {
        /// The round.
        round: u32,
    },
    /// The step that waits asked people whether a set of dependencies may be installed; what it changes is in a table of
    /// its own. It follows [`Event::Parked`].
    ConsentAsked {
        /// What names the set.
        digest: String,
        /// How many packages come, go or change version; 0 where none of its files could be read.
        packages: u32,
    },
    /// A person said whether a set of dependencies may be installed.
    ConsentGiven {
        /// What names the set.
        digest: String,
        /// What they said.
        consent: Consent,
        /// Their login on the forge.
        login: String,
        /// Why, in words for people; empty if they gave no reason.
        #[serde(default)]
        reason: String,
    },
    /// A person changed what is wanted; the texts are in a table of their own.
    Amended {
        /// How often it was changed, from 1.
        edition: u32,
        /// The digest of the text before.
        before: String,
        /// The digest of the text after.
        after: String,
        /// Why, in words for people.
        reason: String,
    },
    /// A person approved or rejected a head, or took that back; the run goes on as it was.
    OpinionGiven {
        /// What they said.
        opinion: Opinion,
        /// The head that it is about.
        head: Sha,
        /// Their login on the forge.
        login: String,
        /// Where they said it.
        #[serde(default)]
        via: Via,
        /// Why, in words for people; empty if they gave no reason.
        #[serde(default)]
        reason: String,
    },
    /// Browser evidence of a head came; the run goes on as it was.
    EvidenceRecorded {
        /// The head that it is about.
        head: Sha,
        /// Whether it holds under the policy of the base as it was then: success or failure.
        conclusion: Conclusion,
        /// The flows that came.
        flows: Vec<String>,
        /// What is wrong, one sentence each, the first few.
        #[serde(default)]
        faults: Vec<String>,
    },
    /// The pull request of a run that had ended was merged, closed or reopened by others.
    PullChanged {
        /// What it is now.
        state: PullState,
        /// What happened, in a sentence for people.
        note: String,
        /// What was learnt of a merge.
        #[serde(default)]
        progress: Progress,
    },
    /// The base's own checks after the merge have broken, or are green again.
    BaseChecked {
        /// The merge commit.
        sha: Sha,
        /// The checks that fail since the merge.
        broke: Vec<String>,
        /// Those that had failed since the merge, and succeed again.
        #[serde(default)]
        green_again: Vec<String>,
        /// What happened, in a sentence for people.
        note: String,
    },
    /// A person sent the run back to a step, or restarted an ended run.
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
    /// A person asked for it.
    Person,
    /// A budget is used up.
    Budget,
    /// A circuit breaker opened: the step failed too often, here or in other runs.
    Breaker,
}

/// What the engine does in the transaction that records the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Enqueue a job for `step`.
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
    /// Put the run's job on hold: it is not claimed, but a worker that has it may finish.
    PauseJob,
    /// Make the run's job claimable again.
    ResumeJob,
    /// Delete the run's job, even while a worker has it.
    CancelJob,
    /// Make the run's job due now.
    MakeJobDue,
    /// Set the timer that wakes the run.
    SetTimer(DateTime<Utc>),
    /// Delete the timer.
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
    /// The event does not apply in this state.
    #[error("`{event}` does not apply to a run that is {state}")]
    Illegal {
        /// The run's state.
        state: &'static str,
        /// The event.
        event: &'static str,
    },
    /// The workflow has no such step or transition; it is not the one the run began with.
    #[error("workflow `{workflow}` has no transition from `{step}`")]
    NoTransition {
        /// The workflow's name.
        workflow: String,
        /// The step without a transition.
        step: String,
    },
    /// A caller named a step that the workflow does not have.
    #[error("workflow `{workflow}` has no step `{step}`; it has {known}")]
    NoStep {
        /// The workflow's name.
        workflow: String,
        /// The name.
        step: String,
        /// The steps that it has, separated by commas.
        known: String,
    },
    /// A caller answered for a step with an outcome that it does not have.
    #[error("`{step}` never answers `{outcome}`; it answers {known}")]
    NoOutcome {
        /// The step.
        step: String,
        /// The outcome.
        outcome: Outcome,
        /// The outcomes that it has, separated by commas.
        known: String,
    },
    /// Only the step itself may answer, because nothing is merged that was not judged.
    #[error("`{0}` cannot be skipped: nothing is merged that was not judged")]
    Unskippable(String),
    /// The step works on a head, and the run has none.
    #[error("`{step}` works on a pull request, and the run has none yet; start at `{start}`")]
    NoHead {
        /// The step.
        step: String,
        /// The step that makes one.
        start: String,
    },
    /// The change is already on the base branch.
    #[error("the run has succeeded; there is nothing to retry")]
    Succeeded,
}

impl Event {
    /// The event's name in tables, JSON and the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Forked { .. } => "forked",
            Self::Answered { .. } => "answered",
            Self::Parked { .. } => "parked",
            Self::Signalled { .. } => "signalled",
            Self::Woken => "woken",
            Self::Failed { .. } => "failed",
            Self::Held { .. } => "held",
            Self::WentOn { .. } => "went_on",
            Self::Stranded { .. } => "stranded",
            Self::Exhausted { .. } => "exhausted",
            Self::Paused { .. } => "paused",
            Self::TakenOver { .. } => "taken_over",
            Self::Resumed { .. } => "resumed",
            Self::Cancelled { .. } => "cancelled",
            Self::Hurried { .. } => "hurried",
            Self::Skipped { .. } => "skipped",
            Self::NotPermitted { .. } => "not_permitted",
            Self::FindingDismissed { .. } => "finding_dismissed",
            Self::OpinionGiven { .. } => "opinion_given",
            Self::EvidenceRecorded { .. } => "evidence_recorded",
            Self::Asked { .. } => "asked",
            Self::QuestionAnswered { .. } => "question_answered",
            Self::ConsentAsked { .. } => "consent_asked",
            Self::ConsentGiven { .. } => "consent_given",
            Self::Amended { .. } => "amended",
            Self::PullChanged { .. } => "pull_changed",
            Self::BaseChecked { .. } => "base_checked",
            Self::RetriedFrom { .. } => "retried_from",
        }
    }
}

impl PauseCause {
    /// The name in the API and for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Budget => "budget",
            Self::Breaker => "breaker",
        }
    }
}
