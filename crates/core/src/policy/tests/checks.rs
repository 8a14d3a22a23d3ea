//! What the checks of a head decide.

use super::*;

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
    check_ends(Conclusion::StartupFailure, "blocked");
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

#[test]
fn what_cannot_be_read_is_waited_for_past_every_deadline() {
    let unread = |facts: &mut Facts, why: &str| {
        facts.checks.clear();
        facts.at = now() + Duration::days(3);
        facts.review.as_mut().unwrap().completed_at = facts.at;
        let runs = Some(why.to_owned());
        facts.ci = Some(Ci { check_runs_unreadable: runs, checks_are_withheld: true, ..Ci::default() });
    };
    assert_eq!(decided(LOW, |facts| unread(facts, "not permitted")), "waiting");
    let mut facts = facts(LOW);
    unread(&mut facts, "our credential may not read check runs");
    let sentence = judge(&facts).sentence();
    let expected = "waiting for CI Pipeline, which cannot be read: our credential may not read check runs";
    assert_eq!(sentence, expected);
    let named = |wait: &Wait| matches!(wait, Wait::Unreadable { name, .. } if name == "CI Pipeline");
    assert!(matches!(judge(&facts).decision(), Decision::Waiting { on } if on.iter().all(named)));
    // Facts of an earlier edition are judged as they were.
    facts.edition = 1;
    facts.ci.as_mut().unwrap().check_runs_unreadable = None;
    assert_eq!(judge(&facts).decision().as_str(), "blocked");
}

#[test]
fn a_check_that_others_report_does_not_wait_for_what_cannot_be_read() {
    let mut facts = facts(LOW);
    facts.ci = Some(Ci { statuses_unreadable: Some("not permitted".to_owned()), ..Ci::default() });
    assert_eq!(judge(&facts).decision().as_str(), "clear");
}
