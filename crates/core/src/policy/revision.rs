//! What differs between two policies, in words.

use std::collections::{BTreeMap, BTreeSet};

use super::{CheckDemand, Demands, Policy, Tier, rules::ProductRules};
use crate::{glob::Patterns, requirement::ProductName, reviewer::Setting};

/// One thing that differs between two policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revised {
    /// The product that it is about; `None` for the rules of all.
    pub product: Option<ProductName>,
    /// The pattern whose tier differs, if it is that.
    pub pattern: Option<String>,
    /// What differs, in words.
    pub sentence: String,
}

/// Everything that differs, in the order of the later policy's products; nothing if both decide alike.
#[must_use]
pub fn revised(before: &Policy, after: &Policy) -> Vec<Revised> {
    let names: BTreeSet<&ProductName> = before.products().chain(after.products()).collect();
    let mut all = Vec::new();
    for name in names {
        match (before.products.get(name), after.products.get(name)) {
            (Some(before), Some(after)) => of_product(before, after, &mut all),
            (None, Some(_)) => all.push(of(name, format!("the product {name} is new"))),
            (Some(_), None) => all.push(of(name, format!("the product {name} is gone"))),
            (None, None) => {}
        }
    }
    let lists = [
        ("paths that need documents", &before.docs.require, &after.docs.require),
        ("documents", &before.docs.files, &after.docs.files),
    ];
    for (what, before, after) in lists {
        let sentences = of_patterns(what, before, after).into_iter();
        all.extend(sentences.map(|sentence| Revised { product: None, pattern: None, sentence }));
    }
    if before.harness_gaps != after.harness_gaps {
        let sentence = "the deadlines of harness gaps differ".to_owned();
        all.push(Revised { product: None, pattern: None, sentence });
    }
    all
}

fn of(product: &ProductName, sentence: String) -> Revised {
    Revised { product: Some(product.clone()), pattern: None, sentence }
}

fn of_product(before: &ProductRules, after: &ProductRules, all: &mut Vec<Revised>) {
    let name = &after.name;
    let (was, is) = (tiers(before), tiers(after));
    let patterns: BTreeSet<&str> = was.keys().chain(is.keys()).copied().collect();
    for pattern in patterns {
        let (was, is) = (was.get(pattern), is.get(pattern));
        let sentence = match (was, is) {
            (Some(was), Some(is)) if was > is => format!("`{pattern}` falls from {was} to {is}"),
            (Some(was), Some(is)) if was < is => format!("`{pattern}` rises from {was} to {is}"),
            (None, Some(is)) => format!("`{pattern}` is new in {is}"),
            (Some(was), None) => format!("`{pattern}` is gone from {was}"),
            _ => continue,
        };
        all.push(Revised { pattern: Some(pattern.to_owned()), ..of(name, format!("{name}: {sentence}")) });
    }
    let used: BTreeSet<Tier> = before.tiers.iter().chain(&after.tiers).copied().collect();
    let used: Vec<Tier> = Tier::ALL.into_iter().filter(|tier| used.contains(tier)).rev().collect();
    for tier in used {
        let sentences = of_demands(before.demands(tier), after.demands(tier)).into_iter();
        all.extend(sentences.map(|sentence| of(name, format!("{name}: {tier} {sentence}"))));
    }
    evidence(before, after, all);
    if before.merge_method != after.merge_method {
        let word = |rules: &ProductRules| {
            rules.merge_method.map_or("as the product says".to_owned(), |method| format!("by `{method}`"))
        };
        all.push(of(name, format!("{name}: merged {} instead of {}", word(after), word(before))));
    }
    if before.reviewers != after.reviewers {
        let (now, then) = (reviewed_by(after), reviewed_by(before));
        let what = if now == then {
            format!("reviewed {now}, otherwise than before")
        } else {
            format!("reviewed {now} instead of {then}")
        };
        all.push(of(name, format!("{name}: {what}")));
    }
}

/// Who reviews, by name, or who says so.
fn reviewed_by(rules: &ProductRules) -> String {
    let name = |it: &Setting| format!("`{}`", it.name.as_ref().unwrap_or(&it.kind));
    let names = |list: &Vec<Setting>| list.iter().map(name).collect::<Vec<_>>().join(" and ");
    rules.reviewers.as_ref().map_or("as the product says".to_owned(), |list| format!("by {}", names(list)))
}

/// The strictest tier of each pattern.
fn tiers(rules: &ProductRules) -> BTreeMap<&str, Tier> {
    let mut tiers = BTreeMap::new();
    for (text, tier) in rules.patterns.texts().iter().zip(&rules.tiers) {
        let known = tiers.entry(text.as_str()).or_insert(*tier);
        *known = (*known).max(*tier);
    }
    tiers
}

fn of_demands(before: &Demands, after: &Demands) -> Vec<String> {
    let mut sentences = Vec::new();
    let (was, is) = (before.approvals_needed(), after.approvals_needed());
    if was != is {
        sentences.push(format!("needs {is} instead of {was} approvals"));
    }
    match (before.human, after.human) {
        (false, true) => sentences.push("needs people: no review by an agent counts any more".to_owned()),
        (true, false) => sentences.push("no longer needs people: a clean review counts as one".to_owned()),
        _ => {}
    }
    let lacks = |demands: &Demands, check: &CheckDemand| !demands.checks.iter().any(|it| it == check);
    let new = after.checks.iter().filter(|check| lacks(before, check));
    sentences.extend(new.map(|check| format!("needs the check {}", named(check))));
    let gone = before.checks.iter().filter(|check| lacks(after, check));
    sentences.extend(gone.map(|check| format!("no longer needs the check {}", named(check))));
    match (before.up_to_date, after.up_to_date) {
        (false, true) => sentences.push("must be up to date with its base".to_owned()),
        (true, false) => sentences.push("need not be up to date with its base".to_owned()),
        _ => {}
    }
    if before.deadline_minutes != after.deadline_minutes {
        let word = |demands: &Demands| {
            demands
                .deadline_minutes
                .map_or("the product's".to_owned(), |minutes| format!("{minutes} minutes"))
        };
        sentences.push(format!("has {} instead of {} as the deadline of checks", word(after), word(before)));
    }
    sentences
}

/// A check with who must report it, by which two demands of one name differ.
fn named(check: &CheckDemand) -> String {
    let by = match (&check.app, &check.status) {
        (Some(super::App::Id(id)), _) => format!(" of app {id}"),
        (Some(super::App::Slug(slug)), _) => format!(" of app {slug}"),
        (None, Some(status)) => format!(" as {status}"),
        (None, None) => String::new(),
    };
    let skipped = if check.skipped_counts { " (skipped counts)" } else { "" };
    format!("`{}`{by}{skipped}", check.name)
}

fn evidence(before: &ProductRules, after: &ProductRules, all: &mut Vec<Revised>) {
    let name = &after.name;
    match (&before.evidence, &after.evidence) {
        (None, None) => {}
        (Some(_), None) => all.push(of(name, format!("{name}: no path needs Browser Evidence by itself"))),
        (None, Some(_)) => {
            all.push(of(name, format!("{name}: a changed user interface needs Browser Evidence")))
        }
        (Some(before), Some(after)) => {
            let sentences = of_patterns("paths of the user interface", &before.paths, &after.paths);
            all.extend(sentences.into_iter().map(|sentence| of(name, format!("{name}: {sentence}"))));
            if (&before.required_flows, &before.assertion_checks)
                != (&after.required_flows, &after.assertion_checks)
            {
                all.push(of(name, format!("{name}: the flows or assertions of Browser Evidence differ")));
            }
        }
    }
}

fn of_patterns(what: &str, before: &Patterns, after: &Patterns) -> Vec<String> {
    let lacks = |patterns: &Patterns, text: &String| !patterns.texts().contains(text);
    let new = after.texts().iter().filter(|text| lacks(before, text));
    let gone = before.texts().iter().filter(|text| lacks(after, text));
    let new = new.map(|text| format!("`{text}` is new among the {what}"));
    new.chain(gone.map(|text| format!("`{text}` is gone from the {what}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::SEED;
    use super::*;

    fn policy(text: &str) -> Policy {
        Policy::parse(text.as_bytes()).unwrap()
    }

    #[track_caller]
    fn check(from: &str, to: &str, expected: &[&str]) {
        assert!(SEED.contains(from), "{from}");
        let found = revised(&policy(SEED), &policy(&SEED.replacen(from, to, 1)));
        assert_eq!(found.iter().map(|it| it.sentence.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_same_policy_differs_in_nothing() {
        check("\"1\"", "  \"1\"", &[]);
    }

    #[test]
    fn a_pattern_rises_falls_comes_and_goes() {
        let moved = SEED
            .replacen(
                ",
          \"db/migrations/**\"",
                "",
                1,
            )
            .replacen("\"channels/**\"", "\"channels/**\", \"db/migrations/**\"", 1);
        let said = |before: &str, after: &str| -> Vec<String> {
            revised(&policy(before), &policy(after)).into_iter().map(|it| it.sentence).collect()
        };
        assert_eq!(said(SEED, &moved), ["wealth: `db/migrations/**` falls from critical to medium"]);
        assert_eq!(said(&moved, SEED), ["wealth: `db/migrations/**` rises from medium to critical"]);
        check(
            "\"channels/**\"",
            "\"canals/**\"",
            &["wealth: `canals/**` is new in medium", "wealth: `channels/**` is gone from medium"],
        );
    }

    #[test]
    fn what_a_tier_demands_is_compared() {
        check(
            "\"requiredApprovals\": 2",
            "\"requiredApprovals\": 1",
            &["wealth: critical needs 1 instead of 2 approvals"],
        );
        check(
            "\"Security Scan\"",
            "\"Secret Scan\"",
            &[
                "wealth: critical needs the check `Secret Scan`",
                "wealth: critical no longer needs the check `Security Scan`",
            ],
        );
        check(
            "\"requiresHumanApproval\": true",
            "\"requiresHumanApproval\": false",
            &["wealth: critical no longer needs people: a clean review counts as one"],
        );
    }
}
