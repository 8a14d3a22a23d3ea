//! Which notices a run gives, and whom they reach.

use chrono::TimeZone as _;

use super::*;
use crate::{
    policy::Tier,
    run::{Event, Progress, Topic},
    workflow::{Outcome, Workflow},
};

fn at(hour: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 29, hour, 0, 0).unwrap()
}

fn workflow() -> Workflow {
    Workflow::parse(include_str!("../../../../workflows/requirement.toml")).unwrap()
}

fn begun() -> Run {
    Run::start(&workflow(), at(0)).unwrap().0
}

fn then(run: &Run, event: &Event) -> Run {
    run.apply(&workflow(), event, at(1)).unwrap().0
}

fn waiting(run: &Run, awaited: Awaited, reason: &str) -> Run {
    let park = Park { awaited, ..Park::new(reason, vec![Topic::Reviews], at(2)) };
    then(run, &Event::Parked { turn: run.turn, park, progress: Progress::default() })
}

fn answered(run: &Run, outcome: Outcome, progress: Progress) -> Run {
    then(run, &Event::Answered { turn: run.turn, outcome, note: String::new(), progress })
}

fn paused(cause: PauseCause) -> Run {
    let (by, reason) = ("ada".to_owned(), "why".to_owned());
    then(&begun(), &Event::Paused { by, reason, cause })
}

fn ended(end: End) -> Run {
    let state = State::Ended { name: "x".to_owned(), end, reason: "why".to_owned() };
    Run { state, ..begun() }
}

#[track_caller]
fn check(run: &Run, expected: Option<(NoticeKind, &[Audience])>) {
    let notice = Notice::of(run);
    assert_eq!(notice.as_ref().map(|it| (it.kind, it.to)), expected);
}

#[test]
fn a_run_says_whom_it_needs() {
    use Audience::{Approvers, Keepers, Requester};
    use NoticeKind::{Failed, Merged, NeedsYou, OverBudget};
    check(&begun(), None);
    check(&waiting(&begun(), Awaited::Machines, "2 checks"), None);
    check(&waiting(&begun(), Awaited::Approvers, "1 approval"), Some((NeedsYou, &[Approvers])));
    check(&waiting(&begun(), Awaited::Requester, "an answer"), Some((NeedsYou, &[Requester])));
    check(&waiting(&begun(), Awaited::Keepers, "a policy"), Some((NeedsYou, &[Keepers])));
    check(&paused(PauseCause::Person), None);
    check(&paused(PauseCause::Budget), Some((OverBudget, &[Requester, Keepers])));
    check(&paused(PauseCause::Breaker), Some((NeedsYou, &[Keepers])));
    check(&ended(End::Succeeded), Some((Merged, &[Requester])));
    check(&ended(End::Blocked), Some((NeedsYou, &[Requester, Keepers])));
    check(&ended(End::Failed), Some((Failed, &[Requester])));
    check(&ended(End::Cancelled), Some((Failed, &[Requester])));
}

#[test]
fn what_people_did_with_the_pull_request_later_ends_the_need() {
    let after = |state| {
        let mut run = ended(End::Blocked);
        run.progress.after_end = Some(state);
        run
    };
    check(&after(PullState::Merged), Some((NoticeKind::Merged, &[Audience::Requester, Audience::Keepers])));
    check(&after(PullState::Closed), None);
    check(&after(PullState::Open), Some((NoticeKind::NeedsYou, &[Audience::Requester, Audience::Keepers])));
}

#[test]
fn a_wait_that_repeats_is_the_same_notice_and_another_wait_is_another() {
    let about = |run: &Run| Notice::of(run).unwrap().about;
    let first = waiting(&begun(), Awaited::Approvers, "2 approvals");
    let again = waiting(&then(&first, &Event::Woken), Awaited::Approvers, "1 approval");
    assert_ne!(first.turn, again.turn, "it was polled");
    assert_eq!(about(&first), about(&again));
    assert_ne!(about(&again), about(&waiting(&then(&again, &Event::Woken), Awaited::Keepers, "a policy")));
    let head = Some("1111111111111111111111111111111111111111".parse().unwrap());
    let pushed = Run { progress: Progress { head, ..Progress::default() }, ..then(&again, &Event::Woken) };
    assert_ne!(about(&again), about(&waiting(&pushed, Awaited::Approvers, "2 approvals")), "a new head");
    let keepers = |reason| about(&waiting(&begun(), Awaited::Keepers, reason));
    assert_eq!(keepers("2 threads"), keepers("1 threads"));
    assert_ne!(keepers("2 threads"), keepers("a policy"));
    let asked = |reason| about(&waiting(&begun(), Awaited::Requester, reason));
    assert_ne!(asked("question 1"), asked("question 2"));
}

#[test]
fn a_run_that_was_retried_and_ends_again_is_another_notice() {
    let first = answered(&begun(), Outcome::Declined, Progress::default());
    let retry = Event::RetriedFrom { step: "generate".to_owned(), reason: "again".to_owned() };
    let second = answered(&then(&first, &retry), Outcome::Declined, Progress::default());
    let key = |run: &Run| Notice::of(run).unwrap().key();
    assert_eq!(key(&first), key(&first.clone()));
    assert_ne!(key(&first), key(&second));
}

#[test]
fn only_a_wait_lasts_too_long() {
    let overdue = |run: &Run| Notice::of(run).unwrap().overdue_at(at(1), ANSWER_HOURS);
    let wait = waiting(&begun(), Awaited::Approvers, "1 approval");
    assert_eq!(overdue(&wait), Some(at(1) + Duration::hours(24)));
    assert_eq!(overdue(&ended(End::Blocked)), None);
    assert_eq!(overdue(&paused(PauseCause::Breaker)), None);
    let sla = Notice::of(&wait).unwrap().overdue();
    assert_eq!((sla.kind, sla.to), (NoticeKind::Sla, &[Audience::Approvers, Audience::Keepers][..]));
    assert_ne!(sla.key(), Notice::of(&wait).unwrap().key());
}

#[test]
fn a_kind_is_read_as_it_is_written_and_over_budget_also_needs_you() {
    for kind in NoticeKind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
        assert!(kind.is_wanted(&[]) && kind.is_wanted(&[kind]));
    }
    assert_eq!("stuck".parse::<NoticeKind>(), Err(UnknownKind));
    assert!(NoticeKind::OverBudget.is_wanted(&[NoticeKind::NeedsYou]));
    assert!(!NoticeKind::NeedsYou.is_wanted(&[NoticeKind::OverBudget, NoticeKind::Merged]));
}

#[test]
fn a_notice_reaches_whom_it_concerns_and_nobody_else() {
    let requester = Requester { names: vec!["pm".to_owned()], login: Some("Pia".to_owned()) };
    let person = |name: &str, login: Option<&str>, reads, steers| Person {
        name: name.to_owned(),
        login: login.map(str::to_owned),
        reads,
        steers,
    };
    let check = |run: &Run, person: &Person, actor: &str, tier: Option<Tier>, expected: bool| {
        let at = Situation { requester: &requester, actor, tier };
        let notice = Notice::of(run).unwrap();
        assert_eq!(reaches(&notice, person, &at), expected, "{person:?} {notice:?}");
    };
    let approval = waiting(&begun(), Awaited::Approvers, "1 approval");
    let (pm, eve) = (person("pm", None, true, false), person("eve", None, true, true));
    check(&approval, &eve, "host/1", None, true);
    check(&approval, &pm, "host/1", None, false);
    let asked_by_engineer = person("ada", Some("pia"), true, true);
    check(&approval, &asked_by_engineer, "host/1", Some(Tier::High), true);
    check(&approval, &asked_by_engineer, "host/1", Some(Tier::Critical), false);
    let merged = ended(End::Succeeded);
    check(&merged, &pm, "host/1", None, true);
    check(&merged, &eve, "host/1", None, false);
    check(&merged, &person("other", Some("PIA"), true, false), "host/1", None, true);
    // Nobody is notified of their own act, or of a product that is not theirs.
    check(&ended(End::Cancelled), &pm, "pm", None, false);
    check(&ended(End::Cancelled), &pm, "eve", None, true);
    check(&merged, &person("pm", None, false, false), "host/1", None, false);
    check(&approval, &person("eve", None, false, true), "host/1", None, false);
}
