//! What people can do to a run now, for pages and REST.

use super::{Engine, Error};
use crate::{
    core::{
        job::JobState,
        run::{Offer, State},
    },
    store::{event, run::StoredRun},
};

impl Engine {
    /// What can be done to a run whose job is in this state. Whether another run works on its branch is only known when
    /// it is done.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn offer(&self, stored: &StoredRun, job: Option<JobState>) -> Result<Offer, Error> {
        let workflow = self.workflow(&stored.spec.workflow_hash).await.ok();
        let newest = self.newest(stored.spec.subject.kind()).ok();
        let last = match stored.run.state {
            State::Ended { .. } => {
                let mut connection = self.pool().acquire().await?;
                Some(event::last(&mut connection, stored.spec.id).await?)
            }
            State::At { .. } | State::Waiting { .. } | State::Paused(_) => None,
        };
        let last = last.as_ref().and_then(|row| Some((row.step.as_deref()?, &row.body.0)));
        Ok(Offer::of(&stored.run, job, workflow.as_deref(), newest.as_deref(), last))
    }
}
