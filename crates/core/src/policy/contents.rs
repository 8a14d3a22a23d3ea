//! What the contents of the changed files, and the trees beside them, say of a change beyond its listing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MergePreview, Tier, floor::is_dependency_file, reason::Reason};
use crate::{
    change::{Change, ChangeKind, FileChange},
    clash::{Clash, clashes},
    dependency::{self, DependencyFile},
    harness,
    path::fold,
    tested::{LostCases, TestFile, is_test_file, lost_cases},
};

/// How many files are read to be compared; the rest counts as unread.
pub const MOST_COMPARED: usize = 100;
/// How many patterns without a file are kept.
pub const MOST_UNMATCHED: usize = 20;

/// What was found by reading.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contents {
    /// What became of the project's dependencies, a file each.
    pub dependencies: Vec<DependencyFile>,
    /// The changes that may make a case of the harness weaker, a file each.
    pub weakenings: Vec<Weakening>,
    /// New paths that are existing ones where letter case or Unicode form does not count.
    pub clashes: Vec<Clash>,
    /// Patterns of the base's policy that match no file, one sentence each, at most [`MOST_UNMATCHED`].
    pub unmatched: Vec<String>,
    /// How many more match none.
    pub more_unmatched: u32,
    /// What the change takes away from its files of tests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<LostCases>,
}

/// A change of a file by which a case of the harness may become weaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Weakening {
    /// The file.
    pub path: String,
    /// Why, one sentence each; never empty.
    pub reasons: Vec<String>,
}

/// One side of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Side {
    /// It does not exist there.
    Absent,
    /// Its text.
    Text(String),
    /// It could not be read, and why.
    Unread(String),
}

impl Contents {
    /// Whether both sides of a changed file are to be compared.
    #[must_use]
    pub fn wants(file: &FileChange) -> bool {
        let path = fold(&file.path);
        names_dependencies(&path) || (harness::is_read(&path) && file.kind != ChangeKind::Deleted)
    }

    /// Compares the two sides of one changed file.
    pub fn compare(&mut self, path: &str, before: &Side, after: &Side) {
        let folded = fold(path);
        if names_dependencies(&folded) {
            let compared = dependency_file(path, before, after);
            if !self.dependencies.contains(&compared) {
                self.dependencies.push(compared);
            }
        }
        if harness::is_read(&folded) {
            self.weakened(path, weakened(path, before, after));
        }
    }

    /// Notes what only the merge changes: there is no side of the head to compare.
    pub fn note_merge(&mut self, merge: &MergePreview) {
        let why = "only the merge changes it; it is compared once the branch holds the base";
        for file in merge.beyond.files.iter().filter(|file| Self::wants(file)) {
            let unread = Side::Unread(why.to_owned());
            self.compare(&file.path, &unread, &unread);
        }
    }

    /// Looks for new paths that clash with one of these trees.
    pub fn note_clashes(&mut self, change: &Change, existing: &[String]) {
        let of_kind = |kind| {
            change
                .files
                .iter()
                .filter(move |file| !file.odd && file.kind == kind)
                .map(|file| file.path.as_str())
        };
        let gone: Vec<&str> = of_kind(ChangeKind::Deleted).collect();
        self.clashes = clashes(of_kind(ChangeKind::Added), existing);
        self.clashes.retain(|clash| !gone.contains(&clash.with.as_str()));
        for clash in self.clashes.clone().iter().filter(|clash| harness::is_read(&fold(&clash.with))) {
            self.weakened(&clash.path, vec![clash.sentence()]);
        }
    }

    /// Notes the patterns that match no file.
    pub fn note_unmatched(&mut self, mut unmatched: Vec<String>) {
        let more = unmatched.len().saturating_sub(MOST_UNMATCHED);
        self.more_unmatched = u32::try_from(more).unwrap_or(u32::MAX);
        unmatched.truncate(MOST_UNMATCHED);
        self.unmatched = unmatched;
    }

    fn weakened(&mut self, path: &str, reasons: Vec<String>) {
        if reasons.is_empty() {
            return;
        }
        match self.weakenings.iter_mut().find(|known| known.path == path) {
            Some(known) => known.reasons.extend(reasons),
            None => self.weakenings.push(Weakening { path: path.to_owned(), reasons }),
        }
    }

    /// The reasons that they add for one path, without those by clashes.
    pub(super) fn reasons(&self, path: &str) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if !is_dependency_file(path) && self.dependencies.iter().any(|file| file.path == path) {
            reasons.push(Reason {
                human: true,
                ..Reason::floor(Tier::High, "says what the project depends on")
            });
        }
        let of_path = self.weakenings.iter().filter(|weakening| weakening.path == path);
        for why in of_path.flat_map(|weakening| &weakening.reasons) {
            let rule = format!("may weaken a harness case (`tests/harness/**`): {why}");
            reasons.push(Reason { human: true, ..Reason::floor(Tier::Critical, rule) });
        }
        for file in self.tests.iter().filter(|file| file.path == path) {
            reasons.push(Reason { human: true, ..Reason::floor(Tier::High, file.sentence()) });
        }
        reasons
    }

    /// The existing paths that a new path clashes with.
    pub(super) fn clashes_of(&self, path: &str) -> impl Iterator<Item = &Clash> {
        self.clashes.iter().filter(move |clash| clash.path == path)
    }
}

/// Reads both sides of the files that [`Contents::wants`], of one change.
///
/// `sides` is asked for at most [`MOST_COMPARED`] of them, by [`wanted`].
#[must_use]
pub fn compared(change: &Change, sides: &BTreeMap<String, (Side, Side)>) -> Contents {
    let mut contents = Contents::default();
    let unread = Side::Unread("the change has too many such files to read".to_owned());
    for file in change.files.iter().filter(|file| Contents::wants(file)) {
        let (before, after) =
            sides.get(&file.path).map_or((&unread, &unread), |(before, after)| (before, after));
        contents.compare(&file.path, before, after);
    }
    contents.tests = lost(change, sides);
    contents
}

/// What the change takes away from its files of tests, as far as they could be read.
fn lost(change: &Change, sides: &BTreeMap<String, (Side, Side)>) -> Vec<LostCases> {
    let of = |file: &FileChange| {
        let (before, after) = sides.get(&file.path)?;
        let text = |side| text(side).ok();
        Some((text(before)?, text(after)?))
    };
    let read: Vec<TestFile<'_>> = change
        .files
        .iter()
        .filter(|file| is_test_file(&fold(&file.path)))
        .filter_map(|file| of(file).map(|(before, after)| TestFile { path: &file.path, before, after }))
        .collect();
    lost_cases(&read)
}

/// The files whose sides are to be read.
pub fn wanted(change: &Change) -> impl Iterator<Item = &FileChange> {
    let compared = change.files.iter().filter(|file| Contents::wants(file)).take(MOST_COMPARED);
    let is_test = |file: &&FileChange| !Contents::wants(file) && is_test_file(&fold(&file.path));
    compared.chain(change.files.iter().filter(is_test).take(MOST_COMPARED))
}

fn names_dependencies(folded: &str) -> bool {
    is_dependency_file(folded) || dependency::is_listed(folded)
}

/// Compares the two sides of a file that says what a project depends on.
#[must_use]
pub fn dependency_file(path: &str, before: &Side, after: &Side) -> DependencyFile {
    match (text(before), text(after)) {
        (Ok(before), Ok(after)) => dependency::compare(path, before, after),
        (Err(why), _) | (_, Err(why)) => dependency::unreadable(path, why),
    }
}

fn weakened(path: &str, before: &Side, after: &Side) -> Vec<String> {
    match (text(before), text(after)) {
        (Ok(before), Ok(Some(after))) => harness::weakenings(path, before, after),
        (Ok(_), Ok(None)) => vec!["it is gone".to_owned()],
        (Err(why), _) | (_, Err(why)) => vec![format!("it could not be compared: {why}")],
    }
}

fn text(side: &Side) -> Result<Option<&str>, &str> {
    match side {
        Side::Absent => Ok(None),
        Side::Text(text) => Ok(Some(text)),
        Side::Unread(why) => Err(why),
    }
}
