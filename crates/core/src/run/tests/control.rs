//! What people may do to a run.

use uuid::Uuid;

use super::*;

fn moved(run: &Run, workflow: &Workflow, event: &Event) -> (Run, Vec<Action>) {
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

/// A run after these outcomes.
fn after(answers: &[Outcome]) -> (Workflow, Run) {
    let (workflow, mut run) = begun();
    for &outcome in answers {
        run = moved(&run, &workflow, &answer(&run, outcome)).0;
    }
    (workflow, run)
}

/// The step that a paused run resumes at, and whether its job is still queued.
#[track_caller]
fn paused_at(run: &Run) -> (&str, bool) {
    let State::Paused(Pause { was, queued, .. }) = &run.state else { panic!("{:?}", run.state) };
    (was.step().unwrap(), *queued)
}

#[test]
fn a_paused_job_is_held_and_a_resume_releases_it() {
    let (workflow, run) = begun();
    let (paused, actions) = moved(&run, &workflow, &pause());
    assert_eq!((paused_at(&paused), actions), (("generate", true), vec![Action::PauseJob]));
    assert_eq!(paused.step(), Some("generate"));
    let (resumed, actions) = moved(&paused, &workflow, &resume());
    assert_eq!((&resumed, actions), (&run, vec![Action::ResumeJob]));
}

#[test]
fn an_answer_while_paused_counts_and_enqueues_nothing() {
    let (workflow, run) = begun();
    let paused = moved(&run, &workflow, &pause()).0;
    let progress = Progress { pull: Some(7), ..Progress::default() };
    let answer = Event::Answered { turn: 1, outcome: Opened, note: "opened".to_owned(), progress };
    let (paused, actions) = moved(&paused, &workflow, &answer);
    assert_eq!((paused_at(&paused), actions), (("gate", false), vec![]));
    assert_eq!((paused.progress.pull, paused.visits["gate"]), (Some(7), 1));
    assert_eq!(
        refusal(&paused, &workflow, &answer),
        "`answered` does not apply to a run that is paused",
        "a job answers once"
    );
    let (resumed, actions) = moved(&paused, &workflow, &resume());
    assert!(matches!(&actions[..], [Action::Enqueue { step, turn: 2, .. }] if step == "gate"), "{actions:?}");
    assert_eq!((place(&resumed).as_str(), resumed.visits["gate"]), ("gate", 1));
}

#[test]
fn a_failed_attempt_keeps_a_paused_run_paused_with_its_job() {
    let (workflow, run) = begun();
    let paused = moved(&run, &workflow, &pause()).0;
    let failed = Event::Failed { turn: 1, attempt: 1, error: "503".to_owned(), retry_at: now() };
    let (still, actions) = moved(&paused, &workflow, &failed);
    assert_eq!((&still, actions), (&paused, vec![]));
}

#[test]
fn a_step_that_parks_while_paused_sets_no_timer_and_runs_afresh_when_resumed() {
    let (workflow, run) = begun();
    let paused = moved(&run, &workflow, &pause()).0;
    let park = Park::new("checks", vec![Topic::Checks], now());
    let parked = Event::Parked { turn: 1, park, progress: Progress::default() };
    let (paused, actions) = moved(&paused, &workflow, &parked);
    assert_eq!((paused_at(&paused), actions), (("generate", false), vec![]));
    let news = Event::Signalled { topic: Topic::Checks };
    assert_eq!(refusal(&paused, &workflow, &news), "`signalled` does not apply to a run that is paused");
    let actions = moved(&paused, &workflow, &resume()).1;
    assert!(matches!(&actions[..], [Action::Enqueue { turn: 2, .. }]), "{actions:?}");
}

#[test]
fn a_pause_of_a_waiting_run_clears_its_timer() {
    let (workflow, run) = parked();
    let (paused, actions) = moved(&run, &workflow, &pause());
    assert_eq!((paused_at(&paused), actions), (("generate", false), vec![Action::ClearTimer]));
    let (resumed, actions) = moved(&paused, &workflow, &resume());
    assert!(matches!(&actions[..], [Action::Enqueue { turn: 2, .. }]), "{actions:?}");
    assert_eq!(resumed.state, State::At { step: "generate".to_owned(), since: now() });
}

#[test]
fn an_answer_that_leads_to_an_end_ends_a_paused_run() {
    let (workflow, run) = begun();
    let paused = moved(&run, &workflow, &pause()).0;
    let (ended, actions) = moved(&paused, &workflow, &answer(&paused, Declined));
    assert_eq!((place(&ended).as_str(), actions), ("rejected", vec![Action::Finish(End::Failed)]));
}

#[test]
fn a_cancel_removes_the_job_or_the_timer() {
    let cancel = Event::Cancelled { reason: reason() };
    let finish = Action::Finish(End::Cancelled);
    let (workflow, run) = begun();
    let (ended, actions) = moved(&run, &workflow, &cancel);
    assert_eq!(actions, [Action::CancelJob, finish.clone()]);
    let expected = State::Ended { name: "cancelled".to_owned(), end: End::Cancelled, reason: reason() };
    assert_eq!(ended.state, expected);
    assert_eq!(refusal(&ended, &workflow, &cancel), "`cancelled` does not apply to a run that is ended");
    let paused = moved(&run, &workflow, &pause()).0;
    assert_eq!(moved(&paused, &workflow, &cancel).1, [Action::CancelJob, finish.clone()]);
    let (workflow, waiting) = parked();
    assert_eq!(moved(&waiting, &workflow, &cancel).1, [Action::ClearTimer, finish.clone()]);
    let paused = moved(&waiting, &workflow, &pause()).0;
    assert_eq!(moved(&paused, &workflow, &cancel).1, [finish]);
}

#[test]
fn run_now_ends_a_wait_and_makes_a_job_due() {
    let hurry = Event::Hurried { reason: reason() };
    let (workflow, waiting) = parked();
    let actions = moved(&waiting, &workflow, &hurry).1;
    assert!(matches!(&actions[..], [Action::ClearTimer, Action::Enqueue { turn: 2, .. }]), "{actions:?}");
    let (workflow, run) = begun();
    assert_eq!(moved(&run, &workflow, &hurry), (run.clone(), vec![Action::MakeJobDue]));
    let paused = moved(&run, &workflow, &pause()).0;
    assert_eq!(refusal(&paused, &workflow, &hurry), "`hurried` does not apply to a run that is paused");
}

#[test]
fn a_skip_takes_the_transition_of_its_outcome_and_drops_the_job() {
    let (workflow, run) = after(&[Opened]);
    let (run, actions) = moved(&run, &workflow, &skip(Passed));
    assert!(
        matches!(&actions[..], [Action::CancelJob, Action::Enqueue { step, .. }] if step == "review"),
        "{actions:?}"
    );
    assert_eq!(
        refusal(&run, &workflow, &skip(Merged)),
        "`review` never answers `merged`; it answers `clean`, `findings`, `moved`"
    );
}

#[test]
fn a_verdict_or_a_merge_cannot_be_skipped() {
    let (workflow, verdict) = after(&[Opened, Passed, Clean]);
    let message = |step: &str| format!("`{step}` cannot be skipped: nothing is merged that was not judged");
    assert_eq!(refusal(&verdict, &workflow, &skip(Cleared)), message("verdict"));
    let (workflow, merge) = after(&[Opened, Passed, Clean, Cleared]);
    assert_eq!(refusal(&merge, &workflow, &skip(Merged)), message("merge"));
    let paused = moved(&merge, &workflow, &pause()).0;
    assert_eq!(refusal(&paused, &workflow, &skip(Merged)), message("merge"));
}

#[test]
fn only_a_resume_ends_a_pause() {
    let (workflow, run) = after(&[Opened]);
    let paused = moved(&run, &workflow, &pause()).0;
    let (skipped, actions) = moved(&paused, &workflow, &skip(Passed));
    assert_eq!((paused_at(&skipped), actions), (("review", false), vec![Action::CancelJob]));
    let (sent, actions) = moved(&skipped, &workflow, &retry("gate"));
    assert_eq!((paused_at(&sent), actions), (("gate", false), vec![]));
    assert_eq!((sent.turn, sent.visits["gate"]), (run.turn, 2));
}

#[test]
fn a_retry_grants_new_rounds_and_keeps_counting_visits() {
    let rounds = [
        Opened, Passed, Findings, Pushed, Passed, Findings, Pushed, Passed, Findings, Pushed, Passed,
        Findings,
    ];
    let (workflow, mut run) = after(&rounds);
    assert_eq!((place(&run).as_str(), run.visits["remediate"]), ("needs_human", 3));
    let last = Event::Answered {
        turn: run.turn,
        outcome: Findings,
        note: String::new(),
        progress: Progress::default(),
    };
    assert_eq!(Run::retry_step(&workflow, "rerun", &last), "remediate", "its visits were used up");
    run = moved(&run, &workflow, &retry("remediate")).0;
    assert_eq!((run.visits["remediate"], run.used("remediate")), (4, 1));
    assert!(run.was_sent_here());
    assert_eq!(run.visits_left(&workflow, "rerun", Findings), Some(2));
    for outcome in [Pushed, Passed, Findings, Pushed, Passed, Findings, Pushed, Passed, Findings] {
        run = moved(&run, &workflow, &answer(&run, outcome)).0;
    }
    assert_eq!((place(&run).as_str(), run.visits["remediate"]), ("needs_human", 6));
}

#[test]
fn a_run_is_retried_at_the_step_where_it_ended() {
    let workflow = workflow();
    let exhausted = Event::Exhausted { turn: 3, attempts: 5, error: "e".to_owned() };
    assert_eq!(Run::retry_step(&workflow, "review", &exhausted), "review");
    let stopped = Event::Answered {
        turn: 3,
        outcome: Outcome::Stopped,
        note: String::new(),
        progress: Progress::default(),
    };
    assert_eq!(Run::retry_step(&workflow, "gate", &stopped), "gate");
    assert_eq!(Run::retry_step(&workflow, "verdict", &Event::Cancelled { reason: reason() }), "verdict");
}

#[test]
fn a_run_that_succeeded_is_not_retried() {
    let (workflow, run) = after(&[Opened, Passed, Clean, Cleared, Merged]);
    let message = "the run has succeeded; there is nothing to retry";
    assert_eq!(refusal(&run, &workflow, &retry("gate")), message);
    let (workflow, mut run) = after(&[Opened, Closed]);
    run.progress.merged = Some("a".repeat(40).parse().unwrap());
    assert_eq!(refusal(&run, &workflow, &retry("gate")), message);
}

#[test]
fn a_retry_from_an_unknown_step_lists_the_steps() {
    let (workflow, run) = begun();
    assert_eq!(
        refusal(&run, &workflow, &retry("deploy")),
        "workflow `requirement` has no step `deploy`; it has `gate`, `generate`, `merge`, `recheck`, \
         `remediate`, `rerun`, `review`, `update`, `verdict`"
    );
}

#[test]
fn a_retry_drops_the_job_or_the_timer() {
    let (workflow, run) = begun();
    let actions = moved(&run, &workflow, &retry("gate")).1;
    assert!(matches!(&actions[..], [Action::CancelJob, Action::Enqueue { .. }]), "{actions:?}");
    let (workflow, run) = parked();
    let actions = moved(&run, &workflow, &retry("gate")).1;
    assert!(matches!(&actions[..], [Action::ClearTimer, Action::Enqueue { .. }]), "{actions:?}");
}

#[test]
fn a_fork_begins_at_its_step_with_what_was_learnt() {
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
        Run::begin(&workflow, &Event::Started { progress: Progress::default() }, now()),
        Run::start(&workflow, now()),
        "every history begins the same way"
    );
}

#[test]
fn a_run_saved_by_an_earlier_release_is_read() {
    let (_, run) = begun();
    let mut old = serde_json::to_value(&run).unwrap();
    assert!(old.get("forgiven").is_none(), "an earlier release reads what we write");
    old.as_object_mut().unwrap().remove("forgiven");
    assert_eq!(serde_json::from_value::<Run>(old).unwrap(), run);
}

#[test]
fn a_paused_run_is_stored_as_earlier_releases_read_it() {
    let (workflow, run) = begun();
    let paused = moved(&run, &workflow, &pause()).0;
    let stored = serde_json::json!({
        "is": "paused",
        "was": { "is": "at", "step": "generate", "since": "1970-01-01T00:00:00Z" },
        "queued": true,
        "by": "pm@acme",
        "reason": "waiting for legal",
        "cause": "person",
        "since": "1970-01-01T00:00:00Z",
    });
    assert_eq!(serde_json::to_value(&paused.state).unwrap(), stored);
    assert_eq!(serde_json::from_value::<State>(stored).unwrap(), paused.state);
}

#[test]
fn a_person_takes_a_run_over_and_a_resume_accepts_what_the_branch_holds() {
    let (workflow, run) = begun();
    let taken = Event::TakenOver { by: "asha".to_owned(), reason: "pushed abc1234".to_owned() };
    let resumed = resume();
    let (over, actions) = run.apply(&workflow, &taken, now()).unwrap();
    assert_eq!(actions, [Action::PauseJob]);
    let State::Paused(paused) = &over.state else { panic!("{:?}", over.state) };
    assert!(paused.takeover && paused.queued && paused.by == "asha");
    let (back, actions) = over.apply(&workflow, &resumed, now()).unwrap();
    assert_eq!((actions, back.given_back), (vec![Action::ResumeJob], true));
    // It stays so until a step has accepted the head.
    let park = |accepted: Option<&str>| Event::Parked {
        turn: back.turn,
        park: Park::new("checks", vec![], now()),
        progress: Progress { accepted: accepted.map(|sha| sha.parse().unwrap()), ..Progress::default() },
    };
    let head = "ab".repeat(20);
    assert!(back.apply(&workflow, &park(None), now()).unwrap().0.given_back);
    let (accepted, _) = back.apply(&workflow, &park(Some(&head)), now()).unwrap();
    assert_eq!((accepted.given_back, accepted.progress.accepted.unwrap().as_str()), (false, head.as_str()));
    // A pause becomes a takeover, and a plain pause gives nothing back.
    let (paused, _) = run.apply(&workflow, &pause(), now()).unwrap();
    assert!(!paused.apply(&workflow, &resumed, now()).unwrap().0.given_back);
    let (over, actions) = paused.apply(&workflow, &taken, now()).unwrap();
    assert!(matches!(&over.state, State::Paused(pause) if pause.takeover), "{:?}", over.state);
    assert_eq!(actions, []);
}
