//! Which tier a change has, and for each path the pattern or rule that decided it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Contract, Error, MOST_FILES, Tier,
    contract::Ruling,
    floor::{self, is_dependency_file},
    lint,
    reason::Reason,
    rules::{Policy, ProductRules},
};
use crate::{
    change::{Change, ChangeKind, FileChange},
    requirement::ProductName,
};

/// What a change is classified under.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// Whose policy decides.
    pub contract: Contract<'a>,
    /// The products that the change may touch; an unknown one means all products.
    pub products: &'a [ProductName],
    /// How many changed files the forge counts; `None` without a forge.
    pub forge_changed_files: Option<u32>,
}

/// The tier of a change, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classification {
    /// The highest tier that any reason gives; `low` for an empty change.
    pub tier: Tier,
    /// Whether the floor demands a person, whatever the policy says.
    pub needs_human: bool,
    /// Every path, in git's order.
    pub paths: Vec<PathVerdict>,
    /// Reasons about the change as a whole.
    pub whole: Vec<Reason>,
    /// Changed files that name or lock dependencies.
    pub dependencies: Vec<String>,
    /// What is odd but does not decide the tier, for people.
    pub warnings: Vec<String>,
}

/// The tier of one path, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathVerdict {
    /// The path as git lists it.
    pub path: String,
    /// What happened to it.
    pub kind: ChangeKind,
    /// The highest tier of its reasons.
    pub tier: Tier,
    /// Every reason for its tier, the strictest first; never empty.
    pub reasons: Vec<Reason>,
}

/// Places a change.
///
/// # Errors
/// The [`Error`] of a policy that does not parse; such a change is blocked.
pub fn classify(scope: &Scope<'_>, change: &Change) -> Result<Classification, Error> {
    Ok(under(&scope.contract.ruling()?, scope, change))
}

/// Places a change under policies that have been parsed.
pub(super) fn under(ruling: &Ruling, scope: &Scope<'_>, change: &Change) -> Classification {
    let rules: Vec<&ProductRules> =
        ruling.policies.iter().flat_map(|policy| policy.of(scope.products)).collect();
    let mut warnings: BTreeSet<String> = ruling.policies.iter().flat_map(Policy::warnings).cloned().collect();
    warnings.extend(unknown_products(ruling, scope.products));
    let paths: Vec<PathVerdict> =
        change.files.iter().map(|file| place(&rules, file, &mut warnings)).collect();
    let whole = whole(ruling, scope, change);
    let grounds = || paths.iter().flat_map(|path| &path.reasons).chain(&whole);
    Classification {
        tier: grounds().map(|reason| reason.tier).max().unwrap_or(Tier::Low),
        needs_human: grounds().any(|reason| reason.human),
        dependencies: paths
            .iter()
            .map(|path| &path.path)
            .filter(|path| is_dependency_file(path))
            .cloned()
            .collect(),
        warnings: warnings.into_iter().collect(),
        paths,
        whole,
    }
}

fn place(rules: &[&ProductRules], file: &FileChange, warnings: &mut BTreeSet<String>) -> PathVerdict {
    let mut reasons = floor::reasons(file);
    for rules in rules {
        let matching = rules.patterns.matching(&file.path);
        let reason = by_pattern(rules, &matching);
        warnings.extend(oddities(rules, &file.path, &matching, &reason));
        reasons.push(reason);
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.tier));
    reasons.dedup();
    if reasons.is_empty() {
        reasons.push(Reason::floor(Tier::Critical, "no policy covers it"));
    }
    PathVerdict { path: file.path.clone(), kind: file.kind, tier: reasons[0].tier, reasons }
}

/// The highest tier that matches; within it, a pattern that is more specific than the catch-all.
fn by_pattern(rules: &ProductRules, matching: &[usize]) -> Reason {
    let strictness = |&&index: &&usize| (rules.tiers[index], rules.patterns.text(index) != "**");
    match matching.iter().max_by_key(strictness) {
        Some(&index) => Reason::of(&rules.name, rules.tiers[index], rules.patterns.text(index)),
        None => Reason::of(&rules.name, Tier::High, "no pattern matches"),
    }
}

fn oddities(rules: &ProductRules, path: &str, matching: &[usize], reason: &Reason) -> Vec<String> {
    let name = &rules.name;
    let mut odd = Vec::new();
    if matching.is_empty() {
        odd.push(format!("{name}: no pattern matches {path:?}: the product has no catch-all"));
    }
    let folded = rules.patterns.matching_in_any_case(path).into_iter().flatten();
    let missed =
        folded.filter(|&index| rules.tiers[index] > reason.tier).max_by_key(|&index| rules.tiers[index]);
    if let Some(index) = missed {
        let (pattern, tier) = (rules.patterns.text(index), rules.tiers[index]);
        odd.push(format!("{name}: {path:?} misses `{pattern}` in {tier} by letter case alone"));
    }
    if reason.tier == Tier::Low && lint::is_forgotten_money(path, &reason.rule) {
        odd.push(format!("{name}: {path:?} looks like a money path, but matches only `**` in low"));
    }
    odd
}

fn whole(ruling: &Ruling, scope: &Scope<'_>, change: &Change) -> Vec<Reason> {
    let listed = change.files.len();
    let mut whole = Vec::new();
    if let Some(missing) = ruling.missing {
        whole.push(Reason { human: true, ..Reason::floor(Tier::Critical, missing) });
    }
    if listed > MOST_FILES {
        let rule = format!("{listed} files are too many to review; the limit is {MOST_FILES}");
        whole.push(Reason::floor(Tier::Critical, rule));
    }
    if let Some(counted) = scope.forge_changed_files.filter(|&counted| usize::try_from(counted) != Ok(listed))
    {
        let rule = format!("the forge counts {counted} changed files and git lists {listed}");
        whole.push(Reason::floor(Tier::Critical, rule));
    }
    whole
}

fn unknown_products(ruling: &Ruling, products: &[ProductName]) -> Vec<String> {
    let unknown = |policy: &Policy, name: &ProductName| !policy.products().any(|known| known == name);
    let warn = |name: &ProductName| {
        ruling.policies.iter().any(|policy| unknown(policy, name)).then(|| {
            format!("the policy does not know the product {name}: the change is judged under every product")
        })
    };
    products.iter().filter_map(warn).collect()
}
