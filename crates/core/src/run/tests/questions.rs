//! Runs that wait for answers of their requester, and whose requirement is amended.

use super::*;
use crate::consent::Consent;

/// One of the events of what people say, drawn from a number.
pub(super) fn said(detail: u32) -> Event {
    match detail % 5 {
        0 => asked(),
        1 => answered(),
        2 => consent_asked(),
        3 => consented(),
        _ => amended(),
    }
}

fn asked() -> Event {
    Event::Asked { round: 1, questions: 2 }
}

fn answered() -> Event {
    Event::QuestionAnswered { round: 1 }
}

fn amended() -> Event {
    let (before, after, reason) = ("a".to_owned(), "b".to_owned(), "why".to_owned());
    Event::Amended { edition: 1, before, after, reason }
}

fn consent_asked() -> Event {
    Event::ConsentAsked { digest: "d".to_owned(), packages: 2 }
}

fn consented() -> Event {
    let (digest, login, reason) = ("d".to_owned(), "asha".to_owned(), "known".to_owned());
    Event::ConsentGiven { digest, consent: Consent::Yes, login, reason }
}

fn moved(run: &Run, workflow: &Workflow, event: &Event) -> (Run, Vec<Action>) {
    run.apply(workflow, event, now()).unwrap()
}

/// A run that waits at its first step for these.
fn waiting(awaited: Awaited) -> (Workflow, Run) {
    let (workflow, run) = begun();
    let park = Park { awaited, ..Park::new("2 answers", vec![], now()) };
    let parked = Event::Parked { turn: 1, park, progress: Progress::default() };
    let run = moved(&run, &workflow, &parked).0;
    (workflow, run)
}

#[test]
fn a_round_is_counted_and_moves_nothing() {
    let (workflow, run) = waiting(Awaited::Requester);
    let (asking, actions) = moved(&run, &workflow, &asked());
    assert_eq!((&asking.state, asking.asked, actions), (&run.state, 1, vec![]));
    let (_, fresh) = begun();
    assert!(!serde_json::to_string(&fresh).unwrap().contains("asked"), "stored runs stay as they are");
    let ended = run.cancel("no").unwrap().0;
    assert!(ended.apply(&workflow, &asked(), now()).is_err());
}

#[test]
fn answers_and_amendments_wake_the_run_that_waits_for_them_once() {
    for event in [answered(), amended()] {
        let (workflow, run) = waiting(Awaited::Requester);
        let (woken, actions) = moved(&run, &workflow, &event);
        assert!(matches!(&actions[..], [Action::ClearTimer, Action::Enqueue { turn: 2, .. }]), "{actions:?}");
        assert_eq!(woken.visits["generate"], 1, "waiting is not another visit");
        assert_eq!(moved(&woken, &workflow, &event), (woken.clone(), vec![]), "a second one changes nothing");
        let ended = run.cancel("no").unwrap().0;
        assert!(ended.apply(&workflow, &event, now()).is_err());
    }
}

#[test]
fn answers_wake_nothing_that_waits_for_others() {
    let (workflow, run) = waiting(Awaited::Approvers);
    assert_eq!(moved(&run, &workflow, &answered()), (run.clone(), vec![]));
    let actions = moved(&run, &workflow, &amended()).1;
    assert!(matches!(&actions[..], [Action::ClearTimer, Action::Enqueue { .. }]), "{actions:?}");
}

#[test]
fn a_paused_run_stays_paused_whatever_people_say() {
    let (workflow, run) = waiting(Awaited::Requester);
    let pause = Event::Paused { by: "pm".into(), reason: "r".into(), cause: PauseCause::Person };
    let paused = moved(&run, &workflow, &pause).0;
    for event in [answered(), amended()] {
        assert_eq!(moved(&paused, &workflow, &event), (paused.clone(), vec![]));
    }
}

#[test]
fn a_consent_wakes_whatever_wait_and_the_question_moves_nothing() {
    for awaited in [Awaited::Keepers, Awaited::Machines, Awaited::Approvers] {
        let (workflow, run) = waiting(awaited);
        assert_eq!(moved(&run, &workflow, &consent_asked()), (run.clone(), vec![]));
        let (woken, actions) = moved(&run, &workflow, &consented());
        assert!(matches!(&actions[..], [Action::ClearTimer, Action::Enqueue { turn: 2, .. }]), "{actions:?}");
        assert_eq!(
            moved(&woken, &workflow, &consented()),
            (woken.clone(), vec![]),
            "a second changes nothing"
        );
        let ended = run.cancel("no").unwrap().0;
        assert!(ended.apply(&workflow, &consented(), now()).is_err());
        assert!(ended.apply(&workflow, &consent_asked(), now()).is_err());
    }
}
