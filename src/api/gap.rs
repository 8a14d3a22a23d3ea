//! Harness gaps: incidents whose case is missing, with their clocks.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{core::gap::Reading, store::gap};

/// An incident that opens a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGap {
    /// The product that it happened to.
    pub product: String,
    /// What went wrong, in one line of at most 300 characters.
    pub title: String,
    /// What is known of it: how it shows, since when, what was expected. At most 64 KiB are kept.
    #[serde(default)]
    pub body: String,
    /// Where it is reported in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When it happened, at most a year ago: the clock begins then. Left out: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub happened_at: Option<DateTime<Utc>>,
    /// What it is known by elsewhere: the same key of the same product opens no second gap. Left out: it is a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// A gap that was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GapAccepted {
    /// The gap.
    pub gap_id: Uuid,
    /// Whether it is new; else the incident had this one.
    pub is_new: bool,
    /// When its case is due.
    pub due_at: DateTime<Utc>,
    /// The run about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Uuid>,
}

/// Why there is no gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DismissGap {
    /// The reason, for those who look later.
    pub reason: String,
}

/// A harness gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// The id.
    pub id: Uuid,
    /// The product.
    pub product: String,
    /// The repository, `owner/name`.
    pub repository: String,
    /// What went wrong.
    pub title: String,
    /// What was reported; absent in lists, and for who may not read it. Foreign text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Where it is reported in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Who reported it: `person`, `issue`, `sentry`, `sender` or `checks`.
    pub source: String,
    /// When the incident happened.
    pub happened_at: DateTime<Utc>,
    /// `open`, `converted` (a case is merged) or `dismissed` (a person says that there is none).
    pub state: String,
    /// The clock.
    pub clock: GapClock,
    /// The issue of the forge, once it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<i64>,
    /// The newest run about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Uuid>,
    /// The run whose merged change caused the incident, as far as that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caused_by: Option<Uuid>,
    /// The merged pull request with the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_pull: Option<i64>,
    /// The files of cases that it added or changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub case_files: Vec<String>,
    /// Who opened it.
    pub opened_by: String,
    /// Who said that there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dismissed_by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dismissed_for: Option<String>,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// Why the last look at its issue failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What happened to it, oldest first; absent in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<GapEvent>>,
}

/// The clock of a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GapClock {
    /// When it began: when the incident happened, or when its issue was opened.
    pub started_at: DateTime<Utc>,
    /// When the case is due.
    pub due_at: DateTime<Utc>,
    /// The time that the policy gives, in minutes.
    pub limit_minutes: i32,
    /// Whether the policy says so; else it is the usual time, until a worker has read the policy.
    pub by_policy: bool,
    /// `running`, `overdue`, `in_time` or `late` (it was stopped before or after the case was due).
    pub reading: String,
    /// How much of the time is used up, in per cent; 100 and no more for a clock that is overdue. Absent once it is stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_percent: Option<u8>,
    /// When it was stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<DateTime<Utc>>,
}

/// Something that happened to a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GapEvent {
    /// When.
    pub at: DateTime<Utc>,
    /// A person, `webhook`, or `aspora`.
    pub actor: String,
    /// `opened`, `timed`, `issue`, `reminder`, `overdue`, `unproven`, `converted`, `reopened`, `dismissed` or `blamed`.
    pub kind: String,
    /// In a sentence.
    pub note: String,
}

/// A page of gaps, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gaps {
    /// The gaps.
    pub items: Vec<Gap>,
    /// Gives the next page as `?cursor=`; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Uuid>,
}

impl GapClock {
    fn new(row: &gap::Row, now: DateTime<Utc>) -> Self {
        let clock = row.clock();
        let (reading, used_percent) = match clock.read(now) {
            Reading::Running(percent) => ("running", Some(percent)),
            Reading::Overdue(_) => ("overdue", Some(100)),
            Reading::InTime => ("in_time", None),
            Reading::Late => ("late", None),
        };
        Self {
            started_at: row.started_at,
            due_at: clock.due_at(),
            limit_minutes: row.limit_minutes,
            by_policy: row.policy_digest.is_some(),
            reading: reading.to_owned(),
            used_percent,
            stopped_at: row.stopped_at,
        }
    }
}

impl Gap {
    /// The view of a row at a time of the database's clock, without what was reported and what happened.
    #[must_use]
    pub fn new(row: gap::Row, now: DateTime<Utc>) -> Self {
        Self {
            clock: GapClock::new(&row, now),
            id: row.id,
            product: row.product,
            repository: row.repository,
            title: row.title,
            body: None,
            url: row.url,
            source: row.source,
            happened_at: row.happened_at,
            state: row.state,
            issue: row.issue,
            run_id: row.run,
            caused_by: row.caused_by,
            case_pull: row.case_pull,
            case_files: row.case_files,
            opened_by: row.opened_by,
            dismissed_by: row.dismissed_by,
            dismissed_for: row.dismissed_for,
            created_at: row.created_at,
            error: row.error,
            events: None,
        }
    }
}

impl From<gap::Event> for GapEvent {
    fn from(event: gap::Event) -> Self {
        Self { at: event.at, actor: event.actor, kind: event.kind, note: event.note }
    }
}
