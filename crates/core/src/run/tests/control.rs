//! The laws of what people do to a run.

use uuid::Uuid;

use super::*;

fn told(run: &Run, workflow: &Workflow, event: &Event) -> (Run, Vec<Action>) {
    run.apply(workflow, event, now()).unwrap_or_else(|refused| panic!("{event:?}: {refused}"))
}

fn refusal(run: &Run, workflow: &Workflow, event: &Event) -> String {
    run.apply(workflow, event, now()).unwrap_err().to_string()
}

fn reason() -> String {
    "waiting for legal".to_owned()
}

fn pause() -> Event {
    Event::Paused { by: "pm@acme".to_owned(), reason: reason(), cause: PauseCause::Person }
}

fn resume() -> Event {
    Event::Resumed { reason: reason() }
}

fn retry(step: &str) -> Event {
    Event::RetriedFrom { step: step.to_owned(), reason: reason() }
}

fn skip(outcome: Outcome) -> Event {
    Event::Skipped { outcome, reason: reason() }
}

/// A run that was given these answers.
fn after(answers: &[Outcome]) -> (Workflow, Run) {
    let (workflow, mut run) = begun();
    for &outcome in answers {
        run = told(&run, &workflow, &answer(&run, outcome)).0;
    }
    (workflow, run)
}

/// Where a paused run goes on, and whether its job is still there.
#[track_caller]
fn paused_at(run: &Run) -> (&str, bool) {
    let State::Paused { was, queued, .. } = &run.state else { panic!("{:?}", run.state) };
    (was.step().unwrap(), *queued)
}

#[test]
fn a_paused_job_is_held_and_a_resume_releases_it() {
    let (workflow, run) = begun();
    let (paused, actions) = told(&run, &workflow, &pause());
    assert_eq!((paused_at(&paused), actions), (("generate", true), vec![Action::HoldJob]));
    assert_eq!(paused.step(), Some("generate"));
    let (resumed, actions) = told(&paused, &workflow, &resume());
    assert_eq!((&resumed, actions), (&run, vec![Action::ReleaseJob]));
}

#[test]
fn the_answer_of_a_worker_that_was_at_it_counts_and_asks_for_nothing() {
    let (workflow, run) = begun();
    let paused = told(&run, &workflow, &pause()).0;
    let progress = Progress { pull: Some(7), ..Progress::default() };
    let answer = Event::Answered { turn: 1, outcome: Opened, note: "opened".to_owned(), progress };
    let (paused, actions) = told(&paused, &workflow, &answer);
    assert_eq!((paused_at(&paused), actions), (("gate", false), vec![]));
    assert_eq!((paused.progress.pull, paused.visits["gate"]), (Some(7), 1));
    assert_eq!(
        refusal(&paused, &workflow, &answer),
        "`answered` means nothing to a run that is paused",
        "a job answers once"
    );
    let (resumed, actions) = told(&paused, &workflow, &resume());
    assert!(matches!(&actions[..], [Action::Enqueue { step, turn: 2, .. }] if step == "gate"), "{actions:?}");
    assert_eq!((place(&resumed).as_str(), resumed.visits["gate"]), ("gate", 1));
}

#[test]
fn a_failed_attempt_keeps_a_paused_run_paused_with_its_job() {
    let (workflow, run) = begun();
    let paused = told(&run, &workflow, &pause()).0;
    let failed = Event::Failed { turn: 1, attempt: 1, error: "503".to_owned(), retry_at: now() };
    let (still, actions) = told(&paused, &workflow, &failed);
    assert_eq!((&still, actions), (&paused, vec![]));
}

#[test]
fn a_step_that_parks_while_paused_sets_no_timer_and_runs_afresh_when_resumed() {
    let (workflow, run) = begun();
    let paused = told(&run, &workflow, &pause()).0;
    let park = Park { reason: "checks".to_owned(), topics: vec![Topic::Checks], until: now() };
    let parked = Event::Parked { turn: 1, park, progress: Progress::default() };
    let (paused, actions) = told(&paused, &workflow, &parked);
    assert_eq!((paused_at(&paused), actions), (("generate", false), vec![]));
    let news = Event::Signalled { topic: Topic::Checks };
    assert_eq!(refusal(&paused, &workflow, &news), "`signalled` means nothing to a run that is paused");
    let actions = told(&paused, &workflow, &resume()).1;
    assert!(matches!(&actions[..], [Action::Enqueue { turn: 2, .. }]), "{actions:?}");
}

#[test]
fn a_pause_of_a_waiting_run_clears_its_timer() {
    let (workflow, run) = parked();
    let (paused, actions) = told(&run, &workflow, &pause());
    assert_eq!((paused_at(&paused), actions), (("generate", false), vec![Action::ClearTimer]));
    let (resumed, actions) = told(&paused, &workflow, &resume());
    assert!(matches!(&actions[..], [Action::Enqueue { turn: 2, .. }]), "{actions:?}");
    assert_eq!(resumed.state, State::At { step: "generate".to_owned(), since: now() });
}

#[test]
fn an_end_that_comes_while_paused_ends_the_run() {
    let (workflow, run) = begun();
    let paused = told(&run, &workflow, &pause()).0;
    let (ended, actions) = told(&paused, &workflow, &answer(&paused, Declined));
    assert_eq!((place(&ended).as_str(), actions), ("rejected", vec![Action::Finish(End::Failed)]));
}

#[test]
fn a_cancel_takes_away_whatever_the_run_has() {
    let cancel = Event::Cancelled { reason: reason() };
    let finish = Action::Finish(End::Cancelled);
    let (workflow, run) = begun();
    let (ended, actions) = told(&run, &workflow, &cancel);
    assert_eq!(actions, [Action::DropJob, finish.clone()]);
    let expected = State::Ended { name: "cancelled".to_owned(), end: End::Cancelled, reason: reason() };
    assert_eq!(ended.state, expected);
    assert_eq!(refusal(&ended, &workflow, &cancel), "`cancelled` means nothing to a run that is ended");
    let paused = told(&run, &workflow, &pause()).0;
    assert_eq!(told(&paused, &workflow, &cancel).1, [Action::DropJob, finish.clone()]);
    let (workflow, waiting) = parked();
    assert_eq!(told(&waiting, &workflow, &cancel).1, [Action::ClearTimer, finish.clone()]);
    let paused = told(&waiting, &workflow, &pause()).0;
    assert_eq!(told(&paused, &workflow, &cancel).1, [finish]);
}

#[test]
fn run_now_ends_a_wait_and_makes_a_job_due() {
    let hurry = Event::Hurried { reason: reason() };
    let (workflow, waiting) = parked();
    let actions = told(&waiting, &workflow, &hurry).1;
    assert!(matches!(&actions[..], [Action::ClearTimer, Action::Enqueue { turn: 2, .. }]), "{actions:?}");
    let (workflow, run) = begun();
    assert_eq!(told(&run, &workflow, &hurry), (run.clone(), vec![Action::MakeJobDue]));
    let paused = told(&run, &workflow, &pause()).0;
    assert_eq!(refusal(&paused, &workflow, &hurry), "`hurried` means nothing to a run that is paused");
}

#[test]
fn a_skip_takes_the_road_of_the_answer_and_gives_the_job_up() {
    let (workflow, run) = after(&[Opened]);
    let (run, actions) = told(&run, &workflow, &skip(Passed));
    assert!(
        matches!(&actions[..], [Action::DropJob, Action::Enqueue { step, .. }] if step == "review"),
        "{actions:?}"
    );
    assert_eq!(
        refusal(&run, &workflow, &skip(Merged)),
        "`review` never answers `merged`; it answers `clean`, `findings`, `moved`"
    );
}

#[test]
fn what_judges_or_merges_cannot_be_skipped() {
    let (workflow, verdict) = after(&[Opened, Passed, Clean]);
    let words = |step: &str| format!("`{step}` cannot be skipped: nothing is merged that was not judged");
    assert_eq!(refusal(&verdict, &workflow, &skip(Cleared)), words("verdict"));
    let (workflow, merge) = after(&[Opened, Passed, Clean, Cleared]);
    assert_eq!(refusal(&merge, &workflow, &skip(Merged)), words("merge"));
    let paused = told(&merge, &workflow, &pause()).0;
    assert_eq!(refusal(&paused, &workflow, &skip(Merged)), words("merge"));
}

#[test]
fn only_a_resume_takes_a_pause_away() {
    let (workflow, run) = after(&[Opened]);
    let paused = told(&run, &workflow, &pause()).0;
    let (skipped, actions) = told(&paused, &workflow, &skip(Passed));
    assert_eq!((paused_at(&skipped), actions), (("review", false), vec![Action::DropJob]));
    let (sent, actions) = told(&skipped, &workflow, &retry("gate"));
    assert_eq!((paused_at(&sent), actions), (("gate", false), vec![]));
    assert_eq!((sent.turn, sent.visits["gate"]), (run.turn, 2));
}

#[test]
fn a_retry_grants_the_step_its_rounds_afresh_and_visits_go_on_counting() {
    let rounds = [Opened, Passed, Findings, Pushed, Findings, Pushed, Findings, Pushed, Findings];
    let (workflow, mut run) = after(&rounds);
    assert_eq!((place(&run).as_str(), run.visits["remediate"]), ("needs_human", 3));
    let last = Event::Answered {
        turn: run.turn,
        outcome: Findings,
        note: String::new(),
        progress: Progress::default(),
    };
    assert_eq!(Run::ended_at(&workflow, "rerun", &last), "remediate", "its rounds were spent");
    run = told(&run, &workflow, &retry("remediate")).0;
    assert_eq!((run.visits["remediate"], run.used("remediate")), (4, 1));
    assert!(run.was_sent_here());
    assert_eq!(run.visits_left(&workflow, "rerun", Findings), Some(2));
    for outcome in [Pushed, Findings, Pushed, Findings, Pushed, Findings] {
        run = told(&run, &workflow, &answer(&run, outcome)).0;
    }
    assert_eq!((place(&run).as_str(), run.visits["remediate"]), ("needs_human", 6));
}

#[test]
fn a_run_begins_again_at_the_step_where_it_ended() {
    let workflow = workflow();
    let exhausted = Event::Exhausted { turn: 3, attempts: 5, error: "e".to_owned() };
    assert_eq!(Run::ended_at(&workflow, "review", &exhausted), "review");
    let stopped = Event::Answered {
        turn: 3,
        outcome: Outcome::Stopped,
        note: String::new(),
        progress: Progress::default(),
    };
    assert_eq!(Run::ended_at(&workflow, "gate", &stopped), "gate");
    assert_eq!(Run::ended_at(&workflow, "verdict", &Event::Cancelled { reason: reason() }), "verdict");
}

#[test]
fn what_has_succeeded_is_not_done_again() {
    let (workflow, run) = after(&[Opened, Passed, Clean, Cleared, Merged]);
    let words = "the run has succeeded; there is nothing to do again";
    assert_eq!(refusal(&run, &workflow, &retry("gate")), words);
    let (workflow, mut run) = after(&[Opened, Closed]);
    run.progress.merged = Some("a".repeat(40).parse().unwrap());
    assert_eq!(refusal(&run, &workflow, &retry("gate")), words);
}

#[test]
fn a_retry_from_no_step_names_the_steps() {
    let (workflow, run) = begun();
    assert_eq!(
        refusal(&run, &workflow, &retry("deploy")),
        "workflow `requirement` has no step `deploy`; it has `gate`, `generate`, `merge`, `remediate`, \
         `rerun`, `review`, `update`, `verdict`"
    );
}

#[test]
fn a_retry_gives_up_what_the_run_had() {
    let (workflow, run) = begun();
    let actions = told(&run, &workflow, &retry("gate")).1;
    assert!(matches!(&actions[..], [Action::DropJob, Action::Enqueue { .. }]), "{actions:?}");
    let (workflow, run) = parked();
    let actions = told(&run, &workflow, &retry("gate")).1;
    assert!(matches!(&actions[..], [Action::ClearTimer, Action::Enqueue { .. }]), "{actions:?}");
}

#[test]
fn a_fork_begins_at_its_step_with_what_was_known() {
    let workflow = workflow();
    let progress = Progress { pull: Some(7), ..Progress::default() };
    let forked = Event::Forked {
        from_run: Uuid::nil(),
        from_seq: 9,
        step: "merge".to_owned(),
        reason: reason(),
        progress: progress.clone(),
    };
    let (run, actions) = Run::begin(&workflow, &forked, now()).unwrap();
    assert!(
        matches!(&actions[..], [Action::Enqueue { step, turn: 1, .. }] if step == "merge"),
        "{actions:?}"
    );
    assert_eq!((&run.progress, run.visits["merge"], run.was_sent_here()), (&progress, 1, true));
    assert_eq!(
        Run::begin(&workflow, &Event::Started, now()),
        Run::start(&workflow, now()),
        "every history begins the same way"
    );
}

#[test]
fn a_run_that_an_earlier_release_saved_is_read() {
    let (_, run) = begun();
    let mut old = serde_json::to_value(&run).unwrap();
    assert!(old.get("forgiven").is_none(), "an earlier release reads what we write");
    old.as_object_mut().unwrap().remove("forgiven");
    assert_eq!(serde_json::from_value::<Run>(old).unwrap(), run);
}
