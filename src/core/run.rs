//! A run: one requirement on its way through a workflow.
//!
//! [`Run::apply`] is the whole state machine. It says what an event makes of a run and what must
//! then be done; it does nothing itself, so folding a run's history gives the run again.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    policy::Tier,
    sha::Sha,
    workflow::{End, Outcome, Queue, Workflow},
};

/// Where a run stands and what it remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Where it stands.
    pub state: State,
    /// The number of the job it last asked for, from 1: an answer to an older one is fenced off.
    pub turn: u32,
    /// How often it has entered each step.
    pub visits: BTreeMap<String, u32>,
    /// What is known of its pull request.
    pub progress: Progress,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// A job for this step is queued or running. Put here by a start, an answer, a signal or a timer.
    At {
        /// The step.
        step: String,
        /// When the run entered the step; waiting in it does not change that.
        since: DateTime<Utc>,
    },
    /// The step waits without a job. Put here by [`Event::Parked`]; a signal or the timer takes it out.
    Waiting {
        /// The step that will run again.
        step: String,
        /// When the run entered the step.
        since: DateTime<Utc>,
        /// What it waits for.
        park: Park,
    },
    /// The run is over. Nothing takes it out.
    Ended {
        /// The end's name in the workflow.
        name: String,
        /// What that means.
        end: End,
        /// Why, in a sentence for people.
        reason: String,
    },
}

/// What a run has come to know of its pull request. A later fact replaces an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The base commit that the change rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Sha>,
    /// The head that we last pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Sha>,
    /// The pull request's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<u64>,
    /// The tier of the change, as last judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// The commit on the base branch that merged the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<Sha>,
}

/// What a waiting step waits for, and until when at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Park {
    /// Why, in words that follow "waiting for".
    pub reason: String,
    /// The topics whose news end the wait.
    pub topics: Vec<Topic>,
    /// When the step looks again even without news.
    pub until: DateTime<Utc>,
}

/// What a signal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A check run or a commit status changed.
    Checks,
    /// A person or a bot reviewed the pull request.
    Reviews,
    /// The pull request itself changed.
    Pull,
    /// A branch got a new head.
    Push,
}

/// What happened to a run; the history is a list of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The run began.
    Started,
    /// An activity answered.
    Answered {
        /// The job it answers to.
        turn: u32,
        /// The answer.
        outcome: Outcome,
        /// The answer in a sentence for people.
        note: String,
        /// What was learnt on the way.
        #[serde(default)]
        progress: Progress,
    },
    /// An activity found that it must wait.
    Parked {
        /// The job it answers to.
        turn: u32,
        /// For what.
        park: Park,
        /// What was learnt on the way.
        #[serde(default)]
        progress: Progress,
    },
    /// News came for a waiting run.
    Signalled {
        /// What the news is about.
        topic: Topic,
    },
    /// The time that a waiting run had set itself came.
    Woken,
    /// An attempt failed; the same job will be tried again.
    Failed {
        /// The job.
        turn: u32,
        /// The attempt that failed, from 1.
        attempt: u32,
        /// What went wrong, in a sentence for people.
        error: String,
        /// When it will be tried again.
        retry_at: DateTime<Utc>,
    },
    /// This release cannot follow the run's graph.
    Stranded {
        /// What it lacks, for the person who is asked.
        reason: String,
    },
    /// The last attempt failed; the job is a dead letter.
    Exhausted {
        /// The job.
        turn: u32,
        /// The attempts that were made.
        attempts: u32,
        /// What went wrong last.
        error: String,
    },
}

/// What the engine must do in the transaction that records the event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask a worker of `queue` to do `step`.
    Enqueue {
        /// The step.
        step: String,
        /// Its queue.
        queue: Queue,
        /// The number of the job.
        turn: u32,
        /// The most attempts it may take.
        attempts: u32,
    },
    /// Remember to wake the run.
    SetTimer(DateTime<Utc>),
    /// Forget the wake-up.
    ClearTimer,
    /// The run is over.
    Finish(End),
}

/// Why an event does not fit a run. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The answer belongs to an older job.
    #[error("the answer to job {got} was fenced off: the run is at job {now}")]
    Fenced {
        /// The job it answers to.
        got: u32,
        /// The job the run is at.
        now: u32,
    },
    /// The event means nothing in this state.
    #[error("`{event}` means nothing to a run that is {state}")]
    Illegal {
        /// Where the run stands.
        state: &'static str,
        /// The event.
        event: &'static str,
    },
    /// The workflow has no such step or road; it is not the one the run began with.
    #[error("workflow `{workflow}` has no road from `{step}`")]
    Lost {
        /// The workflow's name.
        workflow: String,
        /// The step without a road.
        step: String,
    },
}

impl Run {
    /// A run at the first step of `workflow`.
    ///
    /// # Errors
    /// [`Refused::Lost`] if the workflow was not checked by [`Workflow::parse`].
    pub fn start(workflow: &Workflow, now: DateTime<Utc>) -> Result<(Self, Vec<Action>), Refused> {
        let state = State::At { step: workflow.start.clone(), since: now };
        let blank = Self { state, turn: 0, visits: BTreeMap::new(), progress: Progress::default() };
        blank.enter(workflow, &workflow.start, "", now)
    }

    /// What `event` makes of this run, and what must then be done.
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
            (State::At { step, .. }, Event::Answered { turn, outcome, note, progress }) => {
                self.is_current(*turn)?;
                let to = workflow.steps.get(step).and_then(|it| it.on.get(outcome));
                let to = to.ok_or_else(|| lost(workflow, step))?;
                self.learning(progress).enter(workflow, to, note, now)
            }
            (State::At { step, since }, Event::Parked { turn, park, progress }) => {
                self.is_current(*turn)?;
                let state = State::Waiting { step: step.clone(), since: *since, park: park.clone() };
                Ok((Self { state, ..self.learning(progress) }, vec![Action::SetTimer(park.until)]))
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
            (State::Waiting { step, since, park }, Event::Signalled { topic })
                if park.topics.contains(topic) =>
            {
                self.clone().again(workflow, step, *since)
            }
            (State::Waiting { step, since, .. }, Event::Woken) => self.clone().again(workflow, step, *since),
            (State::At { .. } | State::Waiting { .. }, Event::Stranded { reason }) => Ok(self.strand(reason)),
            (state, event) => Err(Refused::Illegal { state: state.word(), event: event.word() }),
        }
    }

    /// What [`Event::Stranded`] makes of this run; the only move that needs no graph.
    #[must_use]
    pub fn strand(&self, reason: &str) -> (Self, Vec<Action>) {
        let state =
            State::Ended { name: "stranded".to_owned(), end: End::Blocked, reason: reason.to_owned() };
        let clear = matches!(self.state, State::Waiting { .. }).then_some(Action::ClearTimer);
        (Self { state, ..self.clone() }, clear.into_iter().chain([Action::Finish(End::Blocked)]).collect())
    }

    /// The step that the run is at or waits in.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        match &self.state {
            State::At { step, .. } | State::Waiting { step, .. } => Some(step),
            State::Ended { .. } => None,
        }
    }

    fn is_current(&self, turn: u32) -> Result<(), Refused> {
        if turn == self.turn { Ok(()) } else { Err(Refused::Fenced { got: turn, now: self.turn }) }
    }

    fn learning(&self, news: &Progress) -> Self {
        let known = &self.progress;
        let progress = Progress {
            base: news.base.clone().or_else(|| known.base.clone()),
            head: news.head.clone().or_else(|| known.head.clone()),
            pull: news.pull.or(known.pull),
            tier: news.tier.or(known.tier),
            merged: news.merged.clone().or_else(|| known.merged.clone()),
        };
        Self { progress, ..self.clone() }
    }

    fn enter(
        mut self,
        workflow: &Workflow,
        to: &str,
        why: &str,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<Action>), Refused> {
        if let Some(&end) = workflow.ends.get(to) {
            self.state = State::Ended { name: to.to_owned(), end, reason: why.to_owned() };
            return Ok((self, vec![Action::Finish(end)]));
        }
        let step = workflow.steps.get(to).ok_or_else(|| lost(workflow, to))?;
        let visits = self.visits.entry(to.to_owned()).or_default();
        match (&step.spent, step.visits) {
            (Some(spent), Some(most)) if *visits >= most => {
                let reason = format!("all {most} rounds of `{to}` are spent; last: {why}");
                self.enter(workflow, spent, &reason, now)
            }
            _ => {
                *visits += 1;
                self.again(workflow, to, now)
            }
        }
    }

    fn again(
        mut self,
        workflow: &Workflow,
        to: &str,
        since: DateTime<Utc>,
    ) -> Result<(Self, Vec<Action>), Refused> {
        let step = workflow.steps.get(to).ok_or_else(|| lost(workflow, to))?;
        let waited = matches!(self.state, State::Waiting { .. });
        self.turn += 1;
        self.state = State::At { step: to.to_owned(), since };
        let mut actions = vec![Action::Enqueue {
            step: to.to_owned(),
            queue: step.queue,
            turn: self.turn,
            attempts: step.retry.attempts,
        }];
        if waited {
            actions.insert(0, Action::ClearTimer);
        }
        Ok((self, actions))
    }
}

impl State {
    /// The word that tables and people use.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::At { .. } => "active",
            Self::Waiting { .. } => "waiting",
            Self::Ended { .. } => "ended",
        }
    }
}

impl Event {
    /// The event's name in tables, JSON and the API.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Answered { .. } => "answered",
            Self::Parked { .. } => "parked",
            Self::Signalled { .. } => "signalled",
            Self::Woken => "woken",
            Self::Failed { .. } => "failed",
            Self::Stranded { .. } => "stranded",
            Self::Exhausted { .. } => "exhausted",
        }
    }
}

impl Topic {
    /// The word that tables use.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Checks => "checks",
            Self::Reviews => "reviews",
            Self::Pull => "pull",
            Self::Push => "push",
        }
    }
}

/// The ceiling of the wait after the `attempt`-th failure; the true wait is drawn between nothing and this.
#[must_use]
pub fn backoff_ceiling(retry: &super::workflow::Retry, attempt: u32) -> Duration {
    let doubled =
        2_u32.checked_pow(attempt.saturating_sub(1)).and_then(|factor| retry.first.checked_mul(factor));
    doubled.unwrap_or(retry.most).min(retry.most)
}

fn lost(workflow: &Workflow, step: &str) -> Refused {
    Refused::Lost { workflow: workflow.name.clone(), step: step.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{
        Outcome::{
            Behind, Clean, Cleared, Closed, Declined, Findings, Merged, Moved, Opened, Passed, Pushed,
        },
        *,
    };

    fn workflow() -> Workflow {
        Workflow::parse(include_str!("../../workflows/requirement.toml")).unwrap()
    }

    fn now() -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn begun() -> (Workflow, Run) {
        let workflow = workflow();
        let run = Run::start(&workflow, now()).unwrap().0;
        (workflow, run)
    }

    fn answer(run: &Run, outcome: Outcome) -> Event {
        let note = format!("{outcome}");
        Event::Answered { turn: run.turn, outcome, note, progress: Progress::default() }
    }

    fn place(run: &Run) -> String {
        match &run.state {
            State::Ended { name, .. } => name.clone(),
            State::At { step, .. } | State::Waiting { step, .. } => step.clone(),
        }
    }

    /// Tells the run these answers, one after the other, and writes down where it went.
    #[track_caller]
    fn check(answers: &[Outcome], expected: &str) {
        let (workflow, mut run) = begun();
        let mut road = vec![place(&run)];
        for &outcome in answers {
            run = run.apply(&workflow, &answer(&run, outcome), now()).unwrap().0;
            road.push(place(&run));
        }
        assert_eq!(road.join(" > "), expected);
    }

    #[test]
    fn the_story_of_the_seed() {
        check(
            &[Opened, Passed, Findings, Pushed, Clean, Cleared, Merged],
            "generate > gate > review > remediate > rerun > verdict > merge > done",
        );
    }

    #[test]
    fn a_declined_requirement_is_rejected() {
        check(&[Declined], "generate > rejected");
    }

    #[test]
    fn a_pull_request_closed_by_somebody_is_cancelled() {
        check(&[Opened, Closed], "generate > gate > closed");
    }

    #[test]
    fn a_head_that_moved_before_the_merge_is_judged_anew() {
        check(&[Opened, Passed, Clean, Cleared, Moved], "generate > gate > review > verdict > merge > gate");
    }

    #[test]
    fn a_branch_that_is_behind_is_updated_and_reviewed_again() {
        check(
            &[Opened, Passed, Clean, Behind, Pushed],
            "generate > gate > review > verdict > update > rerun",
        );
    }

    #[test]
    fn remediation_is_spent_after_three_rounds_and_says_so() {
        let (workflow, mut run) = begun();
        for outcome in [Opened, Passed, Findings, Pushed, Findings, Pushed, Findings, Pushed, Findings] {
            run = run.apply(&workflow, &answer(&run, outcome), now()).unwrap().0;
        }
        let State::Ended { name, end, reason } = run.state else { panic!("{:?}", run.state) };
        assert_eq!((name.as_str(), end), ("needs_human", End::Blocked));
        assert_eq!(reason, "all 3 rounds of `remediate` are spent; last: findings");
    }

    #[test]
    fn a_late_answer_is_fenced_off() {
        let (workflow, run) = begun();
        let late = answer(&run, Opened);
        let run = run.apply(&workflow, &late, now()).unwrap().0;
        assert_eq!(run.apply(&workflow, &late, now()), Err(Refused::Fenced { got: 1, now: 2 }));
    }

    fn parked() -> (Workflow, Run) {
        let (workflow, run) = begun();
        let until = now() + chrono::TimeDelta::minutes(5);
        let park = Park { reason: "checks".to_owned(), topics: vec![Topic::Checks], until };
        let event = Event::Parked { turn: 1, park, progress: Progress::default() };
        let (run, actions) = run.apply(&workflow, &event, now()).unwrap();
        assert_eq!(actions, [Action::SetTimer(until)]);
        (workflow, run)
    }

    #[test]
    fn a_parked_step_runs_again_when_its_news_come() {
        let (workflow, run) = parked();
        let (run, actions) = run.apply(&workflow, &Event::Signalled { topic: Topic::Checks }, now()).unwrap();
        assert!(
            matches!(&actions[..], [Action::ClearTimer, Action::Enqueue { step, turn: 2, .. }] if step == "generate")
        );
        assert_eq!(run.visits["generate"], 1, "waiting is not another visit");
    }

    #[test]
    fn a_parked_step_runs_again_when_its_time_comes() {
        let (workflow, run) = parked();
        let later = now() + chrono::TimeDelta::hours(1);
        let (run, _) = run.apply(&workflow, &Event::Woken, later).unwrap();
        assert_eq!(run.state, State::At { step: "generate".to_owned(), since: now() });
    }

    #[test]
    fn news_about_something_else_do_not_wake_a_run() {
        let (workflow, run) = parked();
        let error = run.apply(&workflow, &Event::Signalled { topic: Topic::Reviews }, now()).unwrap_err();
        assert_eq!(error.to_string(), "`signalled` means nothing to a run that is waiting");
    }

    #[test]
    fn an_exhausted_step_needs_a_person_and_says_why() {
        let (workflow, run) = begun();
        let event = Event::Exhausted { turn: 1, attempts: 5, error: "the model is away".to_owned() };
        let (run, actions) = run.apply(&workflow, &event, now()).unwrap();
        assert_eq!(actions, [Action::Finish(End::Blocked)]);
        let State::Ended { reason, .. } = run.state else { panic!() };
        assert_eq!(reason, "`generate` failed 5 times, last: the model is away");
    }

    #[test]
    fn the_backoff_ceiling_doubles_up_to_its_most() {
        let retry = crate::core::workflow::Retry::default();
        let seconds = |attempt| backoff_ceiling(&retry, attempt).as_secs();
        assert_eq!([1, 2, 3, 9, 40].map(seconds), [2, 4, 8, 512, 600]);
    }

    /// Whatever the agents and the forge answer, every run ends.
    #[test]
    fn every_road_ends() {
        let (workflow, run) = begun();
        let (mut seen, mut ends, mut todo) = (BTreeSet::new(), BTreeSet::new(), vec![run]);
        while let Some(run) = todo.pop() {
            assert!(run.turn < 200, "{run:?}");
            let State::At { step, .. } = &run.state else {
                ends.insert(place(&run));
                continue;
            };
            for &outcome in workflow.steps[step].run.outcomes() {
                let next = run.apply(&workflow, &answer(&run, outcome), now()).unwrap().0;
                let bounded: Vec<u32> = ["gate", "remediate", "verdict", "update", "merge"]
                    .map(|name| next.visits.get(name).copied().unwrap_or_default())
                    .into();
                if seen.insert((place(&next), bounded)) {
                    todo.push(next);
                }
            }
        }
        assert_eq!(ends.len(), workflow.ends.len());
    }

    proptest! {
        /// Any events in any order: what is accepted folds to the same run, what is refused changes nothing,
        /// and a run that is not over always has a job or a timer.
        #[test]
        fn no_order_of_events_loses_a_run(choices in proptest::collection::vec((0_usize..16, 0_u32..3), 1..80)) {
            let (workflow, mut run) = begun();
            let (mut jobs, mut timers) = (1_i32, 0_i32);
            for (choice, back) in choices {
                let turn = run.turn.saturating_sub(back / 2);
                let event = match choice {
                    0 => Event::Woken,
                    1 => Event::Signalled { topic: Topic::Checks },
                    2 => Event::Exhausted { turn, attempts: 1, error: "e".to_owned() },
                    3 => Event::Failed { turn, attempt: 1, error: "e".to_owned(), retry_at: now() },
                    4 | 5 => Event::Parked {
                        turn,
                        park: Park { reason: "r".to_owned(), topics: vec![Topic::Checks], until: now() },
                        progress: Progress::default(),
                    },
                    _ => {
                        let all = run.step().map_or(&[][..], |step| workflow.steps[step].run.outcomes());
                        let Some(&outcome) = all.get(choice % all.len().max(1)) else { continue };
                        Event::Answered { turn, outcome, note: "n".to_owned(), progress: Progress::default() }
                    }
                };
                let Ok((next, actions)) = run.apply(&workflow, &event, now()) else { continue };
                if !matches!(event, Event::Failed { .. } | Event::Woken | Event::Signalled { .. }) {
                    jobs -= 1;
                }
                for action in actions {
                    match action {
                        Action::Enqueue { .. } => jobs += 1,
                        Action::SetTimer(_) => timers += 1,
                        Action::ClearTimer => timers -= 1,
                        Action::Finish(_) => {}
                    }
                }
                run = next;
                let expected = match run.state {
                    State::At { .. } => (1, 0),
                    State::Waiting { .. } => (0, 1),
                    State::Ended { .. } => (0, 0),
                };
                prop_assert_eq!((jobs, timers), expected);
            }
        }
    }
}
