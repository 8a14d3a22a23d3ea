//! What runs teach, one case a line.

mod laws;

use chrono::{DateTime, TimeDelta, Utc};

use super::{filing::Known, *};
use crate::measure::{Facts, Objectives};

const MINUTE: i64 = 60;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

/// An event at a second, of an attempt that began five seconds before, if a worker brought it.
fn event(second: i64, step: &str, kind: &str) -> Happening {
    let is_attempt = matches!(kind, "answered" | "parked" | "failed" | "exhausted");
    Happening {
        at: at(second),
        began_at: is_attempt.then(|| at(second - 5)),
        step: Some(step.to_owned()).filter(|step| !step.is_empty()),
        kind: kind.to_owned(),
        ..Happening::default()
    }
}

/// An answer, and the head that it brings.
fn answer(second: i64, step: &str, outcome: &str, head: &str) -> Happening {
    let head = Some(head.to_owned()).filter(|head| !head.is_empty());
    Happening { outcome: Some(outcome.to_owned()), head, ..event(second, step, "answered") }
}

fn detailed(second: i64, step: &str, kind: &str, detail: &str) -> Happening {
    Happening { detail: Some(detail.to_owned()), ..event(second, step, kind) }
}

/// A call of ten tokens that was answered four seconds later.
fn call(second: i64, key: &str) -> Call {
    Call { at: at(second), done_at: Some(at(second + 4)), key: key.to_owned(), tokens: 10, micro_dollars: 3 }
}

fn facts(history: Vec<Happening>) -> Facts {
    Facts {
        product: "wealth".to_owned(),
        tier: Some("high".to_owned()),
        is_ours: true,
        ended_as: "succeeded".to_owned(),
        ended_at: history.last().map_or(at(0), |event| event.at),
        submitted_at: at(0),
        is_merged: true,
        is_unjudged: false,
        history: Some(history),
        approved: None,
        findings: Vec::new(),
        tokens: 0,
        micro_dollars: 0,
        coverage: None,
        incidents: 0,
        objectives: Objectives { first_pull_minutes: 1, loop_minutes: 1 },
    }
}

/// A change that is reviewed, fixed once and merged.
fn with_a_round() -> Vec<Happening> {
    vec![
        event(0, "", "started"),
        answer(20, "generate", "opened", "h1"),
        answer(30, "review", "findings", ""),
        answer(50, "remediate", "pushed", "h2"),
        answer(60, "recheck", "passed", ""),
        answer(70, "rerun", "clean", ""),
        answer(80, "merge", "merged", ""),
    ]
}

fn calls_of_a_round() -> Vec<Call> {
    vec![
        call(15, "generate.1/model.1"),
        call(25, "review.1/model.1"),
        call(45, "remediate.1/model.1"),
        call(65, "rerun.1/model.1"),
    ]
}

/// The same without the round.
fn straight() -> Vec<Happening> {
    vec![
        event(0, "", "started"),
        answer(20, "generate", "opened", "h1"),
        answer(30, "review", "clean", ""),
        answer(80, "merge", "merged", ""),
    ]
}

fn found(head: &str, path: &str, is_actionable: bool) -> Found {
    let (head, path) = (head.to_owned(), path.to_owned());
    Found { head, path, is_actionable, message: "divides by zero".to_owned() }
}

fn blocked(head: &str, held: Held) -> Blocked {
    Blocked { at: at(28), head: head.to_owned(), held: vec![held] }
}

fn look(run: &Facts, details: &Details) -> LookBack {
    LookBack::of(run, details).unwrap()
}

/// The causes of a run, each with its rounds, calls and seconds of waiting and the kind of what is proposed.
fn lessons(run: &Facts, details: &Details) -> Vec<String> {
    let lesson = |it: &Lesson| {
        let kind = it.proposed.as_ref().map_or("-", |it| it.kind.as_str());
        let Cost { rounds, calls, wait_ms } = it.cost;
        format!("{} {rounds} {calls} {} {kind}", it.cause, wait_ms / 1000)
    };
    look(run, details).lessons.iter().map(lesson).collect()
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "a case is a line")]
fn check(history: Vec<Happening>, details: Details, expected: &[&str]) {
    assert_eq!(lessons(&facts(history), &details), expected);
}

#[test]
fn a_clean_run_has_no_lesson_and_says_so() {
    let it =
        look(&facts(straight()), &Details { calls: calls_of_a_round()[..2].to_vec(), ..Details::default() });
    assert_eq!((it.rounds, it.waste, it.lessons.len()), (0, Waste::default(), 0));
    assert_eq!(it.sentence(), "a clean run: no round, nothing wasted, and no lesson");
    assert_eq!(it.time.values().sum::<i64>(), 80_000);
}

#[test]
fn a_deleted_history_is_no_data_and_not_zero() {
    let run = Facts { history: None, ..facts(straight()) };
    assert_eq!(LookBack::of(&run, &Details::default()), None);
}

#[test]
fn what_is_held_against_a_head_is_a_lesson_where_it_took_a_round() {
    let details = |held| Details {
        calls: calls_of_a_round(),
        blocked: vec![blocked("h1", held)],
        ..Details::default()
    };
    for (held, cause) in [
        (Held::Check("lint".to_owned()), "check:lint 1 2 0 prompt_note"),
        (Held::Docs("docs/api.md".to_owned()), "docs:docs/api.md 1 2 0 prompt_note"),
        (Held::Tests, "tests 1 2 0 prompt_note"),
    ] {
        check(with_a_round(), details(held.clone()), &[cause]);
        check(straight(), details(held), &[]);
    }
}

#[test]
fn findings_are_lessons_by_file_where_they_took_a_round() {
    let of = |findings| Details { calls: calls_of_a_round(), findings, ..Details::default() };
    let a = || found("h1", "a.py", true);
    check(with_a_round(), of(vec![a()]), &["finding:a.py 1 2 0 harness_case"]);
    check(
        with_a_round(),
        of(vec![a(), found("h1", "b.py", true)]),
        &["finding:a.py 1 2 0 harness_case", "finding:b.py 1 2 0 harness_case"],
    );
    // What nobody fixed is no lesson, nor what was only shown, nor what is of another head.
    check(straight(), of(vec![a()]), &[]);
    check(with_a_round(), of(vec![found("h1", "a.py", false)]), &["round 1 2 0 -"]);
    check(with_a_round(), of(vec![found("h2", "a.py", true)]), &["round 1 2 0 -"]);
}

#[test]
fn evidence_and_remarks_are_lessons_of_the_round_that_answers_them() {
    let captures =
        vec![Captured { head: "h1".to_owned(), flows: vec!["portfolio-view".to_owned()], holds: false }];
    let held = vec![blocked("h1", Held::Check("Browser Evidence".to_owned()))];
    let details = Details { captures, blocked: held, calls: calls_of_a_round(), ..Details::default() };
    check(with_a_round(), details, &["evidence:portfolio-view 1 2 0 prompt_note"]);
    for (path, cause) in [("a.py", "remark:a.py 1 2 0 prompt_note"), ("", "remark 1 2 0 prompt_note")] {
        let remarks = vec![Remark { path: path.to_owned(), visit: "remediate.1".to_owned() }];
        check(with_a_round(), Details { remarks, calls: calls_of_a_round(), ..Details::default() }, &[cause]);
    }
}

#[test]
fn an_answer_that_was_not_taken_says_by_what_came_next_why() {
    let calls = || vec![call(2, "generate.1/model.1"), call(12, "generate.1/model.2")];
    let with = |tries: Vec<Tried>, consents: Vec<ConsentAsked>| Details {
        calls: calls(),
        tries,
        consents,
        ..Details::default()
    };
    let tried = |is_proof| vec![Tried { at: at(8), is_proof }];
    check(straight(), with(vec![], vec![]), &["form 0 1 0 prompt_note"]);
    check(straight(), with(tried(false), vec![]), &["tests 0 1 0 prompt_note"]);
    check(straight(), with(tried(true), vec![]), &["proof 0 1 0 prompt_note"]);
    let refused = ConsentAsked { at: at(6), until: Some(at(9)), is_refused: true };
    check(straight(), with(vec![], vec![refused]), &["dependencies 0 1 3 prompt_note"]);
    // Another visit, or the same after people have spoken, asks anew: nothing was wrong with the answer before.
    let calls = vec![call(2, "generate.1/model.1"), call(12, "generate.1/after.0.1/model.1")];
    check(straight(), Details { calls, ..Details::default() }, &[]);
}

#[test]
fn a_step_that_gives_up_over_its_last_answer_did_not_take_it() {
    let history = vec![event(0, "", "started"), detailed(20, "generate", "exhausted", "none could be used")];
    let run = Facts { ended_as: "blocked".to_owned(), is_merged: false, ..facts(history) };
    let details = Details { calls: vec![call(12, "generate.1/model.1")], ..Details::default() };
    assert_eq!(lessons(&run, &details), ["form 0 1 0 prompt_note", "failed:generate 0 0 0 -"]);
    assert_eq!(look(&run, &details).waste.unusable.calls, 1);
    assert_eq!(look(&run, &details).waste.in_vain.calls, 0);
}

#[test]
fn what_people_were_asked_costs_what_they_took_to_answer() {
    let questions = vec![Asked { at: at(5), until: Some(at(5 + MINUTE)), questions: 2 }];
    check(straight(), Details { questions, ..Details::default() }, &["questions 0 1 60 prompt_note"]);
    let consents = vec![ConsentAsked { at: at(6), until: Some(at(9)), is_refused: false }];
    check(straight(), Details { consents, ..Details::default() }, &["dependencies 0 0 3 -"]);
}

/// A run that waited so many minutes for approvals.
fn approved_after(minutes: i64) -> Vec<Happening> {
    let wait = minutes * MINUTE;
    vec![
        event(0, "", "started"),
        answer(20, "generate", "opened", "h1"),
        Happening { awaited: Some("approvers".to_owned()), ..event(30, "verdict", "parked") },
        event(30 + wait, "verdict", "signalled"),
        answer(40 + wait, "merge", "merged", ""),
    ]
}

fn cleared(approved_by: u32, raised: &[(&str, bool)]) -> Option<Cleared> {
    let raised = raised.iter().map(|(rule, is_ours)| Raised { rule: (*rule).to_owned(), is_ours: *is_ours });
    Some(Cleared { tier: "high".to_owned(), approved_by, needs_people: true, raised: raised.collect() })
}

#[test]
fn a_pattern_is_too_wide_where_people_waited_for_approve_what_nobody_faults() {
    const GLOB: &[(&str, bool)] = &[("trading/**", true)];
    let with = |cleared, findings| Details { cleared, findings, ..Details::default() };
    let narrow = ["approval:trading/** 0 0 1200 policy_pattern"];
    check(approved_after(20), with(cleared(1, GLOB), vec![]), &narrow);
    check(approved_after(9), with(cleared(1, GLOB), vec![]), &[]);
    check(approved_after(20), with(cleared(0, GLOB), vec![]), &[]);
    check(approved_after(20), with(cleared(1, GLOB), vec![found("h1", "a.py", true)]), &[]);
    check(approved_after(20), with(cleared(1, GLOB), vec![found("h1", "a.py", false)]), &narrow);
    check(approved_after(20), with(cleared(1, &[("a lock file", false)]), vec![]), &[]);
    // A built-in rule keeps the tier: narrowing the pattern would change nothing.
    let both = cleared(1, &[("a lock file", false), ("trading/**", true)]);
    check(approved_after(20), with(both, vec![]), &["approval:trading/** 0 0 1200 -"]);
    let unmatched = cleared(1, &[("no pattern matches", true)]);
    check(approved_after(20), with(unmatched, vec![]), &["unmatched 0 0 1200 policy_pattern"]);
}

#[test]
fn what_the_products_people_cannot_change_is_a_lesson_without_a_proposal() {
    let after = |events: Vec<Happening>| {
        let mut history = vec![event(0, "", "started")];
        history.extend(events);
        history.push(answer(900, "merge", "merged", ""));
        history
    };
    let paused = |cause: &str| {
        vec![
            Happening { cause: Some(cause.to_owned()), ..event(20, "generate", "paused") },
            event(80, "generate", "resumed"),
        ]
    };
    let held = |until| vec![detailed(20, "review", "held", "model a/b"), event(until, "review", "went_on")];
    let failed =
        |times: i64| (0..times).map(|time| detailed(20 + time, "review", "failed", "x")).collect::<Vec<_>>();
    let waits = format!("{WAITS_FOR_PLACE}acme/wealth to be merged");
    for (events, expected) in [
        (paused("budget"), &["budget 0 0 60 -"][..]),
        (paused("breaker"), &["breaker 0 0 60 -"]),
        (paused("person"), &[]),
        (held(90), &["outage:model a/b 0 0 70 -"]),
        (held(70), &[]),
        (vec![event(20, "review", "taken_over"), event(50, "review", "resumed")], &["takeover 0 0 30 -"]),
        (vec![answer(20, "update", "pushed", "h2")], &["base 0 0 0 -"]),
        (vec![answer(20, "merge", "refused", "")], &["merge 0 0 0 -"]),
        (failed(2), &[]),
        (failed(3), &["failed:review 0 0 0 -"]),
        (vec![detailed(20, "generate", "parked", &waits), event(50, "generate", "woken")], &["cap 0 0 30 -"]),
    ] {
        check(after(events), Details::default(), expected);
    }
}

#[test]
fn a_run_that_ended_without_its_change_says_what_ended_it() {
    let ends = |history: Vec<Happening>, ended_as: &str| Facts {
        ended_as: ended_as.to_owned(),
        is_merged: false,
        ..facts(history)
    };
    let calls = vec![call(15, "generate.1/model.1")];
    let details = Details { calls, ..Details::default() };
    let declined = vec![event(0, "", "started"), answer(20, "generate", "declined", "")];
    assert_eq!(lessons(&ends(declined, "failed"), &details), ["declined 0 1 0 prompt_note"]);
    let cancelled = vec![event(0, "", "started"), event(20, "generate", "cancelled")];
    assert_eq!(lessons(&ends(cancelled, "cancelled"), &details), ["cancelled 0 1 0 -"]);
    let mut wide = with_a_round();
    wide.truncate(3);
    let wide_answer =
        Happening { detail: Some(format!("{TOO_WIDE}12 files")), ..answer(50, "remediate", "unfixable", "") };
    wide.push(wide_answer);
    let details = Details { findings: vec![found("h1", "a.py", true)], ..Details::default() };
    assert_eq!(
        lessons(&ends(wide, "blocked"), &details),
        ["finding:a.py 1 0 0 harness_case", "growth 1 0 0 prompt_note"]
    );
    // A document that no round brought is a question to the rule.
    let mut behind = with_a_round();
    behind.truncate(2);
    behind.push(answer(30, "gate", "blocked", ""));
    let details =
        Details { blocked: vec![blocked("h1", Held::Docs("docs/api.md".to_owned()))], ..Details::default() };
    assert_eq!(lessons(&ends(behind, "blocked"), &details), ["docs:docs/api.md 0 0 0 policy_pattern"]);
}

#[test]
fn an_incident_is_laid_to_the_file_that_its_fix_changed() {
    let files = || vec!["a.py".to_owned(), "tests/test_a.py".to_owned()];
    let of = |fixed: &[&str]| Details {
        files: files(),
        incidents: vec![Incident {
            at: at(90),
            title: "It broke".to_owned(),
            fixed: fixed.iter().map(ToString::to_string).collect(),
        }],
        ..Details::default()
    };
    check(straight(), of(&["a.py", "b.py", "tests/test_a.py"]), &["incident:a.py 0 0 0 harness_case"]);
    check(straight(), of(&[]), &["incident 0 0 0 harness_case"]);
    check(straight(), of(&["b.py"]), &["incident 0 0 0 harness_case"]);
    let unjudged = Facts { is_unjudged: true, ..facts(straight()) };
    assert_eq!(lessons(&unjudged, &Details::default()), ["unjudged 0 0 0 -"]);
}

#[test]
fn an_incident_after_the_history_was_deleted_is_added_to_what_is_kept() {
    let details = Details {
        calls: calls_of_a_round(),
        findings: vec![found("h1", "a.py", true)],
        ..Details::default()
    };
    let before = look(&facts(with_a_round()), &details);
    let gone = Facts { history: None, ..facts(with_a_round()) };
    assert_eq!(before.with_later(&gone, &Details::default()), before);
    let incidents = vec![Incident { at: at(90), title: "It broke".to_owned(), fixed: Vec::new() }];
    let after = before.with_later(&gone, &Details { incidents, ..Details::default() });
    let causes: Vec<&str> = after.lessons.iter().map(|it| it.cause.as_str()).collect();
    assert_eq!(causes, ["finding:a.py", "incident"]);
    assert_eq!(after.with_later(&gone, &Details::default()), before, "and taken away with it");
}

#[test]
fn waste_is_in_parts_that_share_nothing() {
    let mut calls = calls_of_a_round();
    calls.push(call(10, "generate.1/model.0"));
    calls.push(Call { done_at: None, ..call(72, "merge.1/model.1") });
    let details = Details { calls, lost: vec![(at(71), at(74))], ..Details::default() };
    let waste = look(&facts(with_a_round()), &details).waste;
    let parts = waste
        .parts()
        .map(|(name, it)| format!("{name} {} {} {} {}", it.calls, it.tokens, it.micro_dollars, it.ms));
    assert_eq!(
        parts,
        ["unusable 1 10 3 5000", "failed 1 10 3 3000", "rounds 2 20 6 15000", "in_vain 0 0 0 0"]
    );
    assert_eq!(waste.total(), Wasted { calls: 4, tokens: 40, micro_dollars: 12, ms: 23_000 });
    let vain = Facts { is_merged: false, ended_as: "failed".to_owned(), ..facts(with_a_round()) };
    assert_eq!(look(&vain, &details).waste.total().calls, 6, "everything was for nothing");
    let theirs = Facts { is_ours: false, ..vain };
    assert_eq!(look(&theirs, &details).waste.in_vain, Wasted::default(), "a review of others' work is not");
}

#[test]
fn what_comes_after_the_end_is_no_time_of_the_run() {
    let mut history = straight();
    history.push(event(5_000, "", "pull_changed"));
    let run = Facts { history: Some(history), ..facts(straight()) };
    assert_eq!(look(&run, &Details::default()).time, look(&facts(straight()), &Details::default()).time);
}

#[test]
fn a_key_is_bounded_visible_and_differs_where_the_text_does() {
    assert_eq!(key("check", "lint"), "check:lint");
    let long = |end: &str| key("finding", &format!("{}{end}", "a/".repeat(400)));
    assert!(long("x").chars().count() <= KEY_LIMIT && long("x") != long("y"));
    let hidden = key("check", "li\u{202e}nt\n");
    assert!(hidden.starts_with("check:lint~") && hidden != key("check", "lint"), "{hidden}");
}

#[test]
fn a_note_is_one_visible_line_of_at_most_400_characters() {
    let check = |text: &str, good: bool| assert_eq!(text.parse::<Note>().is_ok(), good, "{text:?}");
    check(" Round to cents. ", true);
    check(&"ä".repeat(NOTE_LIMIT), true);
    check(&"ä".repeat(NOTE_LIMIT + 1), false);
    check("  ", false);
    check("a\nb", false);
    check("a\u{202e}b", false);
}

#[test]
fn a_proposal_is_filed_at_the_third_run_of_thirty_days_and_once() {
    let day = |day: i64| at(day * 86_400);
    let check = |days: &[i64], is_open: bool, decided: Option<i64>, expected: bool| {
        let runs = days.iter().copied().map(day).collect();
        let known = Known { runs, is_open, decided_at: decided.map(day) };
        assert_eq!(known.is_due(day(100)), expected, "{known:?}");
    };
    check(&[98, 99], false, None, false);
    check(&[98, 99, 100], false, None, true);
    check(&[71, 99, 100], false, None, true);
    check(&[70, 99, 100], false, None, false);
    check(&[98, 99, 100], true, None, false);
    // Three new ones after a decision, within thirty days of it or later.
    check(&[95, 98, 99, 100], false, Some(97), true);
    check(&[95, 96, 99, 100], false, Some(97), false);
    check(&[98, 99, 100], false, Some(10), true);
}
