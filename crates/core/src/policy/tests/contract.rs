//! Which policy a head is judged by, and what it says of documents.

use super::*;

#[test]
fn a_pull_request_that_lowers_the_policy_is_judged_by_the_stricter_of_both() {
    let lowered = r#"{"products": {"wealth": {"riskTierRules": {"low": ["**"]}, "mergePolicy": {
        "critical": {"requiredChecks": [], "requiredApprovals": 0, "requiresHumanApproval": false}}}}}"#;
    let mut facts = facts(&[".aspora/risk-policy.json", "docs/API.md"]);
    facts.head_policy = Some(lowered.to_owned());
    let demands = judge(&facts).demands().unwrap().clone();
    assert_eq!((judge(&facts).tier(), demands.approvals, demands.human), (Tier::Critical, 2, true));
    assert!(demands.lists("Security Scan"));
    facts.change = change(&["api/v1/trades/a.py", "docs/API.md"]);
    assert_eq!(judge(&facts).tier(), Tier::Critical);
}

#[test]
fn without_a_policy_everything_is_critical() {
    let missing = |facts: &mut Facts| {
        facts.base_policy = None;
        facts.head_policy = None;
        facts.fork_policies = vec![None];
    };
    let mut bare = facts(LOW);
    missing(&mut bare);
    assert_eq!((judge(&bare).tier(), judge(&bare).demands().unwrap().human), (Tier::Critical, true));
    assert_eq!(decided(LOW, missing), "clear", "two people and a clean review are enough");
    assert_eq!(decided(LOW, |facts| facts.head_policy = Some("{".to_owned())), "stopped");
    assert_eq!(
        decided(LOW, |f| {
            missing(f);
            f.approvals.truncate(1)
        }),
        "waiting"
    );
}

#[test]
fn docs_drift_is_judged_at_every_tier_and_before_the_review() {
    assert_eq!(decided(&["api/v1/a.py"], |_| ()), "fixable");
    assert!(matches!(preflight(&facts(&["api/v1/a.py"])).decision(), Decision::Blocked { .. }));
    assert_eq!(*preflight(&facts(&["api/v1/a.py", "docs/API.md"])).decision(), Decision::Clear);
    let mut early = facts(HIGH);
    (early.checks, early.review, early.approvals) = (vec![], None, vec![]);
    assert_eq!(*preflight(&early).decision(), Decision::Clear);
}
