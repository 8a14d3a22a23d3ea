//! What REST gives and takes, apart from how it is stored, so that the one can change without the other.
//!
//! Times are RFC 3339 in UTC, money is whole millionths of a dollar, ids are UUIDs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    core::{
        finding::Finding as CoreFinding,
        run::{self, State},
        why::{Cause, why},
    },
    store::{assessment, attempt, effect, event, job, product, requirement, review, run::Stored},
};

/// A requirement to be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRequirement {
    /// The name of a product that exists.
    pub product: String,
    /// One plain line of 1 to 200 characters; becomes the pull request's title.
    pub title: String,
    /// Everything else that the model must know, 1 byte to 64 KiB.
    pub body: String,
    /// 1 (first) to 5 (last).
    #[serde(default = "normal")]
    #[schema(default = 3, minimum = 1, maximum = 5)]
    pub priority: u8,
}

/// A requirement that was taken: it is stored, and a run works on it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Accepted {
    /// The requirement.
    pub id: Uuid,
    /// Its run.
    pub run_id: Uuid,
    /// Where the run can be asked for.
    pub run_url: String,
    /// The run's page for people.
    pub page_url: String,
}

/// A requirement and how its run stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Requirement {
    /// Its id.
    pub id: Uuid,
    /// The product that shall have it.
    pub product: String,
    /// One line.
    pub title: String,
    /// Everything else; lists leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// 1 (first) to 5 (last).
    pub priority: i16,
    /// Who asked, if known.
    pub requested_by: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Its run.
    pub run_id: Uuid,
    /// `active`, `waiting` or `ended`.
    pub state: String,
    /// The step that its run is at.
    pub step: Option<String>,
    /// `succeeded`, `failed`, `blocked` or `cancelled`.
    pub ended_as: Option<String>,
    /// The pull request's number.
    pub pull: Option<i64>,
}

/// A page of requirements, newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Requirements {
    /// The requirements.
    pub items: Vec<Requirement>,
    /// Gives the next page as `?cursor=`; absent on the last one.
    pub next_cursor: Option<String>,
}

/// A run and all that is known of it in short.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its id.
    pub id: Uuid,
    /// The requirement it works on.
    pub requirement_id: Uuid,
    /// The product.
    pub product: String,
    /// The repository, `owner/name`.
    pub repository: String,
    /// The branch that the change is merged into.
    pub base_branch: String,
    /// The branch that the change is made on.
    pub branch: String,
    /// 1 (first) to 5 (last).
    pub priority: i16,
    /// The graph it follows, by hash.
    pub workflow: String,
    /// How many events its history has.
    pub version: i32,
    /// `active`, `waiting` or `ended`.
    pub state: String,
    /// The step that it is at or waits in.
    pub step: Option<String>,
    /// When it entered that step.
    pub since: Option<DateTime<Utc>>,
    /// What it waits for.
    pub waiting_for: Option<String>,
    /// When it looks again even without news.
    pub next_look: Option<DateTime<Utc>>,
    /// `succeeded`, `failed`, `blocked` or `cancelled`.
    pub ended_as: Option<String>,
    /// The end's name in the workflow.
    pub end: Option<String>,
    /// Why it ended there.
    pub reason: Option<String>,
    /// How often it has entered each step.
    pub visits: BTreeMap<String, u32>,
    /// What is known of its pull request.
    pub progress: Progress,
    /// The pull request's page on the forge.
    pub pull_url: Option<String>,
    /// What its model calls have used.
    pub spent: Spent,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it last moved.
    pub updated_at: DateTime<Utc>,
}

/// What a run has come to know of its pull request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// The base commit that the change rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The head that was last pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// The pull request's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<u64>,
    /// `low`, `medium`, `high` or `critical`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// The commit on the base branch that merged the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<String>,
}

/// What a run's model calls have used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Spent {
    /// Answered calls.
    pub calls: i64,
    /// Tokens that were read.
    pub input_tokens: i64,
    /// Tokens that were written.
    pub output_tokens: i64,
    /// Millionths of a dollar, where prices are set.
    pub micro_dollars: i64,
}

/// One fact of a run's history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Its place in the history, from 1 and without gaps.
    pub seq: i32,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// Who made it so: a worker's name, `webhook`, `clock`, or a caller.
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
        /// The job it answers to.
        turn: u32,
        /// The answer in one word.
        outcome: String,
        /// The answer in a sentence for people.
        note: String,
        /// What was learnt on the way.
        progress: Progress,
    },
    /// A step waits.
    Parked {
        /// The job it answers to.
        turn: u32,
        /// For what.
        waiting_for: String,
        /// The topics whose news end the wait.
        topics: Vec<String>,
        /// When the step looks again even without news.
        until: DateTime<Utc>,
        /// What was learnt on the way.
        progress: Progress,
    },
    /// News came for a waiting run.
    Signalled {
        /// What the news is about.
        topic: String,
    },
    /// The time that a waiting run had set itself came.
    Woken,
    /// An attempt failed and will be tried again.
    Failed {
        /// The job.
        turn: u32,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// What went wrong.
        error: String,
        /// When it will be tried again.
        retry_at: DateTime<Utc>,
    },
    /// This release cannot follow the run's graph.
    Stranded {
        /// What it lacks.
        reason: String,
    },
    /// The last attempt failed.
    Exhausted {
        /// The job.
        turn: u32,
        /// The attempts that were made.
        attempts: u32,
        /// What went wrong last.
        error: String,
    },
    /// A kind that a newer release knows; what it holds is left out.
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

/// The one reason why a run is where it is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The run.
    pub run_id: Uuid,
    /// `ended`, `waiting`, `running`, `worker_lost`, `backing_off`, `queued` or `job_missing`.
    pub cause: String,
    /// What belongs to this cause: step, since, until, worker, attempt, most, error, reason, next_look.
    pub facts: BTreeMap<String, Value>,
    /// The cause in a sentence for people.
    pub sentence: String,
    /// The database's clock at this answer.
    pub now: DateTime<Utc>,
}

/// One try of a job.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Attempt {
    /// The job's number in its run.
    pub turn: i32,
    /// The try's number, from 1.
    pub attempt: i32,
    /// The step.
    pub step: String,
    /// Who tried.
    pub worker: String,
    /// When.
    pub started_at: DateTime<Utc>,
    /// Until when.
    pub ended_at: Option<DateTime<Utc>>,
    /// `answered`, `parked`, `failed` or `lost`.
    pub ended_as: Option<String>,
    /// What went wrong.
    pub error: Option<String>,
}

/// A finding and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// The head on which it was found.
    pub head_sha: String,
    /// The same on every head.
    pub fingerprint: String,
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub severity: String,
    /// Is sent to remediation.
    pub actionable: bool,
    /// Blocks the merge while it is open.
    pub blocking: bool,
    /// The file.
    pub path: String,
    /// The line on that head.
    pub line: Option<i32>,
    /// What is wrong.
    pub message: String,
    /// `open`, `fixed`, `gone` or `dismissed`.
    pub state: String,
    /// The head on which it was seen to be fixed or gone.
    pub state_sha: Option<String>,
    /// Why it was dismissed.
    pub state_note: Option<String>,
}

/// What the policy said of one head, with every fact it rests on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Assessment {
    /// Its number; later ones are higher.
    pub id: i64,
    /// `preflight` or `verdict`.
    pub stage: String,
    /// The head that was judged.
    pub head_sha: String,
    /// `low`, `medium`, `high` or `critical`.
    pub tier: String,
    /// What was decided, in one word.
    pub decision: String,
    /// Every fact it rests on.
    pub facts: Value,
    /// The judgement, which explains itself.
    pub report: Value,
    /// When.
    pub assessed_at: DateTime<Utc>,
}

/// What a push changes, as it was kept when the push was meant.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Diff {
    /// The push's name among the run's effects.
    pub key: String,
    /// When it was first meant.
    pub at: DateTime<Utc>,
    /// The commit that it changes.
    pub parent: String,
    /// The head that it made; absent until that is known.
    pub head: Option<String>,
    /// Unified, file after file, about 256 KiB at most.
    pub diff: String,
    /// Whether the end was too long to be kept.
    pub is_cut: bool,
}

/// One act on the outside world: what was meant and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Effect {
    /// Its name in its run.
    pub key: String,
    /// What kind of act it is.
    pub kind: String,
    /// What was meant.
    pub request: Value,
    /// How often it was begun.
    pub attempts: i32,
    /// When it was first meant.
    pub intended_at: DateTime<Utc>,
    /// What came of it.
    pub result: Option<Value>,
    /// When that was known.
    pub done_at: Option<DateTime<Utc>>,
}

/// A product and the one repository that it may write to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// 1 to 40 of `a-z`, `0-9` and `-`, beginning with a letter.
    pub name: String,
    /// The repository on the forge, `owner/name`.
    pub repository: String,
    /// The branch that changes are merged into.
    #[serde(default = "main")]
    #[schema(default = "main")]
    pub base_branch: String,
    /// The command that runs the product's tests in the sandbox, a word each; empty: it has none.
    #[serde(default)]
    pub test_command: Vec<String>,
}

/// What went wrong: RFC 9457, `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem; `/problems/<code>` explains it.
    pub r#type: String,
    /// The kind of problem in words that never change.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time and what to do.
    pub detail: String,
    /// The path that was asked for.
    #[serde(default)]
    pub instance: String,
    /// The kind of problem in one word, for programs.
    pub code: String,
    /// What is wrong with each field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// Names this request in the server's log.
    #[serde(default)]
    pub request_id: String,
    /// The same request may succeed later.
    pub retryable: bool,
}

/// What is wrong with one part of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fault {
    /// Where in the body, as a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Which parameter of the query, or which header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What is wrong, the limit, and what to do.
    pub detail: String,
}

const fn normal() -> u8 {
    3
}

fn main() -> String {
    "main".to_owned()
}

impl Run {
    /// The view of a stored run; `forge_url` is the forge's web address without a trailing slash.
    #[must_use]
    pub fn new(stored: &Stored, spent: effect::Spent, forge_url: &str) -> Self {
        let (binding, run) = (&stored.binding, &stored.run);
        let mut view = Self {
            id: binding.id,
            requirement_id: binding.requirement_id,
            product: binding.product.clone(),
            repository: binding.repository.clone(),
            base_branch: binding.base_branch.clone(),
            branch: binding.branch.clone(),
            priority: binding.priority,
            workflow: binding.workflow_hash.clone(),
            version: stored.version,
            state: run.state.word().to_owned(),
            step: run.step().map(str::to_owned),
            since: None,
            waiting_for: None,
            next_look: None,
            ended_as: None,
            end: None,
            reason: None,
            visits: run.visits.clone(),
            progress: Progress::from(&run.progress),
            pull_url: run
                .progress
                .pull
                .map(|number| format!("{forge_url}/{}/pull/{number}", binding.repository)),
            spent: spent.into(),
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        };
        view.stand(&run.state);
        view
    }

    fn stand(&mut self, state: &State) {
        match state {
            State::At { since, .. } => self.since = Some(*since),
            State::Waiting { since, park, .. } => {
                self.since = Some(*since);
                self.waiting_for = Some(park.reason.clone());
                self.next_look = Some(park.until);
            }
            State::Ended { name, end, reason } => {
                self.ended_as = Some(end.word().to_owned());
                self.end = Some(name.clone());
                self.reason = Some(reason.clone());
            }
        }
    }
}

impl Why {
    /// The view of the one cause.
    #[must_use]
    pub fn new(stored: &Stored, standing: Option<job::Standing>) -> Self {
        let job = standing.map(core_job);
        let cause = why(&stored.run, job.as_ref(), stored.now);
        let mut facts = facts(&cause);
        let word = facts.remove("kind").and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default();
        Self {
            run_id: stored.binding.id,
            cause: word,
            facts,
            sentence: cause.sentence(stored.now),
            now: stored.now,
        }
    }
}

fn facts(cause: &Cause) -> BTreeMap<String, Value> {
    match serde_json::to_value(cause) {
        Ok(Value::Object(members)) => members.into_iter().collect(),
        Ok(_) | Err(_) => BTreeMap::new(),
    }
}

fn core_job(standing: job::Standing) -> crate::core::why::Job {
    crate::core::why::Job {
        queue: standing.queue,
        visible_at: standing.visible_at,
        attempts: u32::try_from(standing.attempts).unwrap_or(0),
        most: u32::try_from(standing.max_attempts).unwrap_or(0),
        last: standing.worker.zip(standing.started_at),
        held: standing.held,
        error: standing.last_error,
    }
}

impl From<requirement::Row> for Requirement {
    fn from(row: requirement::Row) -> Self {
        Self {
            id: row.id,
            product: row.product,
            title: row.title,
            body: Some(row.body),
            priority: row.priority,
            requested_by: row.requested_by,
            created_at: row.created_at,
            run_id: row.run_id,
            state: row.status,
            step: row.step,
            ended_as: row.ended_as,
            pull: row.pull,
        }
    }
}

impl From<&run::Progress> for Progress {
    fn from(progress: &run::Progress) -> Self {
        Self {
            base: progress.base.as_ref().map(ToString::to_string),
            head: progress.head.as_ref().map(ToString::to_string),
            pull: progress.pull,
            tier: progress.tier.and_then(|tier| word(&tier)),
            merged: progress.merged.as_ref().map(ToString::to_string),
        }
    }
}

fn word(value: &impl Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

impl From<effect::Spent> for Spent {
    fn from(spent: effect::Spent) -> Self {
        let effect::Spent { calls, input_tokens, output_tokens, micro_dollars } = spent;
        Self { calls, input_tokens, output_tokens, micro_dollars }
    }
}

impl From<event::Row> for Event {
    fn from(row: event::Row) -> Self {
        Self { seq: row.seq, at: row.at, actor: row.actor, step: row.step, fact: row.body.0.into() }
    }
}

impl From<run::Event> for Fact {
    fn from(event: run::Event) -> Self {
        match event {
            run::Event::Started => Self::Started,
            run::Event::Answered { turn, outcome, note, progress } => {
                Self::Answered { turn, outcome: outcome.to_string(), note, progress: (&progress).into() }
            }
            run::Event::Parked { turn, park, progress } => Self::Parked {
                turn,
                waiting_for: park.reason,
                topics: park.topics.iter().map(|topic| topic.word().to_owned()).collect(),
                until: park.until,
                progress: (&progress).into(),
            },
            run::Event::Signalled { topic } => Self::Signalled { topic: topic.word().to_owned() },
            run::Event::Woken => Self::Woken,
            run::Event::Failed { turn, attempt, error, retry_at } => {
                Self::Failed { turn, attempt, error, retry_at }
            }
            run::Event::Stranded { reason } => Self::Stranded { reason },
            run::Event::Exhausted { turn, attempts, error } => Self::Exhausted { turn, attempts, error },
        }
    }
}

impl Fact {
    /// The name of the event.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Answered { .. } => "answered",
            Self::Parked { .. } => "parked",
            Self::Signalled { .. } => "signalled",
            Self::Woken => "woken",
            Self::Failed { .. } => "failed",
            Self::Stranded { .. } => "stranded",
            Self::Exhausted { .. } => "exhausted",
            Self::Other => "other",
        }
    }
}

impl From<attempt::Row> for Attempt {
    fn from(row: attempt::Row) -> Self {
        let attempt::Row { turn, attempt, step, worker, started_at, ended_at, ended_as, error } = row;
        Self { turn, attempt, step, worker, started_at, ended_at, ended_as, error }
    }
}

impl From<review::Row> for Finding {
    fn from(row: review::Row) -> Self {
        let CoreFinding { severity, .. } = row.finding();
        Self {
            head_sha: row.head_sha,
            fingerprint: row.fingerprint,
            severity: row.severity,
            actionable: severity.is_actionable(),
            blocking: severity.blocks(),
            path: row.path,
            line: row.line,
            message: row.message,
            state: row.state,
            state_sha: row.state_sha,
            state_note: row.state_note,
        }
    }
}

impl From<assessment::Row> for Assessment {
    fn from(row: assessment::Row) -> Self {
        let assessment::Row { id, stage, head_sha, tier, decision, facts, report, assessed_at } = row;
        Self { id, stage, head_sha, tier, decision, facts, report, assessed_at }
    }
}

impl From<effect::Row> for Effect {
    fn from(row: effect::Row) -> Self {
        let effect::Row { key, kind, request, attempts, intended_at, result, done_at } = row;
        Self { key, kind, request, attempts, intended_at, result, done_at }
    }
}

impl From<effect::Diff> for Diff {
    fn from(row: effect::Diff) -> Self {
        let effect::Diff { key, at, parent, head, text, is_cut } = row;
        Self { key, at, parent, head, diff: text, is_cut }
    }
}

impl From<product::Product> for Product {
    fn from(row: product::Product) -> Self {
        let product::Product { name, repository, base_branch, test_command } = row;
        Self { name, repository, base_branch, test_command }
    }
}
