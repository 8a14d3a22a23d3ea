//! A run, what it knows of its pull request, and why it is in its state.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    core::{
        run::{self, State},
        subject::{Subject, SubjectKind},
        why::{Cause, Job, why},
    },
    store::{effect, run::StoredRun},
};

/// A run in summary.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its id.
    pub id: Uuid,
    /// What it is about: `requirement`, or `pull`, a pull request that others opened.
    #[serde(default = "requirement")]
    pub subject: String,
    /// The requirement it works on, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement_id: Option<Uuid>,
    /// The harness gap it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap_id: Option<Uuid>,
    /// The title of the requirement, of the pull request or of the incident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The login of who opened the pull request, if others did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// By which products' settings the pull request is judged, if others opened it; only in the answer of `GET
    /// /api/v1/runs/{id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged_by: Option<super::JudgedBy>,
    /// The product that the run belongs to.
    pub product: String,
    /// The repository, `owner/name`.
    pub repository: String,
    /// The branch that the change is merged into.
    pub base_branch: String,
    /// The branch that the change is made on.
    pub branch: String,
    /// The run of the same requirement that it was forked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<Uuid>,
    /// 1 (first) to 5 (last).
    pub priority: i16,
    /// The graph it follows, by hash.
    pub workflow: String,
    /// How many events its history has.
    pub version: i32,
    /// `active`, `waiting`, `paused` or `ended`.
    pub state: String,
    /// The step that it is at or waits in.
    pub step: Option<String>,
    /// When it entered that step.
    pub since: Option<DateTime<Utc>>,
    /// What it waits for.
    pub waiting_for: Option<String>,
    /// When its step runs again even without a signal.
    pub next_look: Option<DateTime<Utc>>,
    /// Who paused it, why and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
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
    /// What they may use, and what is reserved for those whose cost is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<super::Budget>,
    /// What the caller can do to it now; only in the answer of `GET /api/v1/runs/{id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions: Option<Vec<super::Action>>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// A pause: no attempt begins until the run is resumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Paused {
    /// Who paused it: a caller, or the worker that ran into a budget or a breaker.
    pub by: String,
    /// Why.
    pub reason: String,
    /// `person`, `takeover`, `budget` or `breaker`.
    pub cause: String,
    /// When.
    pub since: DateTime<Utc>,
}

/// What a run knows of its pull request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// The base commit that the change is based on.
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
    /// Who merged it although no verdict had cleared it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unjudged: Option<String>,
}

/// What a run's model calls have used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Spent {
    /// Answered calls.
    pub calls: i64,
    /// Input tokens.
    pub input_tokens: i64,
    /// Output tokens.
    pub output_tokens: i64,
    /// Millionths of a dollar, where prices are set.
    pub micro_dollars: i64,
}

/// The one reason why a run is in its state.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Why {
    /// The run.
    pub run_id: Uuid,
    /// `ended`, `waiting`, `paused`, `running`, `worker_lost`, `backing_off`, `held_back`, `outage`,
    /// `newer_release`, `no_worker`, `on_hold`, `key_limit`, `suspect`, `queued` or `job_missing`.
    pub cause: String,
    /// The facts of this cause: step, since, until, worker, attempt, most,
    /// error, reason, next_look, queue, key, held, lost, provider, next_probe, scope, by.
    pub facts: BTreeMap<String, Value>,
    /// The cause in a sentence for people.
    pub sentence: String,
    /// The database's clock at this response.
    pub now: DateTime<Utc>,
}

fn requirement() -> String {
    SubjectKind::Requirement.to_string()
}

impl Run {
    /// The view of a stored run; `forge_url` is the forge's web address without a trailing slash.
    #[must_use]
    pub fn new(stored: &StoredRun, spent: effect::Spent, forge_url: &str) -> Self {
        let (spec, run) = (&stored.spec, &stored.run);
        let requirement_id = match spec.subject {
            Subject::Requirement(id) => Some(id),
            Subject::Pull(_) | Subject::Gap(_) => None,
        };
        let mut view = Self {
            id: spec.id,
            subject: spec.subject.kind().to_string(),
            requirement_id,
            gap_id: None,
            title: None,
            author: None,
            judged_by: None,
            product: spec.product.clone(),
            repository: spec.repository.clone(),
            base_branch: spec.base_branch.clone(),
            branch: spec.branch.clone(),
            forked_from: spec.parent,
            priority: spec.priority,
            workflow: spec.workflow_hash.clone(),
            version: stored.version,
            state: run.state.as_str().to_owned(),
            step: run.step().map(str::to_owned),
            since: None,
            waiting_for: None,
            next_look: None,
            paused: None,
            ended_as: None,
            end: None,
            reason: None,
            visits: run.visits.clone(),
            progress: Progress::from(&run.progress),
            pull_url: run
                .progress
                .pull
                .map(|number| format!("{forge_url}/{}/pull/{number}", spec.repository)),
            spent: spent.into(),
            budget: None,
            actions: None,
            created_at: stored.created_at,
            updated_at: stored.updated_at,
        };
        view.set_state(&run.state);
        view
    }

    fn set_state(&mut self, state: &State) {
        match state {
            State::At { since, .. } => self.since = Some(*since),
            State::Waiting { since, park, .. } => {
                self.since = Some(*since);
                self.waiting_for = Some(park.reason.clone());
                self.next_look = Some(park.until);
            }
            State::Paused(pause) => {
                self.since = pause.was.entered();
                self.paused = Some(Paused {
                    by: pause.by.clone(),
                    reason: pause.reason.clone(),
                    cause: if pause.takeover { "takeover" } else { pause.cause.as_str() }.to_owned(),
                    since: pause.since,
                });
            }
            State::Ended { name, end, reason } => {
                self.ended_as = Some(end.as_str().to_owned());
                self.end = Some(name.clone());
                self.reason = Some(reason.clone());
            }
        }
    }
}

impl Why {
    /// The one cause, as the run and its job show it.
    #[must_use]
    pub fn new(stored: &StoredRun, job: Option<&Job>) -> Self {
        let cause = why(&stored.run, job);
        let mut facts = facts(&cause);
        let kind = facts.remove("kind").and_then(|kind| kind.as_str().map(str::to_owned));
        Self {
            run_id: stored.spec.id,
            cause: kind.unwrap_or_default(),
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

impl From<&run::Progress> for Progress {
    fn from(progress: &run::Progress) -> Self {
        Self {
            base: progress.base.as_ref().map(ToString::to_string),
            head: progress.head.as_ref().map(ToString::to_string),
            pull: progress.pull,
            tier: progress.tier.map(|tier| tier.as_str().to_owned()),
            merged: progress.merged.as_ref().map(ToString::to_string),
            unjudged: progress.unjudged.clone(),
        }
    }
}

impl From<effect::Spent> for Spent {
    fn from(spent: effect::Spent) -> Self {
        let effect::Spent { calls, input_tokens, output_tokens, micro_dollars } = spent;
        Self { calls, input_tokens, output_tokens, micro_dollars }
    }
}
