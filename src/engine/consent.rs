//! What people say to the dependencies that a head brings, before anything of them is installed.
//!
//! The question is stored in the transaction that parks the run, and the answer in the one that wakes it: a process that
//! dies in between has asked or answered nothing, or all of it.

use uuid::Uuid;

use super::{
    Ack, Actor, Control, Denied, Engine, Error, attempts::Asks, control::lock_with_job, record, without_nul,
};
use crate::{
    core::{
        consent::{Consent, Withheld, WithheldBecause},
        policy::Person,
        reason::Reason,
        run::{Event, Park, Progress, State},
        sha::Sha,
        subject::Subject,
    },
    store::{
        Connection, amendment, api_key,
        audit::Author,
        consent::{self, Row},
        job::Lease,
        job_control, pull,
        run::StoredRun,
    },
};

/// A set of dependencies that a step may not install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentAsked {
    /// The set.
    pub withheld: Withheld,
    /// The head that brings it; `None` for a change that nobody has pushed.
    pub head: Option<Sha>,
    /// The edition of the requirement's text that the change was written for.
    pub edition: i32,
    /// The wait for a person's answer.
    pub park: Park,
    /// What was learnt on the way.
    pub progress: Progress,
}

/// What a person says to a set of dependencies.
#[derive(Debug, Clone, Copy)]
pub struct ConsentSaid<'a> {
    /// What names the set that the person looked at.
    pub digest: &'a str,
    /// What they say.
    pub consent: Consent,
    /// The login on the forge that is theirs: what it may do there is asked for before anything is installed.
    pub login: &'a str,
    /// Why.
    pub reason: Option<&'a Reason>,
}

impl Engine {
    /// Lets a step wait for what a person says to a set of dependencies. One that was asked about already is not asked
    /// about again. Where the answer came meanwhile, or the requirement was amended, the step runs again at once.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn ask_consent(&self, lease: &Lease, worker: &str, asked: &ConsentAsked) -> Result<Ack, Error> {
        let park = Park { reason: without_nul(&asked.park.reason), ..asked.park.clone() };
        let event = Event::Parked { turn: lease.turn, park, progress: asked.progress.clone() };
        self.finish(lease, worker, event, Asks::Consent(asked)).await
    }

    /// What follows from a wait for a person's consent, in its transaction: the question, unless it is asked already.
    pub(super) async fn settle_consent(
        &self,
        tx: &mut Connection,
        (stored, lease): (&StoredRun, &Lease),
        asked: &ConsentAsked,
        events: &mut Vec<Event>,
    ) -> Result<(), Error> {
        // A signal ended the wait before it began: the step looks again, and asks then.
        let Some(Event::Parked { .. }) = events.last() else { return Ok(()) };
        let ConsentAsked { withheld: Withheld { digest, list, why }, head, edition, .. } = asked;
        let text = amendment::text(&mut *tx, stored.spec.subject.id()).await?;
        if text.is_some_and(|text| text.edition != *edition) {
            if matches!(stored.run.state, State::At { .. }) {
                events.push(Event::Woken);
            }
            return Ok(());
        }
        let newest = consent::newest_of_set(&mut *tx, lease.run, digest).await?;
        let doubted = match why {
            WithheldBecause::Doubted { consent, .. } => Some(*consent),
            WithheldBecause::Unanswered | WithheldBecause::Refused { .. } => None,
        };
        match newest {
            Some(row) if row.is_open() && row.run_id == lease.run => {}
            Some(row) if row.answer.is_some() && doubted != Some(row.id) => {
                if matches!(stored.run.state, State::At { .. }) {
                    events.push(Event::Woken);
                }
            }
            _ => {
                let head = head.as_ref();
                let new = consent::New { run: lease.run, step: &lease.step, digest, head, list };
                consent::ask(tx, &new).await?;
                let packages = u32::try_from(list.packages.len()).unwrap_or(u32::MAX);
                events.push(Event::ConsentAsked { digest: digest.clone(), packages });
            }
        }
        Ok(())
    }

    /// Says yes or no to the dependencies of a run, in a transaction of its own.
    ///
    /// # Errors
    /// As [`Engine::consent_in`].
    pub async fn consent(
        &self,
        run: Uuid,
        said: ConsentSaid<'_>,
        by: impl Into<Author<'_>>,
    ) -> Result<Control, Error> {
        let mut tx = self.pool().begin().await?;
        let done = self.consent_in(&mut tx, run, said, by).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Says yes or no to the dependencies that a run asks about inside the caller's transaction, with an event and a row of
    /// the audit log, and wakes the run if it waits. The same again changes nothing. What was said of our own change stays,
    /// because the model has it by then; of a pull request of others it can be said otherwise.
    ///
    /// # Errors
    /// [`Error::NoRun`]; [`Denied::Ended`]; [`Denied::NoConsent`] if the run asks about no such set;
    /// [`Denied::ConsentGiven`] if it was answered otherwise; [`Denied::OwnPull`] for who opened the pull request.
    pub async fn consent_in(
        &self,
        tx: &mut Connection,
        run: Uuid,
        said: ConsentSaid<'_>,
        by: impl Into<Author<'_>>,
    ) -> Result<Control, Error> {
        let (by, locked) = (by.into(), lock_with_job(tx, run).await?);
        let stored = locked.stored;
        if let State::Ended { end, .. } = stored.run.state {
            return Err(Denied::Ended(end).into());
        }
        let last = consent::last(&mut *tx, run).await?.filter(|last| last.digest == said.digest);
        let last = last.ok_or(Denied::NoConsent)?;
        not_the_author(tx, stored.spec.subject, said.login).await?;
        let open = match last.answer() {
            None if asks_consent(&stored, &last) => last.id,
            None => return Err(Denied::NoConsent.into()),
            Some(given) if given == said.consent => return Ok(Control::Unchanged),
            Some(given) => match stored.spec.subject {
                Subject::Requirement(_) | Subject::Gap(_) => return Err(Denied::ConsentGiven(given).into()),
                Subject::Pull(_) => self.ask_anew(tx, &last).await?,
            },
        };
        let reason = said.reason.map(Reason::as_str);
        let answer = consent::Answer { consent: said.consent, by, login: said.login, reason };
        consent::answer(tx, run, open, &answer).await?;
        let (product, workflow) =
            (stored.spec.product.clone(), self.workflow(&stored.spec.workflow_hash).await?);
        let event = Event::ConsentGiven {
            digest: said.digest.to_owned(),
            consent: said.consent,
            login: said.login.to_owned(),
            reason: reason.unwrap_or_default().to_owned(),
        };
        job_control::note(tx, run).await?;
        self.advance(tx, stored, &workflow, Actor::Other(by.person), vec![event]).await?;
        record::consented(tx, by, (run, &product), said, last.answer.as_deref()).await?;
        Ok(Control::Applied)
    }

    /// Asks about the same set once more, for another answer; the number of the question.
    async fn ask_anew(&self, tx: &mut Connection, last: &Row) -> Result<i64, Error> {
        let head: Option<Sha> = last.head_sha.as_ref().and_then(|head| head.parse().ok());
        let (head, list) = (head.as_ref(), &last.list.0);
        let new = consent::New { run: last.run_id, step: &last.step, digest: &last.digest, head, list };
        consent::ask(tx, &new).await?;
        Ok(consent::last(tx, last.run_id).await?.map_or(last.id, |row| row.id))
    }
}

/// Refuses who opened the pull request that a run is about.
async fn not_the_author(tx: &mut Connection, subject: Subject, login: &str) -> Result<(), Error> {
    let Subject::Pull(id) = subject else { return Ok(()) };
    let Some(pull) = pull::get(&mut *tx, id).await? else { return Ok(()) };
    let number = |account: Option<i64>| account.and_then(|account| u64::try_from(account).ok());
    let author = Person { id: number(pull.author_account), login: pull.author_login.unwrap_or_default() };
    let account = api_key::account_of(tx, login).await?;
    let caller = Person { id: number(account), login: login.to_owned() };
    if caller.is(&author) { Err(Denied::OwnPull.into()) } else { Ok(()) }
}

/// Whether a run waits for an answer to this question: nobody has answered, and what brings the set is still its head.
#[must_use]
pub fn asks_consent(stored: &StoredRun, row: &Row) -> bool {
    let run = &stored.run;
    let is_of_head =
        row.head_sha.is_none() || row.head_sha.as_deref() == run.progress.head.as_ref().map(Sha::as_str);
    row.is_open() && !run.has_ended() && run.step() == Some(&row.step) && is_of_head
}
