//! How a run moves.

mod control;
mod questions;

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::workflow::Outcome::{
    self, Behind, Blocked, Clean, Cleared, Closed, Declined, Findings, Merged, Moved, Opened, Passed, Pushed,
};

fn workflow() -> Workflow {
    Workflow::parse(include_str!("../../../../workflows/requirement.toml")).unwrap()
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
        state => state.step().unwrap().to_owned(),
    }
}

/// Applies these outcomes one after the other and compares the path of the run.
#[track_caller]
fn check(answers: &[Outcome], expected: &str) {
    let (workflow, mut run) = begun();
    let mut path = vec![place(&run)];
    for &outcome in answers {
        run = run.apply(&workflow, &answer(&run, outcome), now()).unwrap().0;
        path.push(place(&run));
    }
    assert_eq!(path.join(" > "), expected);
}

#[test]
fn the_whole_path_of_a_requirement_with_one_round_of_fixes() {
    check(
        &[Opened, Passed, Findings, Pushed, Passed, Clean, Cleared, Merged],
        "generate > gate > review > remediate > recheck > rerun > verdict > merge > done",
    );
}

#[test]
fn a_declined_requirement_is_rejected() {
    check(&[Declined], "generate > rejected");
}

#[test]
fn a_pull_request_that_was_closed_is_cancelled() {
    check(&[Opened, Closed], "generate > gate > closed");
}

#[test]
fn a_head_that_moved_before_the_merge_is_judged_anew() {
    check(&[Opened, Passed, Clean, Cleared, Moved], "generate > gate > review > verdict > merge > gate");
}

#[test]
fn a_branch_that_is_behind_is_updated_and_reviewed_again() {
    check(
        &[Opened, Passed, Clean, Behind, Pushed, Passed],
        "generate > gate > review > verdict > update > recheck > rerun",
    );
}

#[test]
fn a_new_head_that_leaves_documents_behind_is_fixed_before_it_is_reviewed() {
    check(
        &[Opened, Passed, Findings, Pushed, Blocked, Pushed, Passed, Clean],
        "generate > gate > review > remediate > recheck > remediate > recheck > rerun > verdict",
    );
}

#[test]
fn remediation_ends_after_three_rounds_with_a_reason() {
    let (workflow, mut run) = begun();
    for outcome in [
        Opened, Passed, Findings, Pushed, Passed, Findings, Pushed, Passed, Findings, Pushed, Passed,
        Findings,
    ] {
        run = run.apply(&workflow, &answer(&run, outcome), now()).unwrap().0;
    }
    let State::Ended { name, end, reason } = run.state else { panic!("{:?}", run.state) };
    assert_eq!((name.as_str(), end), ("needs_human", End::Blocked));
    assert_eq!(reason, "all 3 rounds of `remediate` are spent; last: findings");
}

#[test]
fn an_answer_to_an_older_job_is_fenced_off() {
    let (workflow, run) = begun();
    let late = answer(&run, Opened);
    let run = run.apply(&workflow, &late, now()).unwrap().0;
    assert_eq!(run.apply(&workflow, &late, now()), Err(Refused::Fenced { got: 1, now: 2 }));
}

fn parked() -> (Workflow, Run) {
    let (workflow, run) = begun();
    let until = now() + chrono::TimeDelta::minutes(5);
    let park = Park::new("checks", vec![Topic::Checks], until);
    let event = Event::Parked { turn: 1, park, progress: Progress::default() };
    let (run, actions) = run.apply(&workflow, &event, now()).unwrap();
    assert_eq!(actions, [Action::SetTimer(until)]);
    (workflow, run)
}

#[test]
fn a_parked_step_runs_again_when_its_signal_comes() {
    let (workflow, run) = parked();
    let (run, actions) = run.apply(&workflow, &Event::Signalled { topic: Topic::Checks }, now()).unwrap();
    assert!(
        matches!(&actions[..], [Action::ClearTimer, Action::Enqueue { step, turn: 2, .. }] if step == "generate")
    );
    assert_eq!(run.visits["generate"], 1, "waiting is not another visit");
}

#[test]
fn a_parked_step_runs_again_when_its_timer_fires() {
    let (workflow, run) = parked();
    let later = now() + chrono::TimeDelta::hours(1);
    let (run, _) = run.apply(&workflow, &Event::Woken, later).unwrap();
    assert_eq!(run.state, State::At { step: "generate".to_owned(), since: now() });
}

#[test]
fn a_signal_of_another_topic_does_not_wake_a_run() {
    let (workflow, run) = parked();
    let error = run.apply(&workflow, &Event::Signalled { topic: Topic::Reviews }, now()).unwrap_err();
    assert_eq!(error.to_string(), "`signalled` does not apply to a run that is waiting");
}

#[test]
fn an_exhausted_step_blocks_the_run_with_a_reason() {
    let (workflow, run) = begun();
    let event = Event::Exhausted { turn: 1, attempts: 5, error: "the model is away".to_owned() };
    let (run, actions) = run.apply(&workflow, &event, now()).unwrap();
    assert_eq!(actions, [Action::Finish(End::Blocked)]);
    let State::Ended { reason, .. } = run.state else { panic!() };
    assert_eq!(reason, "`generate` failed 5 times, last: the model is away");
}

#[test]
fn the_backoff_ceiling_doubles_up_to_its_most() {
    let retry = crate::workflow::Retry::default();
    let seconds = |attempt| backoff_ceiling(&retry, attempt).as_secs();
    assert_eq!([1, 2, 3, 9, 40].map(seconds), [2, 4, 8, 512, 600]);
}

/// Whatever the activities answer, every run ends.
#[test]
fn every_path_ends() {
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

/// An event for a run, drawn from two numbers; sometimes with an old `turn`.
fn drawn(workflow: &Workflow, run: &Run, choice: usize, detail: u32) -> Option<Event> {
    let turn = run.turn.saturating_sub(detail / 4);
    let reason = || "r".to_owned();
    let outcomes = run.step().map_or(&[][..], |step| workflow.steps[step].run.outcomes());
    let outcome = || outcomes.get((choice + detail as usize) % outcomes.len().max(1)).copied();
    Some(match choice {
        0 => Event::Woken,
        1 => Event::Signalled { topic: Topic::Checks },
        2 if detail == 0 => Event::Exhausted { turn, attempts: 1, error: "e".to_owned() },
        3 => Event::Failed { turn, attempt: 1, error: "e".to_owned(), retry_at: now() },
        4 | 5 => Event::Parked {
            turn,
            park: Park::new(reason(), vec![Topic::Checks], now()),
            progress: Progress::default(),
        },
        6 | 7 => Event::Paused { by: "pm".to_owned(), reason: reason(), cause: PauseCause::Person },
        8 | 9 => Event::Resumed { reason: reason() },
        10 if detail == 0 => Event::Cancelled { reason: reason() },
        11 => Event::Hurried { reason: reason() },
        12 => Event::Skipped { outcome: outcome()?, reason: reason() },
        13 => {
            let step = workflow.steps.keys().nth(detail as usize % workflow.steps.len())?.clone();
            Event::RetriedFrom { step, reason: reason() }
        }
        14 if detail == 0 => Event::Stranded { reason: reason() },
        15 => questions::said(detail),
        16 => Event::TakenOver { by: "asha".to_owned(), reason: reason() },
        _ => {
            Event::Answered { turn, outcome: outcome()?, note: "n".to_owned(), progress: Progress::default() }
        }
    })
}

/// The rows that a run's actions leave in the database: its job, whether that is on hold, and its timer.
#[derive(Debug, Default, PartialEq)]
struct Rows {
    jobs: i32,
    held: bool,
    timers: i32,
}

impl Rows {
    /// As the engine does it: the event of an attempt ends its job, then the actions follow.
    fn follow(&mut self, event: &Event, actions: &[Action]) {
        if matches!(event, Event::Answered { .. } | Event::Parked { .. } | Event::Exhausted { .. }) {
            (self.jobs, self.held) = (self.jobs - 1, false);
        }
        for action in actions {
            match action {
                Action::Enqueue { .. } => (self.jobs, self.held) = (self.jobs + 1, false),
                Action::CancelJob => (self.jobs, self.held) = (self.jobs - 1, false),
                Action::PauseJob => self.held = true,
                Action::ResumeJob => self.held = false,
                Action::MakeJobDue => assert_eq!(self.jobs, 1),
                Action::SetTimer(_) => self.timers += 1,
                Action::ClearTimer => self.timers -= 1,
                Action::Finish(_) => {}
            }
        }
    }

    fn expected(state: &State) -> Self {
        match state {
            State::At { .. } => Self { jobs: 1, ..Self::default() },
            State::Waiting { .. } => Self { timers: 1, ..Self::default() },
            State::Paused(Pause { queued, .. }) => {
                Self { jobs: i32::from(*queued), held: *queued, timers: 0 }
            }
            State::Ended { .. } => Self::default(),
        }
    }
}

proptest! {
    /// Any events in any order: a run that has not ended always has a job or a timer or is paused, its
    /// visits and turns only grow, and it succeeds only by a merge.
    #[test]
    fn no_order_of_events_loses_a_run(choices in proptest::collection::vec((0_usize..24, 0_u32..8), 1..120)) {
        let (workflow, mut run) = begun();
        let mut rows = Rows { jobs: 1, ..Rows::default() };
        for (choice, detail) in choices {
            let Some(event) = drawn(&workflow, &run, choice, detail) else { continue };
            let Ok((next, actions)) = run.apply(&workflow, &event, now()) else { continue };
            prop_assert!(next.turn >= run.turn && next.turn <= run.turn + 1);
            // The keys of effects contain the number of the visit.
            prop_assert!(run.visits.iter().all(|(step, visits)| next.visits[step] >= *visits));
            rows.follow(&event, &actions);
            let expected = Rows::expected(&next.state);
            prop_assert_eq!(&rows, &expected, "{:?} after {:?}", next.state, event);
            if let State::Paused(Pause { was, .. }) = &next.state {
                let can_resume = matches!(**was, State::At { .. } | State::Waiting { .. });
                prop_assert!(can_resume, "{:?}", was);
            }
            if matches!(next.state, State::Ended { end: End::Succeeded, .. }) {
                let merged = matches!(event, Event::Answered { outcome: Merged, .. });
                prop_assert!(merged, "succeeded by {:?}", event);
            }
            run = next;
        }
    }
}
