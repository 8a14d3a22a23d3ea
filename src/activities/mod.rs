//! What steps do: one file an activity. An activity answers; it never advances a run.
//!
//! Every activity may be cut off at any point and begun again: what it did to the outside world is
//! found again through the effects, and what it wrote to the database it writes again to the same end.

mod attempt;
mod call;
mod context;
mod draft;
mod factory;
mod facts;
mod gate;
mod generate;
mod ledger;
mod merge;
mod publish;
mod rate_limits;
mod remediate;
mod report;
mod review;
mod update;
mod verdict;

use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

pub use self::{
    factory::{CALLS_WITHOUT_HEAD, Factory, Polling},
    rate_limits::{ForgeThrottle, ModelThrottle},
};
use crate::{
    core::{
        run::{Park, PauseCause, Progress},
        workflow::Activity,
    },
    engine::Answer,
    github, llm,
    store::{self, job::Lease, run::StoredRun},
    workspace,
};

/// One attempt at a step, with what it may rest on.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The hold under which everything happens.
    pub lease: Lease,
    /// The run as it stood when the attempt began.
    pub stored: StoredRun,
    /// The activity to perform.
    pub activity: Activity,
    /// How many rounds of remediation are left after this step.
    pub rounds_left: u32,
    /// Cancelled once the lease is lost.
    pub lost: CancellationToken,
}

/// What an activity says when it is done with an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The step's answer.
    Answer(Answer),
    /// The step must wait for the world.
    Park(Park, Progress),
}

/// Why an attempt came to nothing.
#[derive(Debug)]
pub enum Failure {
    /// Trying again may help, not before `after`.
    Retry {
        /// What went wrong, in a sentence for people.
        error: String,
        /// The least wait, if the other side named one.
        after: Option<Duration>,
    },
    /// A limit that all workers share held a call back. No attempt failed: the job is put off.
    Snooze {
        /// How long from now.
        until: Duration,
        /// The limit's key.
        why: String,
    },
    /// Trying again cannot help.
    Final {
        /// What went wrong, in a sentence for people.
        error: String,
    },
    /// Nothing more shall be spent before a person has looked: the run is paused.
    Halt {
        /// What kind of reason it is.
        cause: PauseCause,
        /// Why, in a sentence for people.
        reason: String,
    },
    /// Somebody else holds the job by now.
    LeaseLost,
}

/// Whoever performs activities: the factory's own, or a stand-in.
pub trait Perform: Send + Sync + 'static {
    /// Makes one attempt.
    fn perform(&self, assignment: Assignment) -> BoxFuture<'_, Result<Reply, Failure>>;
}

impl Failure {
    fn retry(error: impl std::fmt::Display) -> Self {
        Self::Retry { error: error.to_string(), after: None }
    }

    fn last(error: impl std::fmt::Display) -> Self {
        Self::Final { error: error.to_string() }
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        Self::retry(format!("the database failed: {error}"))
    }
}

impl From<github::Error> for Failure {
    /// A token that is wrong or may too little is mended by people, without the run being touched:
    /// those are tried again too.
    fn from(error: github::Error) -> Self {
        if let (Some(key), Some(until)) = (error.held_by(), error.retry_after()) {
            return Self::Snooze { until, why: key.to_owned() };
        }
        let mendable = matches!(error.kind(), github::Kind::Unauthorized | github::Kind::Forbidden);
        if error.is_transient() || mendable {
            Self::Retry { error: error.to_string(), after: error.retry_after() }
        } else {
            Self::last(error)
        }
    }
}

impl From<llm::Error> for Failure {
    /// A cut or empty answer may be whole the next time; a key that is wrong is mended by people.
    fn from(error: llm::Error) -> Self {
        match &error {
            llm::Error::Rejected(_) | llm::Error::Refused(..) => Self::last(error),
            llm::Error::Held(wait) => Self::Snooze { until: wait.wait, why: wait.key.clone() },
            llm::Error::Transient { .. }
            | llm::Error::Auth(_)
            | llm::Error::TooLong(_)
            | llm::Error::Empty(_)
            | llm::Error::Oversize => Self::Retry { after: error.retry_after(), error: error.to_string() },
        }
    }
}

impl From<workspace::Error> for Failure {
    /// A token that git is refused with is tried again, as it is over REST.
    fn from(error: workspace::Error) -> Self {
        if error.is_transient() || error.is_unauthorized() { Self::retry(error) } else { Self::last(error) }
    }
}
