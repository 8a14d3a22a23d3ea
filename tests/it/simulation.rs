//! Runs of random workflows under random events; the same seed gives the same run.
//!
//! Beside each run, the test tracks the rows that an engine would keep for it: a job, a job on hold, a timer,
//! nothing, or its end. Every action must fit those rows, and the rows must fit the run's state.
//! `ASPORA_SIMULATIONS` sets how many runs are simulated, `ASPORA_SEED` the first.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    panic,
    time::Duration,
};

use aspora::core::{
    run::{Action, Event, Park, Pause, PauseCause, Progress, Run, State, Topic},
    workflow::{Activity, End, Outcome, Workflow},
};
use chrono::{DateTime, Utc};
use uuid::Uuid;

const RUNS: u64 = 10_000;
const EVENTS: usize = 200;
/// Drawing a workflow takes longer than simulating a run of it.
const RUNS_PER_WORKFLOW: u64 = 10;
const ENDS: [(&str, &str); 4] =
    [("done", "succeeded"), ("gone", "failed"), ("person", "blocked"), ("closed", "cancelled")];

/// What an engine keeps for a run.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    Nothing,
    Job { turn: u32, paused: bool },
    Timer(DateTime<Utc>),
    End(End),
}

/// Numbers that look random (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % most as u64).unwrap()
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A graph of up to six steps that [`Workflow::parse`] accepts.
fn graph(dice: &mut Dice) -> Workflow {
    loop {
        if let Ok(workflow) = Workflow::parse(&drawn(dice)) {
            return workflow;
        }
    }
}

fn drawn(dice: &mut Dice) -> String {
    use Activity as A;
    let activities = [A::Generate, A::Gate, A::Review, A::Remediate, A::Verdict, A::Update, A::Merge];
    let steps = 1 + dice.below(6);
    let mut text = "name = \"any\"\nstart = \"s0\"\nexhausted = \"person\"\n".to_owned();
    let mut used = BTreeSet::from(["person".to_owned()]);
    let place = |dice: &mut Dice| match dice.below(steps + ENDS.len()) {
        step if step < steps => format!("s{step}"),
        end => ENDS[end - steps].0.to_owned(),
    };
    for step in 0..steps {
        let activity = dice.one(&activities);
        let _ = writeln!(
            text,
            "[step.s{step}]\nrun = \"{activity}\"\nretry = {{ attempts = 2, first = \"1s\", most = \"2s\" }}"
        );
        if dice.below(3) > 0 {
            let spent = place(dice);
            let _ = writeln!(text, "visits = {}\nspent = \"{spent}\"", 1 + dice.below(3));
            used.insert(spent);
        }
        let _ = writeln!(text, "[step.s{step}.on]");
        for (index, outcome) in activity.outcomes().iter().enumerate() {
            let to = if index == 0 && step + 1 < steps { format!("s{}", step + 1) } else { place(dice) };
            let _ = writeln!(text, "{outcome} = \"{to}\"");
            used.insert(to);
        }
    }
    text.push_str("[end]\n");
    for (name, end) in ENDS.iter().filter(|(name, _)| used.contains(*name)) {
        let _ = writeln!(text, "{name} = \"{end}\"");
    }
    text
}

/// A fact that an engine may come with, whether it fits or not.
fn random_event(dice: &mut Dice, workflow: &Workflow, run: &Run, at: DateTime<Utc>) -> Event {
    let reason = String::new();
    let turn = if dice.below(5) == 0 { run.turn.wrapping_sub(1) } else { run.turn };
    let possible = run.step().and_then(|step| workflow.steps.get(step)).map(|step| step.run.outcomes());
    let outcome = dice.one(possible.unwrap_or(&[Outcome::Passed]));
    let names: Vec<_> = workflow.steps.keys().chain(workflow.ends.keys()).collect();
    let topics = [Topic::Checks, Topic::Reviews, Topic::Pull, Topic::Push];
    let merged = (dice.below(400) == 0).then(|| "a".repeat(40).parse().unwrap());
    let progress = Progress { pull: Some(dice.below(9) as u64), merged, ..Progress::default() };
    match dice.below(64) {
        0 => Event::Started { progress: Progress::default() },
        1 => Event::Cancelled { reason },
        2 => Event::Stranded { reason },
        _ if run.step().is_none() && dice.below(4) > 0 => {
            Event::RetriedFrom { step: dice.one(&names).clone(), reason }
        }
        3..6 => Event::Exhausted { turn, attempts: 2, error: reason },
        6..10 => Event::Failed { turn, attempt: 1, error: reason, retry_at: at },
        10..15 => Event::Woken,
        15..20 => Event::Signalled { topic: dice.one(&topics) },
        20..23 => Event::Paused { by: reason.clone(), reason, cause: PauseCause::Person },
        23..25 => Event::TakenOver { by: reason.clone(), reason },
        25..32 => Event::Resumed { reason },
        32..35 => Event::Hurried { reason },
        35..38 => Event::Skipped { outcome, reason },
        38..42 => Event::RetriedFrom { step: dice.one(&names).clone(), reason },
        42..48 => {
            let park = Park::new(reason, vec![dice.one(&topics)], at);
            Event::Parked { turn, park, progress }
        }
        _ => Event::Answered { turn, outcome, note: reason, progress },
    }
}

impl Kept {
    /// What an engine keeps once it has recorded `event` and performed the actions.
    fn after(self, event: &Event, actions: &[Action]) -> Self {
        let begins = match (event, self) {
            (
                Event::Answered { turn, .. } | Event::Parked { turn, .. } | Event::Exhausted { turn, .. },
                Self::Job { turn: current, .. },
            ) => {
                assert_eq!(*turn, current, "an answer to another job");
                Self::Nothing
            }
            (Event::RetriedFrom { .. }, Self::End(end)) => {
                assert_ne!(end, End::Succeeded, "a run that succeeded was retried");
                Self::Nothing
            }
            (event, Self::End(_)) => panic!("{event:?} after the end"),
            (_, kept) => kept,
        };
        actions.iter().fold(begins, Self::with)
    }

    fn with(self, action: &Action) -> Self {
        match (action, self) {
            (Action::Enqueue { turn, .. }, Self::Nothing) => Self::Job { turn: *turn, paused: false },
            (Action::PauseJob, Self::Job { turn, paused: false }) => Self::Job { turn, paused: true },
            (Action::ResumeJob, Self::Job { turn, paused: true }) => Self::Job { turn, paused: false },
            (Action::MakeJobDue, job @ Self::Job { paused: false, .. }) => job,
            (Action::SetTimer(until), Self::Nothing) => Self::Timer(*until),
            (Action::CancelJob, Self::Job { .. }) | (Action::ClearTimer, Self::Timer(_)) => Self::Nothing,
            (Action::Finish(end), Self::Nothing) => Self::End(*end),
            (action, kept) => panic!("{action:?} with {kept:?}"),
        }
    }

    /// What an engine must keep for a run in this state.
    fn of(run: &Run) -> Self {
        match &run.state {
            State::At { .. } => Self::Job { turn: run.turn, paused: false },
            State::Paused(Pause { queued: true, .. }) => Self::Job { turn: run.turn, paused: true },
            State::Paused(Pause { queued: false, .. }) => Self::Nothing,
            State::Waiting { park, .. } => Self::Timer(park.until),
            State::Ended { end, .. } => Self::End(*end),
        }
    }
}

/// What must hold of the numbers of a run before and after an event.
fn compare(workflow: &Workflow, old: &Run, new: &Run, actions: &[Action]) {
    let sum = |of: &BTreeMap<String, u32>| of.values().sum::<u32>();
    let enqueued = actions.iter().filter(|action| matches!(action, Action::Enqueue { .. })).count();
    assert_eq!((new.turn - old.turn) as usize, enqueued, "each job has the next number");
    assert!((0..=1).contains(&(sum(&new.visits) - sum(&old.visits))), "two visits at once");
    for (step, graph) in &workflow.steps {
        let count = |of: &BTreeMap<String, u32>| of.get(step).copied().unwrap_or_default();
        assert!(count(&new.visits) >= count(&old.visits), "visits of {step} shrink");
        assert!(count(&new.forgiven) >= count(&old.forgiven), "forgiven visits of {step} shrink");
        assert!(count(&new.forgiven) <= count(&new.visits), "more visits of {step} forgiven than made");
        let used = count(&new.visits) - count(&new.forgiven);
        assert!(used <= graph.visits.unwrap_or(u32::MAX), "{step} was visited {used} times");
    }
}

/// Simulates one run with at most 200 events; returns how many were accepted.
fn simulate(seed: u64) -> usize {
    let mut dice = Dice(seed);
    let workflow = graph(&mut Dice(seed / RUNS_PER_WORKFLOW));
    let step = format!("s{}", dice.below(workflow.steps.len()));
    let (from_run, reason, progress) = (Uuid::nil(), String::new(), Progress::default());
    let first = match dice.below(4) {
        0 => Event::Forked { from_run, from_seq: 1, step, reason, progress },
        _ => Event::Started { progress: Progress::default() },
    };
    let (mut run, actions) = Run::begin(&workflow, &first, DateTime::UNIX_EPOCH).unwrap();
    let mut kept = Kept::Nothing.after(&first, &actions);
    let mut history = vec![(first, DateTime::UNIX_EPOCH)];
    for second in 0..=dice.below(EVENTS) {
        let at = DateTime::UNIX_EPOCH + Duration::from_secs(second as u64);
        let event = random_event(&mut dice, &workflow, &run, at);
        let Ok((next, actions)) = run.apply(&workflow, &event, at) else { continue };
        compare(&workflow, &run, &next, &actions);
        kept = kept.after(&event, &actions);
        assert_eq!(kept, Kept::of(&next), "{event:?} made {:?}", next.state);
        run = next;
        history.push((event, at));
        if matches!(run.state, State::Ended { end: End::Succeeded, .. }) || run.progress.merged.is_some() {
            break;
        }
    }
    let events = history.iter().map(|(event, at)| (event, *at));
    assert_eq!(Run::replay(&workflow, events).unwrap(), run, "the history does not fold to the run");
    assert_ends(&mut dice, &workflow, run);
    history.len()
}

/// Checks that the run ends when only its activities answer.
fn assert_ends(dice: &mut Dice, workflow: &Workflow, mut run: Run) {
    let bounds: u32 = workflow.steps.values().filter_map(|step| step.visits).sum();
    let most = (bounds as usize + 2) * (workflow.steps.len() + 2);
    for _ in 0..most {
        let event = match &run.state {
            State::Ended { .. } => return,
            State::Paused { .. } => Event::Resumed { reason: String::new() },
            State::Waiting { .. } => Event::Woken,
            State::At { step, .. } => {
                let outcome = dice.one(workflow.steps[step].run.outcomes());
                let (note, progress) = (String::new(), Progress::default());
                Event::Answered { turn: run.turn, outcome, note, progress }
            }
        };
        run = run.apply(workflow, &event, DateTime::UNIX_EPOCH).unwrap().0;
    }
    panic!("not ended after {most} answers: {:?}", run.state);
}

pub(crate) fn number(name: &str, otherwise: u64) -> u64 {
    env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

#[test]
fn in_any_workflow_any_events_keep_the_rules_of_a_run() {
    let (first, runs) = (number("ASPORA_SEED", 1), number("ASPORA_SIMULATIONS", RUNS));
    let mut accepted = 0;
    for seed in first..first + runs {
        accepted += panic::catch_unwind(|| simulate(seed)).unwrap_or_else(|failure| {
            eprintln!("failed with seed {seed}: ASPORA_SEED={seed} ASPORA_SIMULATIONS=1");
            panic::resume_unwind(failure)
        });
    }
    eprintln!("{runs} runs from seed {first}: {accepted} events accepted");
    assert!(accepted as u64 > 10 * runs, "only {accepted} events of {runs} runs were accepted");
}
