//! Questions that a step asks people before it goes on, and their answers.
//!
//! The questions are stored in the transaction that parks the run, and the answers in the one that wakes it: a process that
//! dies in between has asked or answered nothing, or all of it.

use uuid::Uuid;

use super::{Ack, Actor, Control, Denied, Engine, Error, attempts::Asks, control::lock_with_job, record};
use crate::{
    core::{
        question::Answers,
        run::{Awaited, Event, Park, Progress, State},
    },
    store::{
        Connection, amendment,
        audit::Author,
        job::Lease,
        question::{self, Round},
        run::StoredRun,
    },
};

/// What a step asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The questions, which are not empty.
    pub questions: Vec<String>,
    /// The wait for their answers.
    pub park: Park,
    /// The edition of the requirement's text that they are about.
    pub edition: i32,
}

impl Engine {
    /// Lets a step wait for people's answers to its questions. If the requirement was amended while it asked, nobody is
    /// asked about the old text: the step runs again at once.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn ask(&self, lease: &Lease, worker: &str, asked: &Asked) -> Result<Ack, Error> {
        let park = asked.park.clone();
        let event = Event::Parked { turn: lease.turn, park, progress: Progress::default() };
        self.finish(lease, worker, event, Asks::Questions(asked)).await
    }

    /// Answers the open questions of a run, which goes on at once.
    ///
    /// # Errors
    /// As [`Engine::answer_questions_in`].
    pub async fn answer_questions(
        &self,
        run: Uuid,
        by: impl Into<Author<'_>>,
        round: Option<u32>,
        answers: &Answers,
    ) -> Result<Control, Error> {
        let mut tx = self.pool().begin().await?;
        let done = self.answer_questions_in(&mut tx, run, by, round, answers).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Answers the open questions of a run inside the caller's transaction, which also records it in the audit log; only
    /// those of this round, if one is named. The same answers again change nothing.
    ///
    /// # Errors
    /// As [`Engine::control`]; [`Denied::NoQuestion`] when the run asks nothing, [`Error::Answers`] when the answers do not
    /// fit its questions.
    pub async fn answer_questions_in(
        &self,
        tx: &mut Connection,
        run: Uuid,
        by: impl Into<Author<'_>>,
        round: Option<u32>,
        answers: &Answers,
    ) -> Result<Control, Error> {
        let by = by.into();
        let locked = lock_with_job(tx, run).await?;
        let last = question::last(&mut *tx, run).await?.ok_or(Denied::NoQuestion)?;
        if round.is_some_and(|round| round != number(last.round)) {
            return Err(Denied::NoQuestion.into());
        }
        let texts = answers.fit(last.questions.len());
        if last.answers.is_some() && last.answers == texts.clone().ok() {
            return Ok(Control::Unchanged);
        }
        if !asks(&locked.stored, &last) {
            return Err(Denied::NoQuestion.into());
        }
        question::answer(tx, run, last.round, &texts.map_err(Error::Answers)?, by.person).await?;
        let (product, step) = (locked.stored.spec.product.clone(), last.step.clone());
        let workflow = self.workflow(&locked.stored.spec.workflow_hash).await?;
        let event = Event::QuestionAnswered { round: number(last.round) };
        self.advance(tx, locked.stored, &workflow, Actor::Other(by.person), vec![event]).await?;
        record::answered(tx, by, (run, &product), (last.round, &step)).await?;
        Ok(Control::Applied)
    }

    /// What follows from a wait of an attempt, in its transaction: the questions that it asks, and a wake-up if what it
    /// waits for came while it ran. A paused run is woken by its resume.
    pub(super) async fn settle_questions(
        &self,
        tx: &mut Connection,
        (stored, lease): (&StoredRun, &Lease),
        asked: Option<&Asked>,
        events: &mut Vec<Event>,
    ) -> Result<(), Error> {
        let Some(Event::Parked { park, .. }) = events.last() else { return Ok(()) };
        if park.awaited != Awaited::Requester {
            return Ok(());
        }
        if let Some(asked) = asked {
            let round = stored.run.asked + 1;
            let (stored_as, questions) =
                (i32::try_from(round).unwrap_or(i32::MAX), count(asked.questions.len()));
            question::ask(tx, lease.run, stored_as, &lease.step, &asked.questions).await?;
            events.push(Event::Asked { round, questions });
            let text = amendment::text(&mut *tx, stored.spec.subject.id()).await?;
            if text.is_some_and(|text| text.edition != asked.edition) {
                question::withdraw(tx, lease.run).await?;
            }
        }
        let is_open = question::last(&mut *tx, lease.run).await?.is_some_and(|last| last.is_open());
        if !is_open && matches!(stored.run.state, State::At { .. }) {
            events.push(Event::Woken);
        }
        Ok(())
    }
}

/// Whether a run waits for the answers to this round, its last one.
#[must_use]
pub fn asks(stored: &StoredRun, last: &Round) -> bool {
    let has_ended = matches!(stored.run.state, State::Ended { .. });
    last.is_open() && !has_ended && stored.run.step() == Some(&last.step)
}

fn number(round: i32) -> u32 {
    u32::try_from(round).unwrap_or_default()
}

fn count(questions: usize) -> u32 {
    u32::try_from(questions).unwrap_or(u32::MAX)
}
