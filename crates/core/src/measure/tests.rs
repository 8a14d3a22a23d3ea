//! What runs count, one case a line, and laws of histories made up.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

/// An event at a second, of an attempt that began at another.
fn event(second: i64, step: &str, kind: &str, began: Option<i64>) -> Happening {
    let step = Some(step).filter(|step| !step.is_empty()).map(str::to_owned);
    Happening { at: at(second), began_at: began.map(at), step, kind: kind.to_owned(), ..Happening::default() }
}

fn answered(second: i64, step: &str, began: i64, outcome: &str) -> Happening {
    Happening { outcome: Some(outcome.to_owned()), ..event(second, step, "answered", Some(began)) }
}

/// A run that was merged after a round and a wait for people.
fn merged() -> Facts {
    let parked = |awaited: &str| Happening {
        awaited: Some(awaited.to_owned()),
        ..event(60, "verdict", "parked", Some(50))
    };
    let history = vec![
        event(0, "", "started", None),
        Happening { has_pull: true, ..answered(20, "generate", 5, "opened") },
        answered(30, "review", 20, "findings"),
        answered(50, "remediate", 30, "pushed"),
        parked("approvers"),
        event(100, "verdict", "signalled", None),
        answered(110, "verdict", 105, "cleared"),
        Happening { has_merged: true, ..answered(120, "merge", 110, "merged") },
    ];
    Facts {
        product: "wealth".to_owned(),
        tier: Some("low".to_owned()),
        is_ours: true,
        ended_as: "succeeded".to_owned(),
        ended_at: at(120),
        submitted_at: at(0),
        is_merged: true,
        is_unjudged: false,
        history: Some(history),
        approved: Some(Approved::ByPeople),
        findings: Vec::new(),
        tokens: 100,
        micro_dollars: 7,
        coverage: Some((9, 10)),
        incidents: 0,
        objectives: Objectives { first_pull_minutes: 1, loop_minutes: 1 },
    }
}

fn counts(facts: &Facts, figure: &str) -> Option<i64> {
    Measure::of(facts, None).figures.get(figure).copied()
}

#[test]
fn the_time_of_a_merge_is_split_by_what_it_was_spent_on_and_by_step() {
    let facts = merged();
    let check =
        |figure: &str, seconds: i64| assert_eq!(counts(&facts, figure), Some(seconds * 1000), "{figure}");
    check("cycle", 120);
    check("first_pull", 20);
    check("spent.queue", 10);
    check("spent.approvers", 40);
    check("spent.work", 70);
    check("step.verdict", 60);
    check("step.remediate", 20);
    assert_eq!((counts(&facts, "first_pull.met"), counts(&facts, "cycle.met")), (Some(1), None));
    assert_eq!((counts(&facts, "rounds"), counts(&facts, "cleared.first_pass")), (Some(1), None));
    assert_eq!((counts(&facts, "cost_of_merged"), counts(&facts, "coverage.covered")), (Some(7), Some(9)));
}

#[test]
fn each_merge_says_in_one_way_how_it_came_about() {
    let by_hand = || {
        let mut facts = merged();
        let last = facts.history.as_mut().and_then(|history| history.last_mut());
        last.into_iter().for_each(|last| last.outcome = Some("closed".to_owned()));
        facts
    };
    for (facts, how) in [
        (merged(), "approved"),
        (Facts { approved: Some(Approved::ByNobody), ..merged() }, "alone"),
        (Facts { approved: None, ..merged() }, "unknown"),
        (Facts { history: None, ..merged() }, "unknown"),
        (Facts { is_unjudged: true, ..by_hand() }, "unjudged"),
        (by_hand(), "by_hand"),
    ] {
        let figures = Measure::of(&facts, None).figures;
        let ways: Vec<&str> = figures.keys().filter_map(|name| name.strip_prefix("merged.")).collect();
        assert_eq!((ways, figures["merged"]), (vec![how], 1));
    }
}

#[test]
fn a_pause_waits_for_who_made_it_and_an_end_for_who_retries() {
    let paused = Happening { cause: Some("budget".to_owned()), ..event(10, "generate", "paused", None) };
    let history = vec![
        event(0, "", "started", None),
        paused,
        event(40, "generate", "resumed", None),
        answered(50, "generate", 45, "declined"),
        event(90, "", "retried_from", None),
        Happening { has_merged: true, ..answered(100, "generate", 95, "merged") },
    ];
    let facts = Facts { history: Some(history), ..merged() };
    let check =
        |figure: &str, seconds: i64| assert_eq!(counts(&facts, figure), Some(seconds * 1000), "{figure}");
    check("spent.paused_budget", 30);
    check("spent.ended", 40);
    check("spent.queue", 20);
    check("spent.work", 10);
}

#[test]
fn a_pull_request_of_others_counts_apart_but_for_cost_and_findings() {
    let found = |severity: &str, state: &str, count| FindingCount {
        reviewer: "builtin".to_owned(),
        severity: severity.to_owned(),
        state: state.to_owned(),
        count,
    };
    let findings =
        vec![found("high", "fixed", 2), found("high", "dismissed", 1), found("low", "dismissed", 5)];
    let facts = Facts { is_ours: false, findings, ..merged() };
    let figures = Measure::of(&facts, None).figures;
    let named: Vec<(&str, i64)> = figures.iter().map(|(name, amount)| (name.as_str(), *amount)).collect();
    let expected = [
        ("cost", 7),
        ("finding.high", 3),
        ("finding.high.dismissed", 1),
        ("finding.high.fixed", 2),
        ("finding.low", 5),
        ("finding.low.dismissed", 5),
        ("right.builtin", 2),
        ("settled.builtin", 3),
        ("theirs", 1),
        ("theirs.merged", 1),
        ("tokens", 100),
        ("wrong.builtin", 1),
    ];
    assert_eq!(named, expected);
}

#[test]
fn without_its_history_a_run_keeps_what_rested_on_it() {
    let before = Measure::of(&merged(), None);
    let later = Facts {
        history: None,
        incidents: 2,
        objectives: Objectives { first_pull_minutes: 9, loop_minutes: 9 },
        ..merged()
    };
    let mut expected = before.clone();
    expected.figures.insert("incident".to_owned(), 2);
    assert_eq!(Measure::of(&later, Some(&before)), expected);
}

fn shown(rows: Vec<(&str, i64, i64)>, name: &str) -> Figure {
    let day = at(0).date_naive();
    let rows = rows.into_iter().map(|(name, runs, amount)| (day, name.to_owned(), Sum { runs, amount }));
    let none = Spread::default();
    let board = Board::of(Range::last(1, day), rows.collect(), &none, &none);
    let mut figures = board.sections.into_iter().flat_map(|section| section.figures);
    figures.find(|figure| figure.name == name).unwrap()
}

#[test]
fn where_there_is_no_data_there_is_no_number() {
    for name in [
        "merged",
        "finding.high",
        "tokens",
        "auto_merged",
        "first_pass",
        "cycle.median",
        "cost",
        "coverage",
        "incident",
        "ended.failed",
    ] {
        let figure = shown(vec![], name);
        assert_eq!((figure.value, figure.behind), (None, None), "{name}");
    }
    let none = || vec![("ended", 3, 3)];
    assert_eq!(shown(none(), "merged").value, Some(0.0));
    assert_eq!(shown(none(), "incident").value, None, "nothing was merged that could break");
    assert_eq!(shown(none(), "coverage.changed").value, None);
    let unpriced = vec![("ended", 3, 3), ("tokens", 3, 900), ("unpriced", 3, 3)];
    assert_eq!(shown(unpriced, "cost").value, None, "tokens without a price cost an unknown amount");
}

#[test]
fn a_share_has_what_it_is_of_and_leads_to_its_runs() {
    let rows = || {
        vec![
            ("ended", 9, 9),
            ("merged", 4, 4),
            ("merged.alone", 3, 3),
            ("right.coderabbit", 1, 3),
            ("wrong.coderabbit", 1, 1),
            ("settled.coderabbit", 2, 4),
        ]
    };
    let share = shown(rows(), "auto_merged");
    assert_eq!((share.value, share.of, share.behind.as_deref()), (Some(0.75), Some(4), Some("merged.alone")));
    let precision = shown(rows(), "precision.coderabbit");
    assert_eq!((precision.value, precision.of), (Some(0.75), Some(4)));
    assert_eq!(precision.behind.as_deref(), Some("settled.coderabbit"));
}

fn any_event() -> impl Strategy<Value = Happening> {
    let kinds = [
        "answered",
        "parked",
        "failed",
        "held",
        "went_on",
        "paused",
        "resumed",
        "signalled",
        "woken",
        "retried_from",
        "opinion_given",
    ];
    (-50..5000_i64, proptest::option::of(-50..5000_i64), 0..kinds.len(), 0..3_usize).prop_map(
        move |(second, began, kind, step)| {
            let cause = Some("person".to_owned());
            Happening { cause, ..event(second, ["review", "merge", ""][step], kinds[kind], began) }
        },
    )
}

proptest! {
    #[test]
    fn what_time_was_spent_on_adds_up_to_the_whole_of_it(events in proptest::collection::vec(any_event(), 1..20)) {
        let spent = super::time::spent(at(0), &events);
        let last = events.iter().map(|event| event.at).max().unwrap().max(at(0));
        prop_assert_eq!(spent.by_cause.values().sum::<i64>(), last.timestamp_millis());
        prop_assert!(spent.by_step.values().sum::<i64>() <= last.timestamp_millis());
    }
}
