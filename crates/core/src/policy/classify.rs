//! Which tier a change has, and for each path the pattern or rule that decided it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    Contents, Contract, DIFF_LIMIT, Error, MOST_FILES, MergePreview, TestFacts, Tier,
    contract::Ruling,
    floor::{self, is_dependency_file},
    lint,
    reason::Reason,
    rules::{Policy, ProductRules},
};
use crate::{
    change::{Change, ChangeKind, FileChange},
    clash::Clash,
    dependency::DependencyFile,
    requirement::ProductName,
    words::counted,
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
    /// How many files git lists when it pairs renames, which is how a forge counts.
    pub files_with_renames: Option<u32>,
    /// Bytes of the textual diff, if they were counted.
    pub diff_bytes: Option<u64>,
    /// What the merge changes beyond the listing, if it was tried.
    pub merge: Option<&'a MergePreview>,
    /// What reading the changed files and the trees found, if they were read.
    pub contents: Option<&'a Contents>,
    /// Our own runs of the product's tests, if there were any.
    pub tests: Option<&'a TestFacts>,
}

impl<'a> Scope<'a> {
    /// A change without a forge, of which only the listing is known.
    #[must_use]
    pub const fn new(contract: Contract<'a>, products: &'a [ProductName]) -> Self {
        Self {
            contract,
            products,
            forge_changed_files: None,
            files_with_renames: None,
            diff_bytes: None,
            merge: None,
            contents: None,
            tests: None,
        }
    }
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
    /// What came, went or changed in them; empty if they were not read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependency_changes: Vec<DependencyFile>,
    /// Patterns of the policy that match no file, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmatched: Vec<String>,
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
    /// Whether only the merge changes it: the base has moved on since the head forked.
    #[serde(default)]
    pub by_merge: bool,
}

/// Places a change.
///
/// # Errors
/// The [`Error`] of a policy that does not parse; such a change is blocked.
pub fn classify(scope: &Scope<'_>, change: &Change) -> Result<Classification, Error> {
    let ruling = scope.contract.ruling().map_err(|broken| broken.error)?;
    Ok(under(&ruling, scope, change))
}

/// Places a change under policies that have been parsed.
pub(super) fn under(ruling: &Ruling, scope: &Scope<'_>, change: &Change) -> Classification {
    let rules: Vec<&ProductRules> =
        ruling.policies.iter().flat_map(|policy| policy.of(scope.products)).collect();
    let mut warnings: BTreeSet<String> = ruling.policies.iter().flat_map(Policy::warnings).cloned().collect();
    warnings.extend(unknown_products(ruling, scope.products));
    let mut paths: Vec<PathVerdict> =
        change.files.iter().map(|file| read(&rules, scope, file, &mut warnings)).collect();
    let by_merge = scope.merge.iter().flat_map(|merge| &merge.beyond.files);
    paths.extend(
        by_merge.map(|file| PathVerdict { by_merge: true, ..read(&rules, scope, file, &mut warnings) }),
    );
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
        dependency_changes: scope.contents.map(|contents| contents.dependencies.clone()).unwrap_or_default(),
        unmatched: scope.contents.map(unmatched).unwrap_or_default(),
        warnings: warnings.into_iter().collect(),
        paths,
        whole,
    }
}

fn unmatched(contents: &Contents) -> Vec<String> {
    let more = contents.more_unmatched;
    let more = (more > 0).then(|| format!("{} more match no file", counted(more, "pattern")));
    contents.unmatched.iter().cloned().chain(more).collect()
}

/// Places a file by its path, and by what reading it and the trees found.
fn read(
    rules: &[&ProductRules],
    scope: &Scope<'_>,
    file: &FileChange,
    warnings: &mut BTreeSet<String>,
) -> PathVerdict {
    let mut placed = place(rules, file, warnings);
    let Some(contents) = scope.contents else { return placed };
    let mut reasons = contents.reasons(&file.path);
    for clash in contents.clashes_of(&file.path) {
        warnings.insert(clash.sentence());
        reasons.push(by_clash(rules, clash));
    }
    reasons.append(&mut placed.reasons);
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.tier));
    reasons.dedup();
    PathVerdict { tier: reasons[0].tier, reasons, ..placed }
}

/// A path that overwrites another on some systems has at least the tier of a change of that one.
fn by_clash(rules: &[&ProductRules], clash: &Clash) -> Reason {
    let overwritten = FileChange {
        path: clash.with.clone(),
        kind: ChangeKind::Modified,
        old_mode: 0o100_644,
        new_mode: 0o100_644,
        odd: false,
        blank: false,
    };
    let other = place(rules, &overwritten, &mut BTreeSet::new());
    let rule = format!("clashes with {:?}, which {} decides", clash.with, other.reasons[0].rule);
    Reason { human: other.reasons.iter().any(|reason| reason.human), ..Reason::floor(other.tier, rule) }
}

fn place(rules: &[&ProductRules], file: &FileChange, warnings: &mut BTreeSet<String>) -> PathVerdict {
    let mut reasons = floor::reasons(file);
    for rules in rules {
        let matching = rules.patterns.matching(&file.path);
        let reason = by_pattern(rules, &matching);
        warnings.extend(oddities(rules, &file.path, &matching, &reason));
        reasons.extend(but_for_letter_case(rules, &file.path, &reason));
        reasons.push(reason);
    }
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.tier));
    reasons.dedup();
    if reasons.is_empty() {
        reasons.push(Reason::floor(Tier::Critical, "no policy covers it"));
    }
    PathVerdict { path: file.path.clone(), kind: file.kind, tier: reasons[0].tier, reasons, by_merge: false }
}

/// The highest tier that matches; within it, a pattern that is more specific than the catch-all.
fn by_pattern(rules: &ProductRules, matching: &[usize]) -> Reason {
    let strictness = |&&index: &&usize| (rules.tiers[index], rules.patterns.text(index) != "**");
    match matching.iter().max_by_key(strictness) {
        Some(&index) => Reason::of(&rules.name, rules.tiers[index], rules.patterns.text(index)),
        None => Reason::of(&rules.name, Tier::High, "no pattern matches"),
    }
}

/// The highest tier of a pattern that the path equals but for letter case, if it is higher: on macOS and Windows
/// such a file overwrites the one that the pattern means.
fn but_for_letter_case(rules: &ProductRules, path: &str, reason: &Reason) -> Option<Reason> {
    let folded = rules.patterns.matching_in_any_case(path).into_iter().flatten();
    let higher = folded.filter(|&index| rules.tiers[index] > reason.tier);
    let index = higher.max_by_key(|&index| rules.tiers[index])?;
    let rule = format!("{} (but for letter case)", rules.patterns.text(index));
    Some(Reason::of(&rules.name, rules.tiers[index], &rule))
}

fn oddities(rules: &ProductRules, path: &str, matching: &[usize], reason: &Reason) -> Vec<String> {
    let name = &rules.name;
    let mut odd = Vec::new();
    if matching.is_empty() {
        odd.push(format!("{name}: no pattern matches {path:?}: the product has no catch-all"));
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
    whole.extend(miscounted(scope, change));
    if scope.diff_bytes.is_some_and(|bytes| bytes > DIFF_LIMIT) {
        let rule = format!("too_large: its diff has over {} MB", DIFF_LIMIT / 1_000_000);
        whole.push(Reason { human: true, ..Reason::floor(Tier::Critical, rule) });
    }
    whole.extend(scope.tests.into_iter().flat_map(TestFacts::reasons));
    whole
}

/// A forge pairs renames by its own measure, so any count is right from git's with renames paired to git's
/// without; one outside of both says that the listing is not of this change.
fn miscounted(scope: &Scope<'_>, change: &Change) -> Option<Reason> {
    let counted = scope.forge_changed_files?;
    let paths: BTreeSet<&str> = change.files.iter().map(|file| file.path.as_str()).collect();
    let most = u32::try_from(paths.len()).unwrap_or(u32::MAX);
    let least = scope.files_with_renames.unwrap_or(most).min(most);
    let renames = if least < most { format!(", {least} with renames paired") } else { String::new() };
    (!(least..=most).contains(&counted)).then(|| {
        let rule = format!("the forge counts {counted} changed files and git lists {most}{renames}");
        Reason::floor(Tier::Critical, rule)
    })
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
