//! A run: one subject on its way through a workflow.
//!
//! [`Run::apply`] is the whole state machine. It says what an event makes of a run and which actions follow;
//! it performs none of them, so folding a run's history gives the run again. For the same reason the texts
//! that it composes must not change: they are part of the stored runs.

mod control;
mod event;
mod offer;
mod state;

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::{
    event::{Action, Event, PauseCause, Refused},
    offer::Offer,
    state::{Awaited, LastLook, Park, Pause, Progress, State, Topic},
};
use super::workflow::{End, Retry, Step, Workflow};

/// The state of a run and what it remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its state.
    pub state: State,
    /// The number of the last job that it enqueued, from 1: an answer to an older one is fenced off.
    pub turn: u32,
    /// How often it has entered each step.
    pub visits: BTreeMap<String, u32>,
    /// How many of those visits no longer count against a step's bound, because a person sent the run there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub forgiven: BTreeMap<String, u32>,
    /// The providers that its job waits for or waited for, each with the beginning of its outage.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<String, DateTime<Utc>>,
    /// How many rounds of questions it has asked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub asked: u32,
    /// Whether a person gave the branch back and no step has accepted its commits yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub given_back: bool,
    /// What it has learnt about its pull request.
    pub progress: Progress,
}

impl Run {
    /// A run at the first step of `workflow`.
    ///
    /// # Errors
    /// [`Refused::NoTransition`] if the workflow was not checked by [`Workflow::parse`].
    pub fn start(workflow: &Workflow, now: DateTime<Utc>) -> Result<(Self, Vec<Action>), Refused> {
        Self::start_with(workflow, Progress::default(), now)
    }

    /// The same, with what is known already.
    ///
    /// # Errors
    /// As [`Run::start`].
    pub fn start_with(
        workflow: &Workflow,
        progress: Progress,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<Action>), Refused> {
        Self { progress, ..Self::blank(workflow, now) }.enter(workflow, &workflow.start, "", now)
    }

    /// The run that the first event of a history begins, which is [`Event::Started`] or [`Event::Forked`].
    ///
    /// # Errors
    /// [`Refused::Illegal`] for any other event, [`Refused::NoStep`] for a fork at a step that `workflow` does not have.
    pub fn begin(
        workflow: &Workflow,
        first: &Event,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<Action>), Refused> {
        match first {
            Event::Started { progress } => Self::start_with(workflow, progress.clone(), now),
            Event::Forked { step, progress, .. } => {
                Self { progress: progress.clone(), ..Self::blank(workflow, now) }.send_to(workflow, step, now)
            }
            event => Err(Refused::Illegal { state: "not begun", event: event.as_str() }),
        }
    }

    /// The run that a history folds to.
    ///
    /// # Errors
    /// As [`Run::begin`] for the first event, which must be there, and as [`Run::apply`] for the others.
    pub fn replay<'a>(
        workflow: &Workflow,
        history: impl IntoIterator<Item = (&'a Event, DateTime<Utc>)>,
    ) -> Result<Self, Refused> {
        let mut history = history.into_iter();
        let Some((first, at)) = history.next() else {
            return Err(Refused::Illegal { state: "not begun", event: "nothing" });
        };
        let begun = Self::begin(workflow, first, at)?.0;
        history.try_fold(begun, |run, (event, at)| Ok(run.apply(workflow, event, at)?.0))
    }

    fn blank(workflow: &Workflow, now: DateTime<Utc>) -> Self {
        Self {
            state: State::At { step: workflow.start.clone(), since: now },
            turn: 0,
            visits: BTreeMap::new(),
            forgiven: BTreeMap::new(),
            held: BTreeMap::new(),
            asked: 0,
            given_back: false,
            progress: Progress::default(),
        }
    }

    /// What `event` makes of this run, and the actions that follow.
    ///
    /// # Errors
    /// [`Refused`] when the event does not fit; the run stays as it is.
    pub fn apply(
        &self,
        workflow: &Workflow,
        event: &Event,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<Action>), Refused> {
        match (&self.state, event) {
            (_, Event::Cancelled { reason }) => self.cancel(reason),
            (
                _,
                Event::NotPermitted { .. }
                | Event::FindingDismissed { .. }
                | Event::OpinionGiven { .. }
                | Event::EvidenceRecorded { .. },
            ) => Ok((self.clone(), vec![])),
            (State::Ended { .. }, Event::PullChanged { state, progress, .. }) => {
                let mut run = self.with_progress(progress);
                run.progress.after_end = Some(*state);
                Ok((run, vec![]))
            }
            (State::Ended { .. }, Event::BaseChecked { note, .. }) => {
                let mut run = self.clone();
                run.progress.broke = Some(note.clone());
                Ok((run, vec![]))
            }
            (State::Ended { .. }, Event::Stranded { .. }) => Err(self.illegal(event)),
            (State::At { .. } | State::Waiting { .. } | State::Paused(_), Event::Asked { round, .. }) => {
                Ok((Self { asked: *round, ..self.clone() }, vec![]))
            }
            (State::At { .. } | State::Waiting { .. } | State::Paused(_), Event::ConsentAsked { .. }) => {
                Ok((self.clone(), vec![]))
            }
            (_, Event::Stranded { reason }) => Ok(self.block_unsupported(reason)),
            (State::Paused(pause), event) => self.apply_while_paused(pause, workflow, event, now),
            (_, Event::RetriedFrom { step, .. }) => self.retry(workflow, step, now),
            (State::At { .. } | State::Waiting { .. }, Event::Skipped { outcome, reason }) => {
                self.skip(workflow, *outcome, reason, now)
            }
            (State::At { .. }, Event::Paused { by, reason, cause }) => {
                Ok((self.paused(true, by, reason, *cause, now), vec![Action::PauseJob]))
            }
            (State::Waiting { .. }, Event::Paused { by, reason, cause }) => {
                Ok((self.paused(false, by, reason, *cause, now), vec![Action::ClearTimer]))
            }
            (State::At { .. }, Event::TakenOver { by, reason }) => {
                Ok((self.taken_over(true, by, reason, now), vec![Action::PauseJob]))
            }
            (State::Waiting { .. }, Event::TakenOver { by, reason }) => {
                Ok((self.taken_over(false, by, reason, now), vec![Action::ClearTimer]))
            }
            (State::At { .. }, Event::Hurried { .. }) => Ok((self.clone(), vec![Action::MakeJobDue])),
            (State::At { step, .. }, Event::Answered { turn, outcome, note, progress }) => {
                self.is_current(*turn)?;
                let to = find_step(workflow, step)?.on.get(outcome);
                let to = to.ok_or_else(|| no_transition(workflow, step))?;
                self.with_progress(progress).enter(workflow, to, note, now)
            }
            (State::At { step, since }, Event::Parked { turn, park, progress }) => {
                self.is_current(*turn)?;
                let state = State::Waiting { step: step.clone(), since: *since, park: park.clone() };
                let held = BTreeMap::new();
                Ok((Self { state, held, ..self.with_progress(progress) }, vec![Action::SetTimer(park.until)]))
            }
            (State::At { .. }, Event::Held { turn, provider, since, .. }) => {
                self.is_current(*turn)?;
                let mut held = self.held.clone();
                held.entry(provider.clone()).or_insert(*since);
                Ok((Self { held, ..self.clone() }, vec![]))
            }
            (State::At { .. }, Event::WentOn { turn, .. }) => {
                self.is_current(*turn)?;
                Ok((Self { held: BTreeMap::new(), ..self.clone() }, vec![]))
            }
            (State::At { .. }, Event::Failed { turn, .. }) => {
                self.is_current(*turn)?;
                Ok((self.clone(), vec![]))
            }
            (State::At { step, .. }, Event::Exhausted { turn, attempts, error }) => {
                self.is_current(*turn)?;
                let reason = match attempts {
                    0 | 1 => format!("`{step}` failed: {error}"),
                    _ => format!("`{step}` failed {attempts} times, last: {error}"),
                };
                self.clone().enter(workflow, &workflow.exhausted, &reason, now)
            }
            (
                State::At { .. },
                Event::QuestionAnswered { .. } | Event::ConsentGiven { .. } | Event::Amended { .. },
            ) => Ok((self.clone(), vec![])),
            (State::Waiting { park, .. }, Event::QuestionAnswered { .. })
                if park.awaited != Awaited::Requester =>
            {
                Ok((self.clone(), vec![]))
            }
            (State::Waiting { park, .. }, Event::Signalled { topic }) if !park.topics.contains(topic) => {
                Err(self.illegal(event))
            }
            (
                State::Waiting { step, since, .. },
                Event::Signalled { .. }
                | Event::Woken
                | Event::Hurried { .. }
                | Event::QuestionAnswered { .. }
                | Event::ConsentGiven { .. }
                | Event::Amended { .. },
            ) => {
                let (run, mut actions) = self.clone().enqueue(workflow, step, *since)?;
                actions.insert(0, Action::ClearTimer);
                Ok((run, actions))
            }
            (_, event) => Err(self.illegal(event)),
        }
    }

    /// What [`Event::Stranded`] makes of this run. Like a cancel, it needs no graph.
    #[must_use]
    pub fn block_unsupported(&self, reason: &str) -> (Self, Vec<Action>) {
        let state =
            State::Ended { name: "stranded".to_owned(), end: End::Blocked, reason: reason.to_owned() };
        let mut actions = self.abandon();
        actions.push(Action::Finish(End::Blocked));
        (Self { state, ..self.clone() }, actions)
    }

    /// Whether it is over.
    #[must_use]
    pub const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    /// How it ended.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        match self.state {
            State::Ended { end, .. } => Some(end),
            State::At { .. } | State::Waiting { .. } | State::Paused(_) => None,
        }
    }

    /// The step that the run is at, waits in or was paused in.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.state.step()
    }

    fn illegal(&self, event: &Event) -> Refused {
        Refused::Illegal { state: self.state.as_str(), event: event.as_str() }
    }

    fn is_current(&self, turn: u32) -> Result<(), Refused> {
        if turn == self.turn { Ok(()) } else { Err(Refused::Fenced { got: turn, now: self.turn }) }
    }

    fn with_progress(&self, new: &Progress) -> Self {
        let given_back = self.given_back && new.accepted.is_none();
        Self { progress: self.progress.with(new), given_back, ..self.clone() }
    }

    fn paused(&self, queued: bool, by: &str, reason: &str, cause: PauseCause, now: DateTime<Utc>) -> Self {
        let (was, by, reason) = (Box::new(self.state.clone()), by.to_owned(), reason.to_owned());
        let pause = Pause { was, queued, by, reason, cause, since: now, takeover: false };
        Self { state: State::Paused(pause), ..self.clone() }
    }

    fn taken_over(&self, queued: bool, by: &str, reason: &str, now: DateTime<Utc>) -> Self {
        let mut run = self.paused(queued, by, reason, PauseCause::Person, now);
        if let State::Paused(pause) = &mut run.state {
            pause.takeover = true;
        }
        run
    }

    /// Enters the step or end `to`; a step whose visits are used up leads on to its `spent`.
    fn enter(
        mut self,
        workflow: &Workflow,
        to: &str,
        why: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<Action>), Refused> {
        self.held.clear();
        if let Some(&end) = workflow.ends.get(to) {
            self.state = State::Ended { name: to.to_owned(), end, reason: why.to_owned() };
            return Ok((self, vec![Action::Finish(end)]));
        }
        match find_step(workflow, to)? {
            Step { spent: Some(spent), visits: Some(most), .. } if self.used(to) >= *most => {
                let reason = format!("all {most} rounds of `{to}` are spent; last: {why}");
                self.enter(workflow, spent, &reason, now)
            }
            _ => {
                *self.visits.entry(to.to_owned()).or_default() += 1;
                self.enqueue(workflow, to, now)
            }
        }
    }

    /// Puts the run at step `to` with a new job.
    fn enqueue(
        mut self,
        workflow: &Workflow,
        to: &str,
        since: DateTime<Utc>,
    ) -> Result<(Self, Vec<Action>), Refused> {
        let Step { queue, retry, .. } = find_step(workflow, to)?;
        self.turn += 1;
        self.state = State::At { step: to.to_owned(), since };
        let (step, turn, attempts) = (to.to_owned(), self.turn, retry.attempts);
        Ok((self, vec![Action::Enqueue { step, queue: *queue, turn, attempts }]))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The longest delay after the `attempt`-th failure; the actual delay is random, between zero and this.
#[must_use]
pub fn backoff_ceiling(retry: &Retry, attempt: u32) -> Duration {
    let doubled =
        2_u32.checked_pow(attempt.saturating_sub(1)).and_then(|factor| retry.first.checked_mul(factor));
    doubled.unwrap_or(retry.most).min(retry.most)
}

fn find_step<'w>(workflow: &'w Workflow, name: &str) -> Result<&'w Step, Refused> {
    workflow.steps.get(name).ok_or_else(|| no_transition(workflow, name))
}

fn no_transition(workflow: &Workflow, step: &str) -> Refused {
    Refused::NoTransition { workflow: workflow.name.clone(), step: step.to_owned() }
}

#[cfg(test)]
mod tests;
