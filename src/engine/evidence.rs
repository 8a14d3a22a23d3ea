//! Browser evidence comes: it is stored with what was found in it, and wakes the run if it waits. The verdict judges it; the
//! step that does so publishes the check, so that nothing is lost or done twice.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Actor, Denied, Engine, Error, control::lock_with_job, record};
use crate::{
    core::{
        evidence::{Evidence, Manifest, Verified},
        policy::Conclusion,
        run::{Event, Run, State, Topic},
        sha::Sha,
    },
    store::{
        Connection,
        audit::Author,
        blob::Hash,
        evidence::{self, New, Row},
        job_control,
        run::StoredRun,
        signal,
    },
};

/// The most faults that the history of a run quotes.
const QUOTED: usize = 10;

/// Evidence as it was sent and verified.
#[derive(Debug, Clone, Copy)]
pub struct EvidenceSent<'a> {
    /// The head that it must be of.
    pub head: &'a Sha,
    /// What tells it from other evidence: SHA-256 in hexadecimal.
    pub digest: &'a str,
    /// The manifests.
    pub manifests: &'a [Manifest],
    /// What was found in it.
    pub found: &'a Evidence,
    /// The same under the policy of the base.
    pub verified: &'a Verified,
    /// The pictures by their hashes.
    pub pictures: &'a BTreeMap<Hash, &'a [u8]>,
    /// When it came.
    pub arrived_at: DateTime<Utc>,
}

impl Engine {
    /// Records evidence of a run's head inside the caller's transaction, with an event and a row of the audit log, and wakes
    /// the run if it waits. Where the newest evidence of the head is the same, nothing changes and that is returned.
    ///
    /// # Errors
    /// [`Error::NoRun`]; [`Denied::StaleHead`] if the run's head is another; [`Denied::Ended`].
    pub async fn record_evidence_in(
        &self,
        tx: &mut Connection,
        run: Uuid,
        sent: EvidenceSent<'_>,
        by: Author<'_>,
    ) -> Result<Option<Row>, Error> {
        let locked = lock_with_job(tx, run).await?;
        may_send(&locked.stored.run, sent.head)?;
        let newest = evidence::newest(&mut *tx, run, sent.head).await?;
        if let Some(known) = newest.filter(|known| known.digest == sent.digest) {
            return Ok(Some(known));
        }
        self.keep_evidence(tx, locked.stored, sent, by).await?;
        record::evidence_sent(tx, by, run, sent).await?;
        Ok(None)
    }

    async fn keep_evidence(
        &self,
        tx: &mut Connection,
        stored: StoredRun,
        sent: EvidenceSent<'_>,
        by: Author<'_>,
    ) -> Result<(), Error> {
        let (run, workflow) = (stored.spec.id, self.workflow(&stored.spec.workflow_hash).await?);
        let number = evidence::insert(tx, &row(run, sent, by)).await?;
        let mut events = vec![event(sent)];
        // What a check of the forge says arrives under the same topic.
        let topic = Topic::Checks;
        match &stored.run.state {
            State::Waiting { park, .. } if park.topics.contains(&topic) => {
                events.push(Event::Signalled { topic });
            }
            // The step that is under way, or that a resume enqueues, has not seen it: it will not wait for it.
            State::At { .. } | State::Waiting { .. } | State::Paused(_) | State::Ended { .. } => {
                signal::leave(tx, &format!("evidence:{number}"), topic, &stored.spec.repository, run).await?;
            }
        }
        job_control::note(tx, run).await?;
        self.advance(tx, stored, &workflow, Actor::Other(by.person), events).await
    }
}

fn row<'a>(run: Uuid, sent: EvidenceSent<'a>, by: Author<'a>) -> New<'a> {
    let EvidenceSent { head, digest, manifests, found, verified, pictures, arrived_at } = sent;
    New { run, head, digest, manifests, found, verified, pictures, by, arrived_at }
}

fn event(sent: EvidenceSent<'_>) -> Event {
    let faults = sent.verified.faults().into_iter().take(QUOTED).map(|fault| fault.text);
    Event::EvidenceRecorded {
        head: sent.head.clone(),
        conclusion: if sent.verified.holds() { Conclusion::Success } else { Conclusion::Failure },
        flows: sent.verified.flows.iter().map(|flow| flow.flow.clone()).collect(),
        faults: faults.collect(),
    }
}

/// Checks that evidence of this head can be taken now.
fn may_send(run: &Run, head: &Sha) -> Result<(), Denied> {
    match (&run.state, &run.progress.head) {
        (State::Ended { end, .. }, _) => Err(Denied::Ended(*end)),
        (_, Some(now)) if now == head => Ok(()),
        (_, now) => Err(Denied::StaleHead { given: head.clone(), now: now.clone() }),
    }
}
