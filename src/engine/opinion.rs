//! Opinions: a person approves or rejects a head here, or takes that back, under the rules of a review on the forge.
//!
//! What is said is stored whatever the run is doing, and wakes it if it waits: the verdict judges again.

use uuid::Uuid;

use super::{Actor, Control, Denied, Engine, Error, control::lock_with_job, record};
use crate::{
    core::{
        opinion::Opinion,
        policy::Via,
        reason::Reason,
        run::{Event, Run, State, Topic},
        sha::Sha,
    },
    store::{self, Connection, audit::Author, job_control, opinion, run::StoredRun, signal},
};

/// What a person says of a head.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// The head that the person looked at.
    pub head: &'a Sha,
    /// What they say.
    pub opinion: Opinion,
    /// Where they say it; never as a review on the forge.
    pub via: Via,
    /// The login on the forge that is theirs: what it may do there is asked for when the head is judged.
    pub login: &'a str,
    /// The forge's number of that account, if the forge has said it.
    pub account: Option<u64>,
    /// Why.
    pub reason: Option<&'a Reason>,
}

impl Engine {
    /// Records what a person says of a run's head, in a transaction of its own.
    ///
    /// # Errors
    /// As [`Engine::opine_in`].
    pub async fn opine(
        &self,
        run: Uuid,
        said: Said<'_>,
        by: impl Into<Author<'_>>,
    ) -> Result<Control, Error> {
        let mut tx = self.pool().begin().await?;
        let done = self.opine_in(&mut tx, run, said, by).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Records what a person says of a run's head inside the caller's transaction, with an event and a row of the audit
    /// log, and wakes the run if it waits. The same again changes nothing.
    ///
    /// Whether it counts is not decided here but by the verdict, as for a review on the forge.
    ///
    /// # Errors
    /// [`Error::NoRun`]; [`Denied::StaleHead`] if the run's head is another; [`Denied::Ended`], but a withdrawal is
    /// taken until the change is merged; [`Denied::NothingSaid`] where there is nothing to withdraw.
    pub async fn opine_in(
        &self,
        tx: &mut Connection,
        run: Uuid,
        said: Said<'_>,
        by: impl Into<Author<'_>>,
    ) -> Result<Control, Error> {
        let (by, locked) = (by.into(), lock_with_job(tx, run).await?);
        let stored = locked.stored;
        may_say(&stored.run, said)?;
        let latest = opinion::latest(&mut *tx, run).await?;
        let is_theirs =
            |row: &opinion::Row| row.person == by.person && row.forge_login.eq_ignore_ascii_case(said.login);
        let before = latest.into_iter().find(is_theirs);
        match (&before, said.opinion) {
            (None, Opinion::Withdraw) => return Err(Denied::NothingSaid.into()),
            (Some(known), Opinion::Withdraw) if known.opinion() == Opinion::Withdraw => {
                return Ok(Control::Unchanged);
            }
            (Some(known), new) if known.opinion() == new && known.head_sha == said.head.as_str() => {
                return Ok(Control::Unchanged);
            }
            _ => {}
        }
        self.say(tx, stored, said, by).await?;
        record::opined(tx, by, run, said, before.as_ref()).await?;
        Ok(Control::Applied)
    }

    async fn say(
        &self,
        tx: &mut Connection,
        stored: StoredRun,
        said: Said<'_>,
        by: Author<'_>,
    ) -> Result<(), Error> {
        let (run, workflow) = (stored.spec.id, self.workflow(&stored.spec.workflow_hash).await?);
        let number = opinion::insert(tx, &row(run, said, by)).await?;
        let mut events = vec![Event::OpinionGiven {
            opinion: said.opinion,
            head: said.head.clone(),
            login: said.login.to_owned(),
            via: said.via,
            reason: said.reason.map(ToString::to_string).unwrap_or_default(),
        }];
        let topic = Topic::Reviews;
        match &stored.run.state {
            State::Waiting { park, .. } if park.topics.contains(&topic) => {
                events.push(Event::Signalled { topic });
            }
            State::Ended { .. } => {}
            // The step that is under way, or that a resume enqueues, has not seen it: it will not wait for it.
            State::At { .. } | State::Waiting { .. } | State::Paused(_) => {
                signal::leave(tx, &format!("opinion:{number}"), topic, &stored.spec.repository, run).await?;
            }
        }
        job_control::note(tx, run).await?;
        self.advance(tx, stored, &workflow, Actor::Other(by.person), events).await
    }
}

fn row<'a>(run: Uuid, said: Said<'a>, by: Author<'a>) -> opinion::New<'a> {
    let Said { head, opinion, via, login, account, reason } = said;
    let account = account.and_then(|account| i64::try_from(account).ok());
    let reason = reason.map(Reason::as_str);
    store::opinion::New { run, head, by, login, account, via, opinion, reason }
}

/// Checks that this can be said of the run's head now.
fn may_say(run: &Run, said: Said<'_>) -> Result<(), Denied> {
    match &run.state {
        State::Ended { end, .. } if said.opinion != Opinion::Withdraw => return Err(Denied::Ended(*end)),
        State::Ended { .. } if run.is_merged() => return Err(Denied::Merged),
        _ => {}
    }
    match &run.progress.head {
        Some(head) if head == said.head => Ok(()),
        now => Err(Denied::StaleHead { given: said.head.clone(), now: now.clone() }),
    }
}
