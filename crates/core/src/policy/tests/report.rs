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

#[test]
fn the_states_of_all_findings_are_in_the_report() {
    let mut facts = facts(HIGH);
    let with = |message: &str, state| {
        let finding = Finding::new(Severity::High, "a.py", Some(3), message, "code");
        Found { finding, found_on: sha(BASE), state }
    };
    let dismissed = FindingState::Dismissed { by: "asha".to_owned(), reason: "as designed".to_owned() };
    facts.review.as_mut().unwrap().findings =
        vec![with("it divides", FindingState::Open), with("it is odd", dismissed)];
    facts.earlier_findings = vec![
        with("it divides", FindingState::Gone),
        with("it leaks", FindingState::FixedAt(sha(HEAD))),
        with("it waits", FindingState::Gone),
    ];
    let report = judge(&facts).to_markdown();
    for line in [
        "❌ a.py:\u{200b}3 (high): it divides — open",
        "✅ a.py:\u{200b}3 (high): it is odd — dismissed by asha:\u{200b} as designed",
        "✅ a.py:\u{200b}3 (high): it leaks — fixed at def4567",
        "✅ a.py:\u{200b}3 (high): it waits — gone",
    ] {
        assert!(report.contains(line), "{line} is not in {report}");
    }
    assert!(!report.contains("it divides — gone"), "{report}");
    facts.earlier_findings = (0..80_u8)
        .map(|n| {
            with(
                &format!("flaw {}", char::from(n % 26 + b'a').to_string().repeat(usize::from(n / 26) + 1)),
                FindingState::Gone,
            )
        })
        .collect();
    assert!(judge(&facts).to_markdown().contains("32 findings more"), "{}", judge(&facts).to_markdown());
}
