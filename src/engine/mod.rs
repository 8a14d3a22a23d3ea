//! The engine: the one transaction in which a run moves.
//!
//! Every method here locks the run, applies events, appends them to the history, saves the run, performs the
//! actions that follow, and commits. A method that also needs the run's job locks the job first. What an
//! attempt reports is fenced by its lease and by the run's version: if either is out of date, the caller gets
//! [`Ack::Fenced`] and nothing has changed.

mod accept;
mod advance;
mod after_merge;
mod amend;
mod attempts;
mod budget;
pub mod catalog;
mod command;
mod consent;
mod control;
pub mod decisions;
mod evidence;
mod fork;
mod gap;
pub mod gap_clock;
pub mod group_commit;
mod halt;
pub mod identities;
mod judge;
mod notice;
mod offer;
mod opinion;
mod outage;
pub mod people;
mod proposal;
mod questions;
mod record;
mod redrive;
mod replay;
mod schedule;
mod snooze;
mod submission;
mod subscription;
mod wake;
mod workflows;

use std::sync::Arc;

use uuid::Uuid;

pub use self::{
    accept::Accepted,
    after_merge::{BaseSeen, Reverting},
    amend::{Amendment, Resubmitted},
    catalog::{ProductSettings, Put},
    command::{Order, What},
    consent::{ConsentAsked, ConsentSaid, asks_consent},
    control::{Control, Denied, Verb},
    evidence::EvidenceSent,
    gap::{GapOpened, NewGap, NotDismissed, usual_rule},
    opinion::Said,
    proposal::{Accepting, NotDecided},
    questions::{Asked, asks},
    submission::Submission,
    subscription::NotSubscribed,
    wake::{Follows, Received},
};
use self::{advance::Actor, workflows::Workflows};
use crate::{
    core::{
        limit, question,
        requirement::Invalid,
        run::{Progress, Refused},
        subject::SubjectKind,
        workflow::{self, Outcome},
    },
    store::{self, Pool},
};

/// The engine over one database.
#[derive(Clone)]
pub struct Engine {
    pool: Pool,
    workflows: Arc<Workflows>,
    /// The model provider, as the keys of jobs name it.
    provider: Arc<str>,
}

/// Why the engine could not do what it was asked to. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error("the database failed: {0}")]
    Store(#[from] store::Error),
    /// The run does not exist.
    #[error("there is no run {0}")]
    NoRun(Uuid),
    /// The product does not exist.
    #[error("there is no product `{0}`")]
    NoProduct(String),
    /// The product is at its limit of open runs.
    #[error("`{product}` has {open} open runs, and at most {most} may be open")]
    BacklogFull {
        /// The product.
        product: String,
        /// The most open runs.
        most: i32,
        /// How many are open.
        open: i64,
    },
    /// The product is needed: nothing was removed.
    #[error("`{product}` is in use: open runs {runs}, schedules {schedules}")]
    ProductInUse {
        /// The product.
        product: String,
        /// How many of its runs are open.
        runs: i64,
        /// How many schedules submit requirements for it.
        schedules: i64,
    },
    /// The event does not fit the run.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The run does not allow this in its current state.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The requirement does not exist.
    #[error("there is no requirement {0}")]
    NoRequirement(Uuid),
    /// The text of a requirement is invalid, in these fields.
    #[error("the requirement is invalid: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<Invalid>),
    /// The answers do not fit the questions.
    #[error("{}: {}", .0.pointer, .0.message)]
    Answers(question::Wrong),
    /// The dead letter does not exist.
    #[error("there is no dead letter {0}")]
    NoLetter(i64),
    /// This release ships no workflow for this kind of subject.
    #[error("this release has no workflow for a {0}")]
    NoWorkflow(SubjectKind),
    /// This release cannot read the run's workflow.
    #[error("this release cannot follow workflow {hash}: {error}")]
    Workflow {
        /// The workflow.
        hash: String,
        /// What is wrong with it for this release.
        error: workflow::Error,
    },
}

/// What an activity answers and learnt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The outcome.
    pub outcome: Outcome,
    /// The outcome in a sentence for people.
    pub note: String,
    /// What was learnt on the way.
    pub progress: Progress,
}

/// Whether the report of an attempt was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// It is in the history.
    Committed,
    /// The lease is lost or the run has moved on; nothing has changed.
    Fenced,
}

impl Engine {
    /// An engine with the workflows of this release, which are stored in the database as well.
    ///
    /// # Errors
    /// When the database does not answer, or a shipped workflow is invalid (which a test rules out).
    pub async fn open(pool: Pool) -> Result<Self, Error> {
        Self::open_with(pool, &workflows::SHIPPED).await
    }

    /// An engine with other shipped workflows, oldest first; for tests.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub async fn open_with(pool: Pool, shipped: &[&str]) -> Result<Self, Error> {
        // A run whose month has no partition goes to the default one and is moved by the daily upkeep, so
        // this is no reason to fail.
        if let Err(error) = store::partition::prepare(&pool).await {
            tracing::warn!(%error, "could not make the partitions of the coming months: {error}");
        }
        let workflows = Arc::new(Workflows::open(&pool, shipped).await?);
        Ok(Self { pool, workflows, provider: limit::PROVIDER.into() })
    }

    /// The database below.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }
}

/// Text from outside as Postgres can store it. Postgres takes no NUL, and an answer that cannot be recorded
/// would be retried for ever.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
