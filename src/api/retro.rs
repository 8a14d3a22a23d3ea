//! Looks back at runs that have ended, and what is proposed once the same comes again and again.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    core::retro,
    store::retro::{Row, proposal},
};

/// What a look back at a run says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LookBack {
    /// The run.
    pub run_id: Uuid,
    /// `ready`; `running` (the run has not ended); `due` (it has, and a worker looks at it next); or `no_data` (its history
    /// was deleted before anything was read out of it). What follows is there only where it is ready.
    pub state: String,
    /// The whole in a sentence.
    pub sentence: String,
    /// When it was made, or last came to something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<DateTime<Utc>>,
    /// How many rounds of remediation it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rounds: Option<u32>,
    /// What was for nothing: `unusable` (answers that were not taken), `failed` (attempts that failed or were lost), `rounds`, and
    /// `in_vain` (the rest of a run that ended without its change). The parts share nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waste: Option<BTreeMap<String, Wasted>>,
    /// Where the time from the submission to the end went, in milliseconds by cause; it adds up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_ms: Option<BTreeMap<String, i64>>,
    /// What it teaches, the dearest first; empty for a clean run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lessons: Option<Vec<Lesson>>,
}

/// What one part of the waste comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Wasted {
    /// Calls of the model.
    pub calls: u32,
    /// The tokens that they used.
    pub tokens: i64,
    /// What these cost, in millionths of a dollar; 0 also where no prices are known.
    pub micro_dollars: i64,
    /// Milliseconds of attempts.
    pub ms: i64,
}

/// One thing that a run teaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Lesson {
    /// The key of the cause, such as `finding:wealth/api.py`, `check:lint` or `questions`.
    pub cause: String,
    /// When it came.
    pub at: DateTime<Utc>,
    /// The rounds of remediation that it cost. A round with several causes counts in each of them.
    pub rounds: u32,
    /// The calls of the model.
    pub calls: u32,
    /// Milliseconds of waiting.
    pub wait_ms: i64,
    /// What happened.
    pub happened: String,
    /// What would have avoided it.
    pub avoid: String,
    /// What was said of it in reviews and reports, its beginning; absent for who may not read that. Foreign text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<String>,
    /// What is proposed if it comes again and again: `policy_pattern`, `harness_case` or `prompt_note`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The newest proposal about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal_id: Option<Uuid>,
    /// The state of that: `open`, `accepted` or `dismissed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposal_state: Option<String>,
}

/// A proposal, filed because the same cause came in several runs of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FiledProposal {
    /// The id.
    pub id: Uuid,
    /// The product.
    pub product: String,
    /// The key of the cause.
    pub cause: String,
    /// `policy_pattern`, `harness_case` or `prompt_note`.
    pub kind: String,
    /// It in a line.
    pub title: String,
    /// What to change.
    pub body: String,
    /// The runs behind it when it was filed, the newest first; retention may have deleted some.
    pub runs: Vec<Uuid>,
    /// `open`, `accepted` or `dismissed`.
    pub state: String,
    /// When it was filed.
    pub filed_at: DateTime<Utc>,
    /// As what kind it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_as: Option<String>,
    /// The text that was accepted; of a `prompt_note` what prompts show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Who accepted or dismissed it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<DateTime<Utc>>,
}

/// A page of proposals, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FiledProposals {
    /// The proposals.
    pub items: Vec<FiledProposal>,
    /// Gives the next page as `?cursor=`; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<Uuid>,
}

/// Why a proposal is accepted, and as what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptProposal {
    /// The reason, for those who look later.
    pub reason: String,
    /// Another text than its own, in one line of at most 400 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Another kind than its own: `policy_pattern`, `harness_case` or `prompt_note`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// Why a proposal is dismissed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DismissProposal {
    /// The reason, for those who look later.
    pub reason: String,
}

impl LookBack {
    /// One that says only why there is no more.
    #[must_use]
    pub fn without(run_id: Uuid, state: &str, sentence: &str) -> Self {
        Self {
            run_id,
            state: state.to_owned(),
            sentence: sentence.to_owned(),
            looked_at: None,
            rounds: None,
            waste: None,
            time_ms: None,
            lessons: None,
        }
    }

    /// The view of a stored one; `proposals` are those about its causes, and what was said is left out unless it may be read.
    #[must_use]
    pub fn new(run_id: Uuid, row: Row, proposals: &HashMap<String, (Uuid, String)>, reads: bool) -> Self {
        let Row { looked_at, it } = row;
        let waste = it.waste.parts().map(|(name, part)| (name.to_owned(), Wasted::from(part)));
        Self {
            looked_at: Some(looked_at),
            rounds: Some(it.rounds),
            waste: Some(waste.into()),
            ..Self::without(run_id, "ready", &it.sentence())
        }
        .with(it, proposals, reads)
    }

    fn with(self, it: retro::LookBack, proposals: &HashMap<String, (Uuid, String)>, reads: bool) -> Self {
        let lesson = |lesson: retro::Lesson| Lesson::new(lesson, proposals, reads);
        let lessons = it.lessons.into_iter().map(lesson).collect();
        Self { time_ms: Some(it.time), lessons: Some(lessons), ..self }
    }
}

impl Lesson {
    fn new(it: retro::Lesson, proposals: &HashMap<String, (Uuid, String)>, reads: bool) -> Self {
        let proposal = proposals.get(&it.cause);
        Self {
            proposal_id: proposal.map(|(id, _)| *id),
            proposal_state: proposal.map(|(_, state)| state.clone()),
            cause: it.cause,
            at: it.at,
            rounds: it.cost.rounds,
            calls: it.cost.calls,
            wait_ms: it.cost.wait_ms,
            happened: it.happened,
            avoid: it.avoid,
            said: Some(it.said).filter(|said| reads && !said.is_empty()),
            kind: it.proposed.map(|proposed| proposed.kind.as_str().to_owned()),
        }
    }
}

impl From<retro::Wasted> for Wasted {
    fn from(it: retro::Wasted) -> Self {
        Self { calls: it.calls, tokens: it.tokens, micro_dollars: it.micro_dollars, ms: it.ms }
    }
}

impl From<proposal::Row> for FiledProposal {
    fn from(row: proposal::Row) -> Self {
        Self {
            id: row.id,
            product: row.product,
            cause: row.cause,
            kind: row.kind,
            title: row.title,
            body: row.body,
            runs: row.runs,
            state: row.state,
            filed_at: row.filed_at,
            accepted_as: row.accepted_as,
            note: row.note,
            decided_by: row.decided_by,
            reason: row.reason,
            decided_at: row.decided_at,
        }
    }
}
