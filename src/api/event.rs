//! The history of a run.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Progress;
use crate::{
    core::{policy::Conclusion, run},
    store::event,
};

/// An event in a run's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its place in the history, from 1 and without gaps.
    pub seq: i32,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// Who caused it: a worker's name, `webhook`, `clock`, or a caller.
    pub actor: String,
    /// The step that the run was at.
    pub step: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What happened to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// The run began.
    Started,
    /// A step answered.
    Answered {
        /// The job's number in its run.
        turn: u32,
        /// The outcome in one word.
        outcome: String,
        /// The answer in a sentence for people.
        note: String,
        /// What the step learnt about the pull request.
        progress: Progress,
    },
    /// A step waits.
    Parked {
        /// The job's number in its run.
        turn: u32,
        /// What it waits for.
        waiting_for: String,
        /// The topics whose signals end the wait.
        topics: Vec<String>,
        /// When the step runs again even without a signal.
        until: DateTime<Utc>,
        /// What the step learnt about the pull request.
        progress: Progress,
    },
    /// A signal arrived for a waiting run.
    Signalled {
        /// The signal's topic.
        topic: String,
    },
    /// A waiting run's timer fired.
    Woken,
    /// An attempt failed and will be retried.
    Failed {
        /// The job's number in its run.
        turn: u32,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// What went wrong.
        error: String,
        /// When it will be retried.
        retry_at: DateTime<Utc>,
    },
    /// A provider is out of reach; the job waits for it, which uses up no attempt.
    Held {
        /// The job's number in its run.
        turn: u32,
        /// The provider, such as `model api.openai.com/gpt-5`.
        provider: String,
        /// Since when it is out of reach.
        since: DateTime<Utc>,
        /// What failed.
        error: String,
    },
    /// The job that was held went on.
    WentOn {
        /// The job's number in its run.
        turn: u32,
        /// For how long it was held, in seconds.
        after_s: u64,
    },
    /// This release cannot follow the run's graph.
    Stranded {
        /// What is missing.
        reason: String,
    },
    /// The last attempt failed.
    Exhausted {
        /// The job's number in its run.
        turn: u32,
        /// The attempts that were made.
        attempts: u32,
        /// The last error.
        error: String,
    },
    /// The run was forked from an earlier run, at a step of its own.
    Forked {
        /// The earlier run.
        from_run: Uuid,
        /// The last event of the earlier run that this one is based on.
        from_seq: u32,
        /// The step where this one began.
        begins_at: String,
        /// Why.
        reason: String,
        /// What was taken over from the earlier run.
        progress: Progress,
    },
    /// The run was paused.
    Paused {
        /// Why.
        reason: String,
        /// `person`, `budget` or `breaker`.
        cause: String,
    },
    /// A person works on the run's branch; the run is paused until it is given back by a resume.
    TakenOver {
        /// Who.
        by: String,
        /// What they did.
        reason: String,
    },
    /// A paused run was resumed.
    Resumed {
        /// Why.
        reason: String,
    },
    /// A person ended the run.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// A person made the step due at once.
    Hurried {
        /// Why.
        reason: String,
    },
    /// A person answered in place of the step.
    Skipped {
        /// The outcome in one word.
        outcome: String,
        /// Why.
        reason: String,
    },
    /// Someone asked for what they may not ask for; nothing changed.
    NotPermitted {
        /// What they asked for.
        asked: String,
        /// Why not.
        reason: String,
    },
    /// A person dismissed a finding.
    FindingDismissed {
        /// The finding's fingerprint.
        fingerprint: String,
        /// Where it is and what it says.
        finding: String,
        /// Why.
        reason: String,
    },
    /// The step that waits asked people; `GET /api/v1/runs/{id}/questions` has the texts.
    Asked {
        /// The round of questions, from 1.
        round: u32,
        /// How many questions there are.
        questions: u32,
    },
    /// A person answered a round of questions.
    QuestionAnswered {
        /// The round.
        round: u32,
    },
    /// The step that waits asked people about a set of dependencies; `GET /api/v1/runs/{id}/dependencies` shows it.
    ConsentAsked {
        /// What names the set.
        digest: String,
        /// How many packages come, go or change version.
        packages: u32,
    },
    /// A person said whether a set of dependencies may be installed.
    ConsentGiven {
        /// What names the set.
        digest: String,
        /// `yes` or `no`.
        answer: String,
        /// The person's login on the forge.
        login: String,
        /// Why; empty if no reason was given.
        reason: String,
    },
    /// A person amended the requirement.
    Amended {
        /// How often it was amended, from 1.
        edition: u32,
        /// The digest of title and body before: SHA-256 in hexadecimal.
        before: String,
        /// The digest after.
        after: String,
        /// Why.
        reason: String,
    },
    /// A person approved or rejected a head, or took that back.
    OpinionGiven {
        /// `approve`, `reject` or `withdraw`.
        opinion: String,
        /// The head that it is about.
        head: String,
        /// The person's login on the forge.
        login: String,
        /// Where: `aspora` or `comment`.
        via: String,
        /// Why; empty if no reason was given.
        reason: String,
    },
    /// Browser evidence of a head came.
    EvidenceRecorded {
        /// The head that it is about.
        head: String,
        /// `success` or `failure`, under the policy of the base as it was then.
        conclusion: String,
        /// The flows that came.
        flows: Vec<String>,
        /// What is wrong, one sentence each, the first few.
        faults: Vec<String>,
    },
    /// The base's own checks after the merge have broken, or are green again.
    BaseChecked {
        /// The merge commit.
        sha: String,
        /// The checks that fail since the merge.
        broke: Vec<String>,
        /// Those that had failed since the merge, and succeed again.
        green_again: Vec<String>,
        /// What happened, in a sentence.
        note: String,
    },
    /// The pull request was merged, closed or reopened after the run had ended.
    PullChanged {
        /// `open`, `closed` or `merged`.
        state: String,
        /// What happened.
        note: String,
        /// What was learnt of a merge.
        progress: Progress,
    },
    /// A person sent the run to a step.
    RetriedFrom {
        /// The step.
        begins_at: String,
        /// Why.
        reason: String,
    },
    /// A kind that only a newer release knows, without its fields.
    #[serde(other)]
    Other,
}

/// A page of a run's history, oldest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Events {
    /// The events.
    pub items: Vec<Event>,
    /// Gives the next page as `?after=`; absent when there are no more yet.
    pub next_after: Option<i32>,
}

impl From<event::Row> for Event {
    fn from(row: event::Row) -> Self {
        Self { seq: row.seq, at: row.at, actor: row.actor, step: row.step, fact: row.body.0.into() }
    }
}

impl From<run::Event> for Fact {
    fn from(event: run::Event) -> Self {
        match event {
            run::Event::Started { .. } => Self::Started,
            run::Event::Answered { turn, outcome, note, progress } => {
                Self::Answered { turn, outcome: outcome.to_string(), note, progress: (&progress).into() }
            }
            run::Event::Parked { turn, park, progress } => Self::Parked {
                turn,
                waiting_for: park.reason,
                topics: park.topics.iter().map(|topic| topic.as_str().to_owned()).collect(),
                until: park.until,
                progress: (&progress).into(),
            },
            run::Event::Signalled { topic } => Self::Signalled { topic: topic.as_str().to_owned() },
            run::Event::Woken => Self::Woken,
            run::Event::Failed { turn, attempt, error, retry_at } => {
                Self::Failed { turn, attempt, error, retry_at }
            }
            run::Event::Held { turn, provider, since, error } => Self::Held { turn, provider, since, error },
            run::Event::WentOn { turn, after_s } => Self::WentOn { turn, after_s },
            run::Event::Stranded { reason } => Self::Stranded { reason },
            run::Event::Exhausted { turn, attempts, error } => Self::Exhausted { turn, attempts, error },
            run::Event::Forked { from_run, from_seq, step, reason, progress } => {
                let progress = (&progress).into();
                Self::Forked { from_run, from_seq, begins_at: step, reason, progress }
            }
            run::Event::Paused { reason, cause, .. } => {
                Self::Paused { reason, cause: cause.as_str().to_owned() }
            }
            run::Event::TakenOver { by, reason } => Self::TakenOver { by, reason },
            run::Event::Resumed { reason } => Self::Resumed { reason },
            run::Event::Cancelled { reason } => Self::Cancelled { reason },
            run::Event::Hurried { reason } => Self::Hurried { reason },
            run::Event::Skipped { outcome, reason } => Self::Skipped { outcome: outcome.to_string(), reason },
            run::Event::NotPermitted { asked, reason } => Self::NotPermitted { asked, reason },
            run::Event::FindingDismissed { fingerprint, finding, reason } => {
                Self::FindingDismissed { fingerprint, finding, reason }
            }
            run::Event::Asked { round, questions } => Self::Asked { round, questions },
            run::Event::QuestionAnswered { round } => Self::QuestionAnswered { round },
            run::Event::ConsentAsked { digest, packages } => Self::ConsentAsked { digest, packages },
            run::Event::ConsentGiven { digest, consent, login, reason } => {
                Self::ConsentGiven { digest, answer: consent.as_str().to_owned(), login, reason }
            }
            run::Event::Amended { edition, before, after, reason } => {
                Self::Amended { edition, before, after, reason }
            }
            run::Event::OpinionGiven { opinion, head, login, via, reason } => Self::OpinionGiven {
                opinion: opinion.as_str().to_owned(),
                head: head.to_string(),
                login,
                via: via.as_str().to_owned(),
                reason,
            },
            run::Event::EvidenceRecorded { head, conclusion, flows, faults } => Self::EvidenceRecorded {
                head: head.to_string(),
                conclusion: word(conclusion).to_owned(),
                flows,
                faults,
            },
            run::Event::PullChanged { state, note, progress } => {
                Self::PullChanged { state: state.as_str().to_owned(), note, progress: (&progress).into() }
            }
            run::Event::BaseChecked { sha, broke, green_again, note } => {
                Self::BaseChecked { sha: sha.to_string(), broke, green_again, note }
            }
            run::Event::RetriedFrom { step, reason } => Self::RetriedFrom { begins_at: step, reason },
        }
    }
}

/// What evidence came to, as the API says it.
const fn word(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Success => "success",
        _ => "failure",
    }
}

impl Fact {
    /// The names of all events.
    pub const NAMES: [&str; 30] = [
        "started",
        "answered",
        "parked",
        "signalled",
        "woken",
        "failed",
        "held",
        "went_on",
        "stranded",
        "exhausted",
        "forked",
        "paused",
        "taken_over",
        "resumed",
        "cancelled",
        "hurried",
        "skipped",
        "not_permitted",
        "asked",
        "question_answered",
        "consent_asked",
        "consent_given",
        "amended",
        "pull_changed",
        "base_checked",
        "finding_dismissed",
        "opinion_given",
        "evidence_recorded",
        "retried_from",
        "other",
    ];

    /// The name of the event.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Answered { .. } => "answered",
            Self::Parked { .. } => "parked",
            Self::Signalled { .. } => "signalled",
            Self::Woken => "woken",
            Self::Failed { .. } => "failed",
            Self::Held { .. } => "held",
            Self::WentOn { .. } => "went_on",
            Self::Stranded { .. } => "stranded",
            Self::Exhausted { .. } => "exhausted",
            Self::Forked { .. } => "forked",
            Self::Paused { .. } => "paused",
            Self::TakenOver { .. } => "taken_over",
            Self::Resumed { .. } => "resumed",
            Self::Cancelled { .. } => "cancelled",
            Self::Hurried { .. } => "hurried",
            Self::Skipped { .. } => "skipped",
            Self::NotPermitted { .. } => "not_permitted",
            Self::FindingDismissed { .. } => "finding_dismissed",
            Self::Asked { .. } => "asked",
            Self::QuestionAnswered { .. } => "question_answered",
            Self::ConsentAsked { .. } => "consent_asked",
            Self::ConsentGiven { .. } => "consent_given",
            Self::Amended { .. } => "amended",
            Self::OpinionGiven { .. } => "opinion_given",
            Self::EvidenceRecorded { .. } => "evidence_recorded",
            Self::PullChanged { .. } => "pull_changed",
            Self::BaseChecked { .. } => "base_checked",
            Self::RetriedFrom { .. } => "retried_from",
            Self::Other => "other",
        }
    }
}
