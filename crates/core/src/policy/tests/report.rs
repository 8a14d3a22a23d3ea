//! What people read of an assessment.

use super::*;

#[test]
fn the_sentence_says_what_the_run_waits_for() {
    let mut facts = facts(&["frontend/app.tsx", "services/risk_a.py"]);
    facts.checks[0] = check_fact("CI Pipeline", 1, None);
    facts.checks.remove(1);
    assert_eq!(
        judge(&facts).sentence(),
        "waiting for 2 of 4 checks on def4567: harness-smoke (not reported), CI Pipeline (in progress)"
    );
}

#[test]
fn a_report_escapes_what_comes_from_outside_and_stays_short() {
    let many: Vec<String> =
        (0..2_000).map(|n| format!("tests/@you|`x`<b>\n{n}/{}", "é".repeat(90))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut facts = facts(&many);
    facts.checks[0].url = Some("javascript:alert(1)".to_owned());
    let report = judge(&facts).to_markdown();
    assert!(report.len() <= 65_000 && report.contains("cut here"));
    for wrong in ["@you", "<b>", "javascript:"] {
        assert!(!report.contains(wrong), "{wrong}");
    }
}
