//! What people can do to a run now. Pages and REST offer only this, and the engine accepts nothing else.

use std::collections::BTreeMap;

use super::{Event, Refused, Run, State};
use crate::{
    job::JobState,
    subject::SubjectKind,
    workflow::{Activity, End, Outcome, Step, Workflow},
};

/// What would change a run now. Whether another run works on its branch is not known here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// It can be paused.
    pub pause: bool,
    /// It can be resumed.
    pub resume: bool,
    /// It can be cancelled.
    pub cancel: bool,
    /// Its step can be made due.
    pub run_now: bool,
    /// The outcomes that can be answered in place of its step.
    pub skip: Vec<Outcome>,
    /// The steps to which it can be sent back.
    pub retry: Vec<String>,
    /// The step of a retry that names none.
    pub retry_from: Option<String>,
    /// The steps from which a new run can be forked.
    pub fork: Vec<String>,
    /// The best of these: where the run ended, or else the first step.
    pub fork_from: Option<String>,
    /// A head can be approved or rejected.
    pub judge: bool,
    /// What was said of a head can be withdrawn.
    pub withdraw: bool,
}

impl Offer {
    /// What can be done to `run` with a job in this state. `newest` is the workflow of a fork, and `last` the last event
    /// with its step. Without a readable workflow only what needs none is offered.
    #[must_use]
    pub fn of(
        run: &Run,
        job: Option<JobState>,
        workflow: Option<&Workflow>,
        newest: Option<&Workflow>,
        last: Option<(&str, &Event)>,
    ) -> Self {
        let (state, is_free) = (&run.state, job != Some(JobState::Running));
        let has_ended = matches!(state, State::Ended { .. });
        let is_paused = matches!(state, State::Paused(_));
        let mut offer = Self { cancel: !has_ended, withdraw: !run.is_merged(), ..Self::default() };
        let Some(workflow) = workflow else { return Self { withdraw: false, ..offer } };
        offer.pause = !has_ended && !is_paused;
        offer.resume = is_paused;
        offer.run_now = is_free && run.waits(job);
        offer.judge = !has_ended && run.progress.head.is_some();
        if is_free && !has_ended {
            offer.skip = run.skips(workflow);
        }
        if is_free && !run.is_merged() {
            offer.retry = steps(workflow, |name| {
                !run.would_repeat(workflow, name) && run.can_enter(workflow, name).is_ok()
            });
        }
        let ended_at = last.map(|(step, event)| Run::retry_step(workflow, step, event));
        if has_ended && !run.is_merged() {
            let at = ended_at.unwrap_or(&workflow.start);
            offer.retry_from = offer.retry.iter().find(|name| *name == at).cloned();
            // A pull request of others has one branch, which is theirs.
            if let Some(newest) = newest.filter(|newest| newest.subject != SubjectKind::Pull) {
                offer.fork = steps(newest, |name| name == newest.start || run.has_pull());
                let best = offer.fork.iter().find(|name| Some(name.as_str()) == ended_at);
                offer.fork_from = best.cloned().or_else(|| Some(newest.start.clone()));
            }
        }
        offer
    }
}

impl Run {
    /// Whether its change is on the base branch.
    #[must_use]
    pub fn is_merged(&self) -> bool {
        matches!(self.state, State::Ended { end: End::Succeeded, .. }) || self.progress.merged.is_some()
    }

    /// Whether it has a pull request with a head that later steps can work on.
    #[must_use]
    pub const fn has_pull(&self) -> bool {
        self.progress.pull.is_some() && self.progress.head.is_some()
    }

    /// Whether a job in this state, or a run without one, can be hurried.
    #[must_use]
    pub fn waits(&self, job: Option<JobState>) -> bool {
        match (&self.state, job) {
            (State::Waiting { .. }, _) => true,
            (State::At { .. }, job) => job.is_some_and(|job| !job.is_claimable() && job != JobState::Running),
            (State::Paused(_) | State::Ended { .. }, _) => false,
        }
    }

    /// Checks that a person may send the run to this step: one that works on a head needs one.
    ///
    /// # Errors
    /// [`Refused::NoHead`].
    pub fn can_enter(&self, workflow: &Workflow, name: &str) -> Result<(), Refused> {
        let needs_head =
            |step: &Step| !matches!(step.run, Activity::Reproduce | Activity::Generate | Activity::Judge);
        if !self.has_pull() && workflow.steps.get(name).is_some_and(needs_head) {
            return Err(Refused::NoHead { step: name.to_owned(), start: workflow.start.clone() });
        }
        Ok(())
    }

    /// Whether a retry from this step would repeat a first step that is done, and so have to undo the commits on the
    /// branch.
    #[must_use]
    pub fn would_repeat(&self, workflow: &Workflow, name: &str) -> bool {
        let writes = |step: &Step| matches!(step.run, Activity::Reproduce | Activity::Generate);
        let writes = workflow.steps.get(name).is_some_and(writes);
        name == workflow.start && writes && self.progress.head.is_some()
    }

    /// The outcomes with which a person may skip its step.
    fn skips(&self, workflow: &Workflow) -> Vec<Outcome> {
        let step = self.step().and_then(|name| workflow.steps.get(name));
        let skippable: Option<&BTreeMap<Outcome, String>> =
            step.filter(|step| step.run.is_skippable()).map(|step| &step.on);
        let leads = |to: &String| self.can_enter(workflow, to).is_ok();
        skippable.into_iter().flatten().filter(|(_, to)| leads(to)).map(|(outcome, _)| *outcome).collect()
    }
}

fn steps(workflow: &Workflow, may: impl Fn(&str) -> bool) -> Vec<String> {
    workflow.steps.keys().filter(|name| may(name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::run::Progress;

    const GRAPH: &str = include_str!("../../../../workflows/requirement.toml");

    fn run(workflow: &Workflow, step: &str) -> Run {
        let (mut run, _) = Run::start(workflow, DateTime::UNIX_EPOCH).unwrap();
        run.state = State::At { step: step.to_owned(), since: DateTime::UNIX_EPOCH };
        run
    }

    fn with_head(mut run: Run) -> Run {
        run.progress.head = Some("def4567def4567def4567def4567def4567def45".parse().unwrap());
        run.progress.pull = Some(7);
        run
    }

    fn ended(mut run: Run, end: End) -> Run {
        run.state = State::Ended { name: "over".to_owned(), end, reason: String::new() };
        run
    }

    fn offer(run: &Run, workflow: &Workflow, at: &str) -> Offer {
        Offer::of(
            run,
            None,
            Some(workflow),
            Some(workflow),
            Some((at, &Event::Started { progress: Progress::default() })),
        )
    }

    #[test]
    fn a_step_that_works_on_a_head_is_offered_to_no_run_without_one() {
        let workflow = Workflow::parse(GRAPH).unwrap();
        let dead = ended(run(&workflow, "generate"), End::Blocked);
        let offered = offer(&dead, &workflow, "generate");
        assert_eq!(offered.retry, ["generate"]);
        assert_eq!((offered.fork, offered.retry_from), (offered.retry, Some("generate".to_owned())));
        let at = run(&workflow, "generate");
        assert_eq!(offer(&at, &workflow, "generate").skip, [Outcome::Declined, Outcome::Closed]);
        let refused = dead.can_enter(&workflow, "merge").unwrap_err().to_string();
        assert_eq!(refused, "`merge` works on a pull request, and the run has none yet; start at `generate`");
    }

    #[test]
    fn a_run_with_a_head_goes_back_to_where_it_ended_and_never_to_its_first_step() {
        let workflow = Workflow::parse(GRAPH).unwrap();
        let blocked = ended(with_head(run(&workflow, "verdict")), End::Blocked);
        let offered = offer(&blocked, &workflow, "verdict");
        assert!(
            !offered.retry.contains(&"generate".to_owned()) && offered.retry.contains(&"merge".to_owned())
        );
        let verdict = Some("verdict".to_owned());
        assert_eq!((offered.retry_from, offered.fork_from), (verdict.clone(), verdict));
        assert!(offered.fork.contains(&"generate".to_owned()));
        assert!(offered.withdraw && !offered.judge && !offered.cancel);
    }

    #[test]
    fn what_is_merged_is_over() {
        let workflow = Workflow::parse(GRAPH).unwrap();
        let done = ended(with_head(run(&workflow, "merge")), End::Succeeded);
        assert_eq!(offer(&done, &workflow, "merge"), Offer::default());
    }

    #[test]
    fn while_a_worker_runs_the_step_only_what_needs_no_answer_of_it_is_offered() {
        let workflow = Workflow::parse(GRAPH).unwrap();
        let run = with_head(run(&workflow, "verdict"));
        let offered = Offer::of(&run, Some(JobState::Running), Some(&workflow), None, None);
        let expected = Offer { pause: true, cancel: true, judge: true, withdraw: true, ..Offer::default() };
        assert_eq!(offered, expected);
    }
}
