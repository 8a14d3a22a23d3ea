//! The activities that steps perform, one file each. An activity answers; it never advances a run.
//!
//! An activity may be cut off at any point and started again: its acts on the outside world are found
//! through the ledger, and what it writes to the database is idempotent.

mod arrival;
mod ask;
mod asking;
mod attempt;
mod barred;
mod base_checks;
mod brief;
mod call;
mod checks;
mod close;
mod consent;
mod content_facts;
mod context;
mod conversation;
mod deployments;
mod draft;
mod epilogue;
mod factory;
mod facts;
mod failed_checks;
mod gap;
mod gate;
mod generate;
mod git_facts;
mod judge;
mod ledger;
mod listing;
mod look_back;
mod merge;
mod merging;
mod notes;
mod open_pulls;
mod opening;
pub mod orders;
mod outages;
mod policy_trial;
mod proof;
mod publish;
mod quiet;
mod rate_limits;
mod reconciler;
mod remarks;
mod remediate;
mod report;
mod reproduce;
mod rerun;
mod revert;
mod review;
mod second_look;
mod takeover;
mod test;
mod test_plan;
mod test_tree;
mod tested;
mod threads;
mod touched;
mod update;
mod verdict;
mod wait;

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::{FutureExt as _, future::BoxFuture};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use self::{
    factory::{CALLS_WITHOUT_HEAD, Factory, Polling},
    listing::Lister,
    outages::{Breaker, Probes},
    policy_trial::{Tried, policy_today, try_policy},
    rate_limits::{ForgeThrottle, ModelThrottle},
    reconciler::Reconciler,
    report::run_of_check,
    review::Access as ReviewerAccess,
    test_tree::{Files, test_tree},
};
use crate::{
    core::{
        outage::{Held, Outage, Provider},
        run::{Event, Park, PauseCause, Progress},
        workflow::Activity,
    },
    engine::{Answer, Asked, BaseSeen, ConsentAsked, Engine},
    github, llm,
    store::{self, deployment, job::Lease, run::StoredRun},
    workspace,
};

/// A job to attempt, with the run that it belongs to.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The lease under which the attempt is made.
    pub lease: Lease,
    /// The run when the attempt began.
    pub stored: StoredRun,
    /// The activity to perform.
    pub activity: Activity,
    /// How many rounds of remediation are left after this step.
    pub rounds_left: u32,
    /// Cancelled once the lease is lost.
    pub lost: CancellationToken,
}

/// The result of an attempt that did not fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The step's answer.
    Answer(Answer),
    /// The step must wait for something outside.
    Park(Park, Progress),
    /// The step asks people, and waits for their answers.
    Ask(Asked),
    /// The step asks a person whether dependencies may be installed, and waits for the answer.
    Consent(Box<ConsentAsked>),
}

/// Whose failure a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The forge's, its git's, or of what they hold.
    Forge,
    /// The model's, the database's or our own: the repository has no part in it.
    Elsewhere,
}

/// Why an attempt has no reply.
#[derive(Debug)]
pub enum Failure {
    /// Another attempt may succeed, not before `after`.
    Retry {
        /// What went wrong, in a sentence for people.
        error: String,
        /// The least wait, if the other side named one.
        after: Option<Duration>,
        /// Whose failure it is.
        origin: Origin,
    },
    /// A limit that all workers share held a call back: the job is snoozed, and no attempt is used up.
    Snooze {
        /// How long from now.
        until: Duration,
        /// The limit's key.
        why: String,
    },
    /// A provider is out of reach: the job is snoozed, and no attempt is used up.
    Outage(Box<Outage>),
    /// Another attempt would fail too.
    Final {
        /// What went wrong, in a sentence for people.
        error: String,
        /// Whose failure it is.
        origin: Origin,
    },
    /// Nothing more may be spent until a person has looked: the run is paused.
    Halt {
        /// The kind of reason.
        cause: PauseCause,
        /// Why, in a sentence for people.
        reason: String,
    },
    /// A person works on the branch: the run is paused and left to them.
    TakenOver {
        /// Who, by their login.
        by: String,
        /// What they did, in a sentence for people.
        reason: String,
    },
    /// The lease is lost: another worker may hold the job.
    LeaseLost,
}

/// What others did to the pull request of a run that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LookedBack {
    /// The login of who did it, or `unknown`.
    pub by: String,
    /// [`Event::PullChanged`].
    pub event: Event,
}

/// Performs activities: the factory, or a stand-in.
pub trait Perform: Send + Sync + 'static {
    /// Makes one attempt.
    fn perform(&self, assignment: Assignment) -> BoxFuture<'_, Result<Reply, Failure>>;

    /// What became of the pull request of a run that has ended, unless its history says so. A stand-in knows of none.
    fn look_back(&self, _run: Uuid) -> BoxFuture<'_, Result<Option<LookedBack>, Failure>> {
        futures::future::ready(Ok(None)).boxed()
    }

    /// What the base's own checks say of the commit that a run was merged as; `None`: there is no such run. It may be called
    /// more than once. A stand-in knows of none.
    fn base_checks(&self, _run: Uuid) -> BoxFuture<'_, Result<Option<BaseSeen>, Failure>> {
        futures::future::ready(Ok(None)).boxed()
    }

    /// The runs whose merged changes a deployment contains; it may be called more than once. A stand-in knows of none.
    fn contents<'a>(&'a self, _deployment: &'a deployment::Due) -> BoxFuture<'a, Result<Vec<Uuid>, Failure>> {
        futures::future::ready(Ok(Vec::new())).boxed()
    }

    /// The provider that is asked instead while this one is down, if there is one.
    fn fallback_of(&self, _down: &Provider) -> Option<Provider> {
        None
    }

    /// Gives back what attempts that were cut off left behind. The last call of a worker that stops.
    fn stopped(&self) -> BoxFuture<'_, ()> {
        futures::future::ready(()).boxed()
    }

    /// Reads the conversation on a run's pull request, does what people ask for, and says where the run stands; after
    /// how long to look again. It may be called more than once. A stand-in has no pull request.
    fn converse<'a>(
        &'a self,
        _engine: &'a Engine,
        _run: Uuid,
    ) -> BoxFuture<'a, Result<Option<Duration>, Failure>> {
        futures::future::ready(Ok(None)).boxed()
    }

    /// Looks at a harness gap: reminds of it, says on its issue what is owed, and acts on what the forge has become; when to
    /// look again, if not only on news. It may be called more than once. A stand-in has no forge.
    fn tend(&self, _gap: Uuid) -> BoxFuture<'_, Result<Option<DateTime<Utc>>, Failure>> {
        futures::future::ready(Ok(None)).boxed()
    }

    /// Says the last word of a run that has ended; it may be called more than once. A stand-in has none.
    fn conclude(&self, _run: Uuid) -> BoxFuture<'_, Result<(), Failure>> {
        futures::future::ready(Ok(())).boxed()
    }
}

/// How many, for [`counted`](crate::core::words::counted).
fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

impl Failure {
    /// The forge or its git may show something else to another attempt.
    fn retry(error: impl std::fmt::Display) -> Self {
        Self::Retry { error: error.to_string(), after: None, origin: Origin::Forge }
    }

    /// What the forge or its git shows will not change by itself.
    fn last(error: impl std::fmt::Display) -> Self {
        Self::Final { error: error.to_string(), origin: Origin::Forge }
    }

    /// What the model, the database or we ourselves made is of no use.
    fn unusable(error: impl std::fmt::Display) -> Self {
        Self::Final { error: error.to_string(), origin: Origin::Elsewhere }
    }

    /// The outage, with what this call met if it was made.
    fn outage_of(outage: &Outage, error: &impl std::fmt::Display) -> Outage {
        let error = if outage.was_made { error.to_string() } else { outage.error.clone() };
        Outage { error, ..outage.clone() }
    }

    fn out_of_reach(outage: &Outage, error: &impl std::fmt::Display) -> Self {
        Self::Outage(Box::new(Self::outage_of(outage, error)))
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        let error = format!("the database failed: {error}");
        Self::Retry { error, after: None, origin: Origin::Elsewhere }
    }
}

impl From<github::Error> for Failure {
    /// A token that is wrong or lacks a permission is fixed by people without touching the run; what changed in the
    /// meantime, and an answer that was cut, are another at the next look. So these are retried too.
    fn from(error: github::Error) -> Self {
        if let Some(outage) = error.outage() {
            return Self::out_of_reach(outage, &error);
        }
        if let (Some(key), Some(until)) = (error.held_by(), error.retry_after()) {
            return Self::Snooze { until, why: key.to_owned() };
        }
        let may_be_other = matches!(
            error.kind(),
            github::Kind::Unauthorized
                | github::Kind::Forbidden
                | github::Kind::Conflict
                | github::Kind::Unreadable
        );
        if error.is_transient() || may_be_other {
            Self::Retry { error: error.to_string(), after: error.retry_after(), origin: Origin::Forge }
        } else {
            Self::last(error)
        }
    }
}

impl From<llm::Error> for Failure {
    /// A cut or empty answer may be complete the next time; a wrong key is fixed by people.
    fn from(error: llm::Error) -> Self {
        match &error {
            llm::Error::Rejected(_) | llm::Error::Refused(..) => Self::unusable(error),
            llm::Error::Down { outage, .. } => Self::out_of_reach(outage, &error),
            llm::Error::Held(Held::Outage(outage)) => Self::out_of_reach(outage, &error),
            llm::Error::Held(Held::Limit(wait)) => Self::Snooze { until: wait.wait, why: wait.key.clone() },
            llm::Error::Transient { .. }
            | llm::Error::Auth(_)
            | llm::Error::TooLong(_)
            | llm::Error::Empty(_)
            | llm::Error::Oversize => {
                let origin = Origin::Elsewhere;
                Self::Retry { after: error.retry_after(), error: error.to_string(), origin }
            }
        }
    }
}

impl From<workspace::Error> for Failure {
    /// A token that git refuses is retried, as one that REST refuses is.
    fn from(error: workspace::Error) -> Self {
        if let Some(outage) = error.outage() {
            return Self::out_of_reach(outage, &error);
        }
        if let workspace::Error::Held(held) = &error {
            return Self::Snooze { until: held.wait(), why: held.key() };
        }
        if let workspace::Error::Token { why, .. } = &error {
            return match why.held.clone() {
                Some((why, until)) => Self::Snooze { until, why },
                None => Self::Retry { after: why.after, error: error.to_string(), origin: Origin::Forge },
            };
        }
        if error.is_transient() || error.is_unauthorized() { Self::retry(error) } else { Self::last(error) }
    }
}
