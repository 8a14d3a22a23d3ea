//! What people may do to a run, whatever it is doing.
//!
//! One rule for a paused run: only a resume takes the pause away. Whatever else moves it, moves the
//! place where it will go on, and asks for nothing.

use chrono::{DateTime, Utc};

use super::{Action, Event, Refused, Run, State, lost};
use crate::workflow::{Activity, End, Outcome, Workflow};

/// The name of the end of a run that a person cancelled; graphs need not know it.
const CANCELLED: &str = "cancelled";

impl Run {
    /// What [`Event::Cancelled`] makes of a run that has not ended; it needs no graph.
    ///
    /// # Errors
    /// [`Refused::Illegal`] when the run is over.
    pub fn cancel(&self, reason: &str) -> Result<(Self, Vec<Action>), Refused> {
        if let State::Ended { .. } = self.state {
            return Err(Refused::Illegal { state: self.state.as_str(), event: CANCELLED });
        }
        let mut actions = self.leave();
        actions.push(Action::Finish(End::Cancelled));
        let (name, reason) = (CANCELLED.to_owned(), reason.to_owned());
        Ok((Self { state: State::Ended { name, end: End::Cancelled, reason }, ..self.clone() }, actions))
    }

    /// How often the run has entered a step since a person last granted it afresh.
    #[must_use]
    pub fn used(&self, step: &str) -> u32 {
        let count = |of: &std::collections::BTreeMap<String, u32>| of.get(step).copied().unwrap_or_default();
        count(&self.visits).saturating_sub(count(&self.forgiven))
    }

    /// How often this run may still enter the step that `outcome` of `step` leads to; `None` where there
    /// is no bound.
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

    /// The step where a run that ended with `last` begins again: where `last` happened, or the step that
    /// its rounds were spent for.
    #[must_use]
    pub fn ended_at<'w>(workflow: &'w Workflow, step: &'w str, last: &Event) -> &'w str {
        let (Event::Answered { outcome, .. } | Event::Skipped { outcome, .. }) = last else { return step };
        let to = workflow.steps.get(step).and_then(|it| it.on.get(outcome));
        to.filter(|to| workflow.steps.contains_key(*to)).map_or(step, String::as_str)
    }

    pub(super) fn pause(&self, event: &Event, now: DateTime<Utc>) -> Result<(Self, Vec<Action>), Refused> {
        let (queued, action) = match (&self.state, event) {
            (State::At { .. }, Event::Paused { .. }) => (true, Action::HoldJob),
            (State::Waiting { .. }, Event::Paused { .. }) => (false, Action::ClearTimer),
            (_, event) => return Err(self.illegal(event)),
        };
        let Event::Paused { by, reason, cause } = event else { unreachable!("matched above") };
        let (was, by, reason) = (Box::new(self.state.clone()), by.clone(), reason.clone());
        let state = State::Paused { was, queued, by, reason, cause: *cause, since: now };
        Ok((Self { state, ..self.clone() }, vec![action]))
    }

    /// What an event makes of a paused run.
    pub(super) fn while_paused(
        &self,
        workflow: &Workflow,
        event: &Event,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<Action>), Refused> {
        let State::Paused { was, queued, .. } = &self.state else {
            unreachable!("asked for paused runs only")
        };
        let bare = Self { state: (**was).clone(), ..self.clone() };
        match event {
            Event::Resumed { .. } => bare.go_on(workflow, *queued),
            Event::Skipped { .. } | Event::RetriedFrom { .. } => {
                self.still_paused(bare.apply(workflow, event, now)?, false)
            }
            Event::Failed { .. } if *queued => self.still_paused(bare.apply(workflow, event, now)?, true),
            Event::Answered { .. } | Event::Parked { .. } | Event::Exhausted { .. } if *queued => {
                self.still_paused(bare.apply(workflow, event, now)?, false)
            }
            event => Err(self.illegal(event)),
        }
    }

    /// A run that would have moved to `next`: it is there, but nothing new is asked for.
    fn still_paused(
        &self,
        (next, actions): (Self, Vec<Action>),
        still_queued: bool,
    ) -> Result<(Self, Vec<Action>), Refused> {
        let State::Paused { queued: had_job, by, reason, cause, since, .. } = &self.state else {
            unreachable!("asked for paused runs only")
        };
        let kept = actions.into_iter().filter(|action| match action {
            Action::DropJob => *had_job,
            Action::Finish(_) => true,
            _ => false,
        });
        let kept = kept.collect();
        if matches!(next.state, State::Ended { .. }) {
            return Ok((next, kept));
        }
        let state = State::Paused {
            was: Box::new(next.state),
            queued: still_queued,
            by: by.clone(),
            reason: reason.clone(),
            cause: *cause,
            since: *since,
        };
        Ok((Self { state, turn: self.turn, ..next }, kept))
    }

    /// A run that is no longer paused: its job is claimable again, or its step runs afresh.
    fn go_on(self, workflow: &Workflow, queued: bool) -> Result<(Self, Vec<Action>), Refused> {
        if queued {
            return Ok((self, vec![Action::ReleaseJob]));
        }
        let step = self.step().unwrap_or_default().to_owned();
        let since = self.state.entered().unwrap_or_default();
        self.again(workflow, &step, since)
    }

    pub(super) fn run_now(&self, workflow: &Workflow) -> Result<(Self, Vec<Action>), Refused> {
        match &self.state {
            State::Waiting { step, since, .. } => self.clone().again_at_once(workflow, step, *since),
            _ => Ok((self.clone(), vec![Action::MakeJobDue])),
        }
    }

    pub(super) fn skip(
        &self,
        workflow: &Workflow,
        outcome: Outcome,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<Action>), Refused> {
        let name = self.step().unwrap_or_default();
        let step = workflow.steps.get(name).ok_or_else(|| lost(workflow, name))?;
        if matches!(step.run, Activity::Verdict | Activity::Merge) {
            return Err(Refused::Unskippable(name.to_owned()));
        }
        let to = step.on.get(&outcome).ok_or_else(|| Refused::NoOutcome {
            step: name.to_owned(),
            outcome,
            known: listed(step.on.keys().map(ToString::to_string)),
        })?;
        self.then(self.clone().enter(workflow, to, reason, now)?)
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
        self.then(self.clone().sent_to(workflow, to, now)?)
    }

    /// Enters a step because a person said so: its allowance is granted afresh, and the visits go on
    /// counting, since the names of its effects hang on them.
    pub(super) fn sent_to(
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

    /// What the run held is given up before what follows is asked for.
    fn then(&self, (run, actions): (Self, Vec<Action>)) -> Result<(Self, Vec<Action>), Refused> {
        Ok((run, self.leave().into_iter().chain(actions).collect()))
    }

    /// What takes away the job or the wake-up that the run has.
    pub(super) fn leave(&self) -> Vec<Action> {
        match &self.state {
            State::At { .. } | State::Paused { queued: true, .. } => vec![Action::DropJob],
            State::Waiting { .. } => vec![Action::ClearTimer],
            State::Paused { queued: false, .. } | State::Ended { .. } => vec![],
        }
    }
}

fn listed(names: impl Iterator<Item = String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
