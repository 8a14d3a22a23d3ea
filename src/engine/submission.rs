//! A requirement as a caller submits it, with the budget of its run.

use super::{Accepted, Engine, Error, record};
use crate::{
    core::{
        budget::{Limits, Scope},
        requirement::{RequestedBy, Requirement},
    },
    store::{Connection, audit::Author, budget, requirement},
};

/// What the history of a budget says of one that came with its requirement.
const REASON: &str = "asked for with the requirement";

/// A requirement to accept.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// The requirement.
    pub requirement: &'a Requirement,
    /// The most that its run's model calls may use; `None`: no limit of its own.
    pub budget: Option<Limits>,
    /// Who asked for it, as the caller says; `None` if it says nothing.
    pub requested_by: Option<&'a RequestedBy>,
    /// Who submits it.
    pub by: Author<'a>,
}

impl Engine {
    /// Accepts a submission inside the caller's transaction, which also records it in the audit log.
    ///
    /// # Errors
    /// As [`Engine::accept_in`].
    pub async fn submit_in(&self, tx: &mut Connection, new: Submission<'_>) -> Result<Accepted, Error> {
        let accepted = self.accept_in(tx, new.requirement, new.by.person).await?;
        if let Some(by) = new.requested_by {
            requirement::set_requester(tx, accepted.requirement, by).await?;
        }
        if let Some(limits) = new.budget {
            budget::set(tx, Scope::Run, &accepted.run.to_string(), limits, REASON, new.by.person).await?;
        }
        record::submitted(tx, new.by, new.requirement, accepted).await?;
        Ok(accepted)
    }
}
