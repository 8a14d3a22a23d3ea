//! What people may do to a run, whatever it is doing.
//!
//! One rule for a paused run: only a resume ends the pause. Anything else that moves a paused run moves the
//! step it will resume at, and enqueues nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Action, Event, Pause, Refused, Run, State, find_step};
use crate::workflow::{End, Outcome, Workflow};

/// The name of the end of a run that a person cancelled; no graph needs to define it.
const CANCELLED: &str = "cancelled";

impl Run {
    /// What [`Event::Cancelled`] makes of a run that has not ended; it needs no graph.
    ///
    /// # Errors
    /// [`Refused::Illegal`] when the run has ended.
    pub fn cancel(&self, reason: &str) -> Result<(Self, Vec<Action>), Refused> {
        if let State::Ended { .. } = self.state {
            return Err(Refused::Illegal { state: self.state.as_str(), event: CANCELLED });
        }
        let mut actions = self.abandon();
        actions.push(Action::Finish(End::Cancelled));
        let (name, reason) = (CANCELLED.to_owned(), reason.to_owned());
        Ok((Self { state: State::Ended { name, end: End::Cancelled, reason }, ..self.clone() }, actions))
    }

    /// How many visits to a step count against its bound: those since a person last sent the run there.
    #[must_use]
    pub fn used(&self, step: &str) -> u32 {
        let count = |of: &BTreeMap<String, u32>| of.get(step).copied().unwrap_or_default();
        count(&self.visits).saturating_sub(count(&self.forgiven))
    }

    /// How often this run may still enter the step that `outcome` of `step` leads to; `None` if that step has
    /// no bound.
    #[must_use]
    pub fn visits_left(&self, workflow: &Workflow, step: &str, outcome: Outcome) -> Option<u32> {
        let target = workflow.steps.get(step)?.on.get(&outcome)?;
        Some(workflow.steps.get(target)?.visits?.saturating_sub(self.used(target)))
    }

    /// Whether a person sent the run to the step it is in: what was judged on the way to an earlier visit
    /// does not count for this one.
    #[must_use]
    pub fn was_sent_here(&self) -> bool {
        let step = self.step().unwrap_or_default();
        self.forgiven.contains_key(step) && self.used(step) == 1
    }

    /// The step at which a run is retried that ended with the event `last` at `step`: the step that the
    /// outcome leads to if its visits were used up, otherwise `step` itself.
    #[must_use]
    pub fn retry_step<'w>(workflow: &'w Workflow, step: &'w str, last: &Event) -> &'w str {
        let (Event::Answered { outcome, .. } | Event::Skipped { outcome, .. }) = last else { return step };
        let to = workflow.steps.get(step).and_then(|it| it.on.get(outcome));
        to.filter(|to| workflow.steps.contains_key(*to)).map_or(step, String::as_str)
    }

    /// What an event makes of a paused run.
    pub(super) fn apply_while_paused(
        &self,
        pause: &Pause,
        workflow: &Workflow,
        event: &Event,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<Action>), Refused> {
        let unpaused = Self { state: (*pause.was).clone(), ..self.clone() };
        let still_queued = match event {
            Event::Resumed { .. } => {
                let given_back = self.given_back || pause.takeover;
                return Self { given_back, ..unpaused }.resume(workflow, pause.queued);
            }
            Event::TakenOver { by, reason } => {
                return Ok((unpaused.taken_over(pause.queued, by, reason, now), vec![]));
            }
            Event::Failed { .. } | Event::Held { .. } | Event::WentOn { .. } if pause.queued => true,
            Event::Answered { .. } | Event::Parked { .. } | Event::Exhausted { .. } if pause.queued => false,
            // The resumed step reads what people said meanwhile.
            Event::QuestionAnswered { .. } | Event::ConsentGiven { .. } | Event::Amended { .. } => {
                return Ok((self.clone(), vec![]));
            }
            Event::Skipped { .. } | Event::RetriedFrom { .. } => false,
            event => return Err(self.illegal(event)),
        };
        let (next, actions) = unpaused.apply(workflow, event, now)?;
        Ok(self.stay_paused(pause, next, actions, still_queued))
    }

    /// The paused run whose wrapped state has become that of `next`: of the actions only those remain that
    /// remove something or finish the run.
    fn stay_paused(
        &self,
        pause: &Pause,
        next: Self,
        mut actions: Vec<Action>,
        queued: bool,
    ) -> (Self, Vec<Action>) {
        actions.retain(|action| match action {
            Action::CancelJob => pause.queued,
            Action::Finish(_) => true,
            _ => false,
        });
        if matches!(next.state, State::Ended { .. }) {
            return (next, actions);
        }
        let pause = Pause { was: Box::new(next.state), queued, ..pause.clone() };
        (Self { state: State::Paused(pause), turn: self.turn, ..next }, actions)
    }

    /// Ends a pause: the job is released, or if it is gone by now, the step is enqueued afresh.
    fn resume(self, workflow: &Workflow, queued: bool) -> Result<(Self, Vec<Action>), Refused> {
        if queued {
            return Ok((self, vec![Action::ResumeJob]));
        }
        let step = self.step().unwrap_or_default().to_owned();
        let since = self.state.entered().unwrap_or_default();
        self.enqueue(workflow, &step, since)
    }

    pub(super) fn skip(
        &self,
        workflow: &Workflow,
        outcome: Outcome,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<Action>), Refused> {
        let name = self.step().unwrap_or_default();
        let step = find_step(workflow, name)?;
        if !step.run.is_skippable() {
            return Err(Refused::Unskippable(name.to_owned()));
        }
        let to = step.on.get(&outcome).ok_or_else(|| Refused::NoOutcome {
            step: name.to_owned(),
            outcome,
            known: listed(step.on.keys().map(ToString::to_string)),
        })?;
        Ok(self.abandon_for(self.clone().enter(workflow, to, reason, now)?))
    }

    pub(super) fn retry(
        &self,
        workflow: &Workflow,
        to: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<Action>), Refused> {
        if matches!(self.state, State::Ended { end: End::Succeeded, .. }) || self.progress.merged.is_some() {
            return Err(Refused::Succeeded);
        }
        let mut again = self.clone();
        again.progress.after_end = None;
        Ok(self.abandon_for(again.send_to(workflow, to, now)?))
    }

    /// Enters a step because a person said so. Earlier visits no longer count against its bound, but stay
    /// counted in `visits`, because the keys of effects contain the number of the visit.
    pub(super) fn send_to(
        mut self,
        workflow: &Workflow,
        to: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<Action>), Refused> {
        if !workflow.steps.contains_key(to) {
            let known = listed(workflow.steps.keys().map(String::clone));
            return Err(Refused::NoStep { workflow: workflow.name.clone(), step: to.to_owned(), known });
        }
        let so_far = self.visits.get(to).copied().unwrap_or_default();
        self.forgiven.insert(to.to_owned(), so_far);
        self.enter(workflow, to, "", now)
    }

    /// A move away from what this run is doing: its job or timer is removed before anything new is enqueued.
    fn abandon_for(&self, (next, actions): (Self, Vec<Action>)) -> (Self, Vec<Action>) {
        (next, self.abandon().into_iter().chain(actions).collect())
    }

    /// What removes the job or the timer that the run has.
    pub(super) fn abandon(&self) -> Vec<Action> {
        match &self.state {
            State::At { .. } | State::Paused(Pause { queued: true, .. }) => vec![Action::CancelJob],
            State::Waiting { .. } => vec![Action::ClearTimer],
            State::Paused(Pause { queued: false, .. }) | State::Ended { .. } => vec![],
        }
    }
}

fn listed(names: impl Iterator<Item = String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
