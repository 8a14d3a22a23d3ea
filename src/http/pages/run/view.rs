//! The data of a run's page, read once.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use maud::Markup;

use super::super::words;
use crate::{
    core::{budget::Account, run, why, workflow::Workflow},
    http::middleware::caller::Caller,
    store::{assessment, attempt, audit, effect, event, requirement, review, run::StoredRun},
};

/// Everything that a run's page shows, as it was at `stored.now`.
pub(super) struct View {
    pub(super) forge: String,
    pub(super) stored: StoredRun,
    pub(super) requirement: requirement::Row,
    /// `None` when this release cannot read the run's graph.
    pub(super) workflow: Option<Arc<Workflow>>,
    pub(super) events: Vec<event::Row>,
    pub(super) attempts: Vec<attempt::Row>,
    pub(super) assessment: Option<assessment::Row>,
    pub(super) findings: Vec<review::Row>,
    pub(super) diffs: Vec<effect::Diff>,
    pub(super) effects: Vec<effect::Row>,
    /// What people did to the run, as the audit log has it.
    pub(super) acts: Vec<audit::Row>,
    /// Who looks at the page.
    pub(super) caller: Caller,
    pub(super) spent: effect::Spent,
    pub(super) budget: Vec<Account>,
    pub(super) job: Option<why::Job>,
    pub(super) cause: why::Cause,
}

impl View {
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.stored.now
    }

    pub(super) fn commit(&self, sha: &str) -> Markup {
        words::commit(&self.forge, &self.stored.spec.repository, sha)
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stored.run.state, run::State::Ended { .. })
    }
}
