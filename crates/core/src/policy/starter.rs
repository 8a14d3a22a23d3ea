//! A first policy for a repository that has none.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{GATE_CHECK, REVIEW_CHECK};
use crate::requirement::ProductName;

/// Folders whose change breaks nothing by itself.
const QUIET: [&str; 7] = ["doc", "docs", "example", "examples", "spec", "test", "tests"];
/// Endings of files at the top that people write, and nothing runs.
const PROSE: [&str; 4] = ["md", "rst", "txt", "adoc"];
/// The most patterns of code.
const MOST_PATTERNS: usize = 200;
/// The checks that each tier asks for, if they are reported.
const LOW: &[&str] = &["CI Pipeline"];
const HIGH: &[&str] = &["harness-smoke", "Browser Evidence", "Security Scan", "CI Pipeline"];
const CRITICAL: &[&str] =
    &["harness-smoke", "harness-integration", "Browser Evidence", "Security Scan", "CI Pipeline"];

/// A policy in JSON for a repository with these files, whose CI reports these checks: migrations are critical, code is
/// high, the rest is low, and no check is asked for that is not reported.
#[must_use]
pub fn starter(product: &ProductName, files: &[String], reported: &[String]) -> String {
    let checks = |first: &[&str], wanted: &[&str]| {
        let wanted = wanted.iter().filter(|name| reported.iter().any(|reported| reported == *name));
        first.iter().chain(wanted).map(|name| json!(name)).collect::<Vec<Value>>()
    };
    let tier = |checks: Vec<Value>, approvals: u32, human: bool| json!({"requiredChecks": checks, "requiredApprovals": approvals, "requiresHumanApproval": human});
    let mut rules = json!({"low": ["**"]});
    let code = code(files);
    if !code.is_empty() {
        rules["high"] = json!(code);
    }
    if files.iter().any(|path| format!("/{path}").contains("/migrations/")) {
        rules["critical"] = json!(["**/migrations/**"]);
    }
    let policy = json!({
        "version": "1",
        "products": {product.as_str(): {
            "riskTierRules": rules,
            "mergePolicy": {
                "critical": tier(checks(&[GATE_CHECK, REVIEW_CHECK], CRITICAL), 2, true),
                "high": tier(checks(&[GATE_CHECK, REVIEW_CHECK], HIGH), 1, false),
                "low": tier(checks(&[GATE_CHECK], LOW), 0, false),
            },
        }},
    });
    format!("{policy:#}\n")
}

/// Patterns of the code: each folder at the top that is not quiet, and each file there that is not prose. Names that a
/// pattern would read otherwise are left to the rest.
fn code(files: &[String]) -> Vec<String> {
    let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let pattern = |path: &String| match path.split_once('/') {
        Some((folder, _)) => {
            let is_quiet = folder.starts_with('.') || QUIET.contains(&folder);
            (!is_quiet && plain(folder)).then(|| format!("{folder}/**"))
        }
        None => {
            let is_prose = path.rsplit_once('.').is_none_or(|(_, end)| PROSE.contains(&end));
            (!is_prose && !path.starts_with('.') && plain(path)).then(|| path.clone())
        }
    };
    let patterns: BTreeSet<String> = files.iter().filter_map(pattern).collect();
    patterns.into_iter().take(MOST_PATTERNS).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Policy, Tier, lint};
    use super::*;

    /// The patterns of each tier, and the checks of each.
    type Outlined = (Vec<(Tier, Vec<String>)>, Vec<Vec<String>>);

    fn outline(files: &[&str], reported: &[&str]) -> Outlined {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let product: ProductName = "shop".parse().unwrap();
        let text = starter(&product, &words(files), &words(reported));
        let lint = lint(text.as_bytes());
        assert!(lint.faults.is_empty() && lint.warnings.is_empty(), "{lint:#?}\n{text}");
        let policy = Policy::parse(text.as_bytes()).unwrap();
        assert_eq!(policy.unmatched(&words(files)), Vec::<String>::new(), "{text}");
        let tiers = policy.outline(&product).unwrap().tiers;
        let checks =
            |tier: &super::super::TierOutline| tier.demands.checks.iter().map(|it| it.name.clone()).collect();
        let asked = tiers.iter().map(checks).collect();
        (tiers.into_iter().map(|tier| (tier.tier, tier.patterns)).collect(), asked)
    }

    #[test]
    fn code_is_high_migrations_are_critical_and_the_rest_is_low() {
        let files = [
            "src/main.rs",
            "docs/a.md",
            "README.md",
            "Cargo.toml",
            ".gitignore",
            "app/migrations/1.sql",
            "LICENSE",
        ];
        let (tiers, _) = outline(&files, &[]);
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            tiers,
            [
                (Tier::Critical, texts(&["**/migrations/**"])),
                (Tier::High, texts(&["Cargo.toml", "app/**", "src/**"])),
                (Tier::Low, texts(&["**"])),
            ]
        );
    }

    #[test]
    fn no_check_is_asked_for_that_is_not_reported() {
        let (_, asked) = outline(&["main.go"], &["Security Scan"]);
        assert_eq!(
            asked,
            [
                vec!["risk-policy-gate", "Code Review Agent", "Security Scan"],
                vec!["risk-policy-gate", "Code Review Agent", "Security Scan"],
                vec!["risk-policy-gate"],
            ]
        );
        let (_, asked) = outline(&["a.py", "tests/test_a.py"], &["CI Pipeline", "Security Scan"]);
        assert_eq!(asked[2], ["risk-policy-gate", "CI Pipeline"]);
        outline(&["README", "{odd}/a", "a b.py"], &[]);
    }
}
