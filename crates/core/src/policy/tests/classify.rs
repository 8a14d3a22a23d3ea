//! Which tier a change gets.

use proptest::prelude::*;

use super::*;
use crate::requirement::ProductName;

fn classified(policy: &str, product: &str, change: &Change) -> Classification {
    let products: Vec<ProductName> = vec![product.parse().unwrap()];
    let contract = Contract { base: Some(policy), head: Some(policy), forks: &[] };
    classify(&Scope::new(contract, &products), change).unwrap()
}

#[track_caller]
fn golden(path: &str, wealth: Tier, ecm: Tier) {
    let tier = |product| classified(SEED, product, &change(&[path])).tier;
    assert_eq!((tier("wealth"), tier("ecm")), (wealth, ecm), "{path}");
}

#[test]
fn the_golden_vectors_hold() {
    use Tier::{Critical, High, Low, Medium};
    golden("api/v1/risk_check.py", High, High);
    golden("services/risk_checker.py", High, High);
    golden("tests/test_risk_checker.py", Low, Low);
    golden("api/v1/trades/order.py", Critical, High);
    golden("api/v1/trades", Critical, High);
    golden("api/v1/tests/test_x.py", High, High);
    golden("tests/api/v1/x.py", Low, Low);
    golden("services/broker_gateway.py", Critical, High);
    golden("services/broker_gateway2.py", Low, High);
    golden("services/risk_/x.py", Low, High);
    golden("services/trading_service.py", Low, High);
    golden("db/migrations/0001_init.sql", Critical, Low);
    golden("lib/kelly_criterion.py", High, Low);
    golden("channels/slack.py", Medium, Low);
    golden("frontend/app.tsx", Low, Low);
    golden("api/v1/runbooks/a.py", High, Critical);
    golden("services/sub/remediation_x.py", Low, High);
    golden("services/remediation_x.py", Low, Critical);
    golden("API/v1/x.py", High, High);
    golden(".aspora/risk-policy.json", Critical, Critical);
    golden(".github/workflows/ci.yml", Critical, Critical);
    golden("tests/harness/test_zero_portfolio.py", High, High);
    golden("api/v1/trades", Critical, High);
}

#[test]
fn an_api_change_is_high_and_an_empty_change_is_low() {
    let paths = ["api/v1/risk_check.py", "services/risk_checker.py", "tests/test_risk_checker.py"];
    assert_eq!(classified(SEED, "wealth", &change(&paths)).tier, Tier::High);
    assert_eq!(classified(SEED, "wealth", &change(&[])).tier, Tier::Low);
}

#[test]
fn a_path_that_equals_a_pattern_but_for_letter_case_matches_and_says_so() {
    let reason = |path: &str| {
        let placed = classified(SEED, "wealth", &change(&[path]));
        (placed.tier, placed.paths[0].reasons[0].rule.clone())
    };
    let twin = (Tier::Critical, "api/v1/trades/** (but for letter case)".to_owned());
    assert_eq!(reason("api/V1/trades/orders.py"), twin);
    assert_eq!(
        reason("Services/RISK_\u{212a}.py"),
        (Tier::High, "services/risk_*.py (but for letter case)".to_owned())
    );
    assert_eq!(reason("api/v1/Tests/a.py"), (Tier::High, "api/v1/**".to_owned()), "it never lowers a tier");
}

#[test]
fn a_money_path_in_low_gives_a_warning() {
    let warned = |path: &str, word: &str| {
        let warnings = classified(SEED, "wealth", &change(&[path])).warnings;
        assert!(warnings.iter().any(|warning| warning.contains(word)), "{warnings:?}");
    };
    warned("services/trading_service.py", "money path");
    assert_eq!(classified(SEED, "wealth", &change(&["tests/a.py"])).warnings, Vec::<String>::new());
}

#[test]
fn an_unknown_product_is_judged_under_all_products() {
    assert_eq!(classified(SEED, "other", &change(&["services/remediation_x.py"])).tier, Tier::Critical);
}

#[test]
fn no_pattern_means_high_with_a_warning() {
    let policy = SEED.replace(r#""low": ["**"]"#, r#""low": ["x/**"]"#);
    let placed = classified(&policy, "ecm", &change(&["lib/a.py"]));
    assert_eq!(placed.tier, Tier::High);
    assert!(placed.warnings.iter().any(|warning| warning.contains("no catch-all")));
}

#[test]
fn a_dependency_needs_a_persons_approval() {
    assert_eq!(decided(&["requirements.txt"], |_| ()), "clear");
    assert_eq!(decided(&["requirements.txt"], |facts| facts.approvals.clear()), "waiting");
    assert_eq!(
        decided(HIGH, |facts| facts.approvals.clear()),
        "clear",
        "a clean review is enough for other files"
    );
}

#[test]
fn a_rename_that_hides_a_critical_path_is_critical() {
    let raw = b":100644 000000 a b D\0api/v1/trades/order.py\0:000000 100644 b a A\0tests/order.py\0";
    assert_eq!(classified(SEED, "wealth", &Change::from_raw_diff(raw).unwrap()).tier, Tier::Critical);
}

#[test]
fn a_name_that_git_quotes_or_that_is_not_utf8_is_not_lost() {
    assert_eq!(classified(SEED, "wealth", &change(&["api/v1/trades/caf\u{e9}\n.py"])).tier, Tier::Critical);
    let odd = Change { files: vec![FileChange { odd: true, ..modified(r"caf\xe9.py") }] };
    assert_eq!(classified(SEED, "wealth", &odd).tier, Tier::Critical);
}

#[test]
fn a_change_that_is_too_long_or_disagrees_with_the_forge_is_critical() {
    let many: Vec<String> = (0..=MOST_FILES).map(|n| format!("tests/{n}.py")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(classified(SEED, "wealth", &change(&many)).tier, Tier::Critical);
    assert_eq!(classified(SEED, "wealth", &change(&many[..MOST_FILES])).tier, Tier::Low);
    let mut facts = facts(&["tests/a.py"]);
    facts.forge_changed_files = 2;
    assert_eq!(judge(&facts).tier(), Tier::Critical);
}

proptest! {
    #[test]
    fn a_tier_is_never_lowered_by_adding_a_file(
        paths in prop::collection::vec("(api/v1/|tests/|services/|\\.github/|frontend/)[a-zA-Z_./\n]{0,12}", 1..8),
        product in "wealth|ecm|other",
    ) {
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let tier = |upto| classified(SEED, &product, &change(&paths[..upto])).tier;
        prop_assert!(tier(paths.len() - 1) <= tier(paths.len()));
    }
}
