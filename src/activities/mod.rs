//! What steps do: one file an activity. An activity answers; it never advances a run.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::{
    core::run::{Park, Progress},
    engine::Answer,
    store::{job::Lease, requirement, run::Stored},
};

/// One attempt at a step, with what it may rest on.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The hold under which everything happens.
    pub lease: Lease,
    /// The worker that tries.
    pub worker: String,
    /// The run as it stood when the attempt began.
    pub run: Stored,
    /// What it is all about.
    pub requirement: requirement::Row,
    /// The activity to perform.
    pub activity: crate::core::workflow::Activity,
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
    /// Trying again cannot help.
    Final {
        /// What went wrong, in a sentence for people.
        error: String,
    },
    /// Somebody else holds the job by now.
    LeaseLost,
}

/// Whoever performs activities: the factory's own, or a stand-in.
pub trait Perform: Send + Sync + 'static {
    /// Makes one attempt.
    fn perform(&self, assignment: Assignment) -> BoxFuture<'_, Result<Reply, Failure>>;
}
