//! What the checks of a head decide.

use super::*;

#[test]
fn check_runs_that_cannot_be_read_are_waited_for_by_name_and_never_guessed() {
    let unread = |days: i64| {
        let mut facts = facts(LOW);
        facts.checks.clear();
        facts.checks_unreadable = Some("this credential cannot read check runs".to_owned());
        facts.head_since -= chrono::TimeDelta::days(days);
        judge(&facts).sentence()
    };
    let waits = unread(0);
    assert!(waits.contains("not visible: this credential cannot read check runs"), "{waits}");
    assert_eq!(unread(9), waits, "that a report is not visible is no proof that there is none");
}

#[test]
fn a_head_that_meets_every_demand_is_cleared_for_exactly_that_head() {
    for paths in [LOW, HIGH, CRITICAL] {
        assert_eq!(decided(paths, |_| ()), "clear", "{paths:?}");
    }
    let clearance = judge(&facts(HIGH)).clearance().unwrap();
    assert_eq!((clearance.head().as_str(), clearance.base().as_str()), (HEAD, BASE));
    assert_eq!((clearance.tier(), clearance.policy_digest().map(str::len)), (Tier::High, Some(64)));
    assert_eq!(preflight(&facts(HIGH)).clearance(), None);
}

#[test]
fn the_gate_never_waits_for_itself() {
    assert!(judge(&facts(LOW)).demands().unwrap().lists(GATE_CHECK));
    let failed = check_fact(GATE_CHECK, 50, Some(Conclusion::Failure));
    assert_eq!(decided(LOW, |facts| facts.checks.push(failed)), "clear");
}

#[track_caller]
fn check_ends(conclusion: Conclusion, expected: &str) {
    let decision = decided(LOW, |facts| facts.checks[0].conclusion = Some(conclusion));
    assert_eq!(decision, expected, "{conclusion:?}");
}

#[test]
fn only_success_satisfies_a_check() {
    check_ends(Conclusion::Success, "clear");
    check_ends(Conclusion::Failure, "fixable");
    check_ends(Conclusion::TimedOut, "fixable");
    check_ends(Conclusion::Cancelled, "blocked");
    check_ends(Conclusion::ActionRequired, "blocked");
    check_ends(Conclusion::Stale, "blocked");
    check_ends(Conclusion::Neutral, "blocked");
    check_ends(Conclusion::Skipped, "blocked");
    check_ends(Conclusion::Unknown, "blocked");
}

#[test]
fn a_check_is_waited_for_until_its_deadline() {
    assert_eq!(decided(LOW, |facts| facts.checks.clear()), "waiting");
    assert_eq!(decided(LOW, |facts| facts.checks[0] = check_fact("CI Pipeline", 1, None)), "waiting");
    let late = |facts: &mut Facts| {
        facts.checks.clear();
        facts.head_since = facts.at - Duration::minutes(60);
    };
    assert_eq!(decided(LOW, late), "blocked");
    let mut facts = facts(LOW);
    late(&mut facts);
    assert!(judge(&facts).sentence().contains("never reported"));
}

#[test]
fn the_newest_run_of_each_reporter_counts_and_so_does_a_status() {
    let with = |change: fn(&mut CheckFact)| {
        let mut run = check_fact("CI Pipeline", 60, Some(Conclusion::Failure));
        change(&mut run);
        decided(LOW, |facts| facts.checks.insert(0, run))
    };
    assert_eq!(with(|_| ()), "fixable", "a newer failure counts");
    assert_eq!(
        with(|run| run.started_at = Some(now() - Duration::hours(1))),
        "clear",
        "an older one does not"
    );
    assert_eq!(with(|run| run.app_id = 7), "fixable", "another reporter's counts too");
    let status =
        |state| CommitStatus { context: "CI Pipeline".to_owned(), state, updated_at: now(), url: None };
    assert_eq!(decided(LOW, |facts| facts.statuses.push(status(StatusState::Pending))), "waiting");
    assert_eq!(decided(LOW, |facts| facts.statuses.push(status(StatusState::Failure))), "fixable");
    assert_eq!(decided(LOW, |facts| facts.statuses.push(status(StatusState::Success))), "clear");
}

#[test]
fn a_bound_check_is_not_satisfied_by_a_check_of_the_same_name() {
    let bound =
        |app: &str| SEED.replace(r#""CI Pipeline""#, &format!(r#"{{"name": "CI Pipeline", "app": {app}}}"#));
    let under = |app: &str| {
        decided(LOW, |facts| {
            facts.base_policy = Some(bound(app));
            facts.head_policy = Some(bound(app));
        })
    };
    assert_eq!((under("15368"), under(r#""github-actions""#)), ("clear", "clear"));
    assert_eq!((under("7"), under(r#""look-alike""#)), ("waiting", "waiting"));
}

#[test]
fn skipped_counts_only_if_the_policy_says_so() {
    let policy = SEED.replace(
        r#""requiredApprovals": 0"#,
        r#""acceptedConclusions": ["skipped"], "requiredApprovals": 0"#,
    );
    let decision = decided(LOW, |facts| {
        facts.base_policy = Some(policy.clone());
        facts.head_policy = Some(policy);
        facts.checks[0].conclusion = Some(Conclusion::Skipped);
    });
    assert_eq!(decision, "clear");
}

#[test]
fn browser_evidence_is_demanded_if_and_only_if_an_interface_changed() {
    let without =
        |paths: &[&str]| decided(paths, |facts| facts.checks.retain(|run| run.name != EVIDENCE_CHECK));
    assert_eq!(without(HIGH), "clear", "listed, and no interface changed");
    assert_eq!(without(&["frontend/app.tsx"]), "waiting", "low, and an interface changed");
    assert_eq!(without(&["api/v1/a.py", "docs/API.md"]), "waiting");
    let neutral = decided(&["frontend/app.tsx"], |facts| {
        facts.checks[3].conclusion = Some(Conclusion::Neutral);
        facts.checks[3].ours = true;
    });
    assert_eq!(neutral, "blocked", "not applicable is no evidence");
}
