use chrono::Duration;

use super::*;
use crate::evidence::{Assertion, Evidence, Fault, FaultOf, Flow};

const SHOWN: &[&str] = &["frontend/app.tsx"];
const FLOWS: [&str; 3] = ["portfolio-view", "trade-execution", "goal-tracking"];

fn flow(name: &str) -> Flow {
    let checks = ["expected_entrypoint_exists", "expected_account_identity_present", "no_console_errors"];
    let assertions = checks.map(|name| Assertion { name: name.to_owned(), passed: true }).to_vec();
    Flow { flow: name.to_owned(), faults: vec![], assertions }
}

fn captured(flows: Vec<Flow>) -> EvidenceFacts {
    let newest = Captured { arrived_at: now() - Duration::minutes(1), evidence: Evidence { flows } };
    EvidenceFacts { newest: Some(newest) }
}

/// Facts of a change of a user interface, of which nothing but the evidence could be missing, without an app for it.
fn shown(evidence: EvidenceFacts) -> Facts {
    let mut facts = facts(SHOWN);
    facts.checks.retain(|run| run.name != EVIDENCE_CHECK);
    facts.ci = Some(Ci::default());
    facts.evidence = Some(evidence);
    facts
}

#[track_caller]
fn check(facts: &Facts, decision: &str, state: CheckState, detail: &str) {
    let assessment = judge(facts);
    let row = assessment.checks().iter().find(|row| row.name == EVIDENCE_CHECK).unwrap();
    assert!(row.detail.contains(detail), "{}", row.detail);
    assert_eq!((assessment.decision().as_str(), row.state, row.unbound), (decision, state, false));
}

#[test]
fn without_an_app_the_evidence_that_came_to_us_counts() {
    let all = captured(FLOWS.map(flow).to_vec());
    check(&shown(all.clone()), "clear", CheckState::Passed, "verified: 3 flows");
    let none = "not captured here: evidence of portfolio-view, trade-execution, goal-tracking comes by \
                `aspora evidence send` or POST /api/v1/evidence";
    check(&shown(EvidenceFacts::default()), "waiting", CheckState::Missing, none);
    // What an app reports under the name is nothing then, whatever it says.
    for conclusion in [Conclusion::Success, Conclusion::Failure] {
        let mut facts = shown(EvidenceFacts::default());
        facts.checks.push(check_fact(EVIDENCE_CHECK, 50, Some(conclusion)));
        check(&facts, "waiting", CheckState::Missing, "not captured here");
        facts.evidence = Some(all.clone());
        check(&facts, "clear", CheckState::Passed, "verified");
    }
}

#[test]
fn with_an_app_only_what_it_reports_counts() {
    let mut facts = shown(captured(FLOWS.map(flow).to_vec()));
    facts.ci = Some(Ci { evidence_app: Some(App::Slug("browsers".to_owned())), ..Ci::default() });
    check(&facts, "waiting", CheckState::Missing, "not reported by its app");
    assert_eq!(evidence_report(&facts), None);
}

#[test]
fn facts_of_earlier_releases_are_judged_as_they_were() {
    let mut facts = shown(EvidenceFacts::default());
    facts.evidence = None;
    facts.checks.push(check_fact(EVIDENCE_CHECK, 50, Some(Conclusion::Success)));
    check(&facts, "waiting", CheckState::Missing, "no app is named for it");
    facts.ci = None;
    check(&facts, "clear", CheckState::Passed, "success");
}

#[test]
fn a_fault_of_the_product_is_fixed_and_one_of_the_capture_is_captured_again() {
    let with = |of| {
        let faults = vec![Fault { of, text: "portfolio-view: this is wrong".to_owned() }];
        let broken = Flow { faults, ..flow(FLOWS[0]) };
        shown(captured(vec![broken, flow(FLOWS[1]), flow(FLOWS[2])]))
    };
    check(&with(FaultOf::Product), "blocked", CheckState::Failed, "portfolio-view: this is wrong");
    let awaits = "portfolio-view: this is wrong; awaits new evidence";
    check(&with(FaultOf::Capture), "waiting", CheckState::Running, awaits);
    let report = evidence_report(&with(FaultOf::Capture)).unwrap();
    assert_eq!(
        (report.conclusion, report.title.as_str()),
        (Some(Conclusion::Failure), "portfolio-view: this is wrong")
    );
    let is_fixable = |facts: &Facts| decided(SHOWN, |it| *it = facts.clone());
    assert_eq!(
        (is_fixable(&with(FaultOf::Product)), is_fixable(&with(FaultOf::Capture))),
        ("fixable", "waiting")
    );
}

#[test]
fn what_the_policy_demands_is_judged_by_the_policy_of_now() {
    let lacking = shown(captured(vec![flow(FLOWS[0]), flow(FLOWS[1])]));
    let missing = "goal-tracking: is required by the policy and did not come; capture this flow too; awaits";
    check(&lacking, "waiting", CheckState::Running, missing);
    let mut unasserted = flow(FLOWS[0]);
    unasserted.assertions.pop();
    let facts = shown(captured(vec![unasserted, flow(FLOWS[1]), flow(FLOWS[2])]));
    let demanded = "portfolio-view: the policy demands the assertion no_console_errors";
    check(&facts, "blocked", CheckState::Failed, demanded);
    // The head cannot lower what the base demands, and what it adds counts already.
    let mut lowered = lacking;
    lowered.head_policy = Some(SEED.replace(r#""goal-tracking""#, r#""portfolio-view""#));
    assert_eq!(evidence_demand(&lowered).unwrap().required_flows, FLOWS);
}

#[test]
fn nothing_arrives_for_ever_and_what_was_pushed_back_is_void() {
    let mut facts = shown(EvidenceFacts::default());
    facts.head_since = now() - Duration::hours(2);
    facts.checks.iter_mut().for_each(|run| run.since = Some(now() - Duration::hours(2)));
    check(&facts, "blocked", CheckState::Failed, "never reported: not captured here");
    let mut back = shown(captured(FLOWS.map(flow).to_vec()));
    (back.returned, back.head_since) = (true, now());
    let assessment = judge(&back);
    let row = assessment.checks().iter().find(|row| row.name == EVIDENCE_CHECK).unwrap();
    assert_eq!(row.state, CheckState::Missing);
}

#[test]
fn no_evidence_is_reported_where_no_interface_changed() {
    let mut facts = shown(EvidenceFacts::default());
    facts.change = change(LOW);
    assert_eq!((evidence_report(&facts), evidence_demand(&facts)), (None, None));
    let awaited = evidence_report(&shown(EvidenceFacts::default())).unwrap();
    assert_eq!((awaited.conclusion, awaited.verified), (None, None));
}

#[test]
fn another_capture_method_is_refused_with_its_pointer() {
    let other = SEED.replace(r#""captureMethod": "playwright""#, r#""captureMethod": "cypress""#);
    let refused = Policy::parse(other.as_bytes()).unwrap_err();
    let pointer = "/products/wealth/evidenceRequirements/ui_changes/captureMethod";
    assert_eq!(
        (refused.pointer.as_str(), refused.message.as_str()),
        (pointer, "must be `playwright`, the only capture method there is")
    );
}
