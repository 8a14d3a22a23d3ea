//! Which files are tests, how the base's are put back over a change's code, and which cases a change takes away.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    listed,
    names::{Case, cases},
};
use crate::{
    change::{Change, ChangeKind},
    control,
    path::fold,
};

/// Folders of tests, wherever they are.
const FOLDERS: [&str; 8] =
    ["tests", "test", "__tests__", "spec", "specs", "e2e", "testdata", "__snapshots__"];
/// The most names that are kept of one file.
const MOST_NAMES: usize = 20;
/// How many of them a sentence has.
const NAMED: usize = 5;

/// A file of tests that a change touches, and what is in its place when the base's tests run over the change's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBack {
    /// The path.
    pub path: String,
    /// Whether it is there as it was where the change forked; else it is left out, as it was not there.
    pub restored: bool,
}

/// What a change takes away from one file of tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostCases {
    /// The file.
    pub path: String,
    /// Cases that are nowhere in the change any more; the path itself for a deleted file whose language is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// Cases that ran and are skipped now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
}

impl LostCases {
    /// What is taken away, one sentence with names.
    #[must_use]
    pub fn sentence(&self) -> String {
        let lost =
            (!self.lost.is_empty()).then(|| format!("takes tests away: {}", listed(&self.lost, NAMED)));
        let skipped =
            (!self.skipped.is_empty()).then(|| format!("skips tests: {}", listed(&self.skipped, NAMED)));
        lost.into_iter().chain(skipped).collect::<Vec<_>>().join("; ")
    }
}

/// Both sides of a file of tests; `None` where it does not exist.
#[derive(Debug, Clone, Copy)]
pub struct TestFile<'a> {
    /// The path.
    pub path: &'a str,
    /// Its text where the change forked.
    pub before: Option<&'a str>,
    /// Its text on the head.
    pub after: Option<&'a str>,
}

/// Whether a path is one of tests and their data; it is given [folded](fold).
#[must_use]
pub fn is_test_file(folded: &str) -> bool {
    let (folder, name) = folded.rsplit_once('/').unwrap_or(("", folded));
    let (stem, end) = name.split_once('.').unwrap_or((name, ""));
    folder.split('/').any(|part| FOLDERS.contains(&part))
        || matches!(name, "conftest.py" | "tests.rs")
        || (end == "py" && (stem.starts_with("test_") || stem.ends_with("_test")))
        || (matches!(end, "go" | "rs" | "rb") && (stem.ends_with("_test") || stem.ends_with("_spec")))
        || end.split('.').rev().skip(1).any(|part| matches!(part, "test" | "spec"))
}

/// What is put back of a change for the base's tests to run over its code: every file of tests, what a runner is
/// configured by, and new files that a runner would find before its own.
#[must_use]
pub fn put_back(change: &Change) -> Vec<PutBack> {
    let files = change.files.iter().filter(|file| {
        let path = fold(&file.path);
        let is_new = file.kind == ChangeKind::Added;
        is_test_file(&path) || control::is_of_runner(&path) || (is_new && control::shadows(&path))
    });
    files.map(|file| PutBack { path: file.path.clone(), restored: file.kind != ChangeKind::Added }).collect()
}

/// What a change takes away from its files of tests. A case that moved to another of them is not lost.
#[must_use]
pub fn lost_cases(files: &[TestFile<'_>]) -> Vec<LostCases> {
    let of = |path: &str, text: Option<&str>| text.map(|text| cases(path, text)).unwrap_or_default();
    let after: Vec<Case> = files.iter().flat_map(|file| of(file.path, file.after)).collect();
    let there: BTreeSet<&str> = after.iter().map(|case| case.name.as_str()).collect();
    let runs: BTreeSet<&str> =
        after.iter().filter(|case| !case.is_skipped).map(|case| case.name.as_str()).collect();
    let taken = |file: &TestFile<'_>| {
        let before = of(file.path, file.before);
        let ran = || before.iter().filter(|case| !case.is_skipped).map(|case| case.name.as_str());
        let mut lost: Vec<String> = ran().filter(|name| !there.contains(name)).map(str::to_owned).collect();
        if before.is_empty()
            && file.before.is_some_and(|text| !text.trim().is_empty())
            && file.after.is_none()
        {
            lost.push(file.path.to_owned());
        }
        let here: Vec<Case> = of(file.path, file.after);
        let is_skipped_here = |name: &str| here.iter().any(|case| case.name == name && case.is_skipped);
        let skipped = ran()
            .filter(|name| there.contains(name) && (!runs.contains(name) || is_skipped_here(name)))
            .map(str::to_owned);
        let mut taken = LostCases { path: file.path.to_owned(), skipped: skipped.collect(), lost };
        taken.lost.truncate(MOST_NAMES);
        taken.skipped.truncate(MOST_NAMES);
        (!taken.lost.is_empty() || !taken.skipped.is_empty()).then_some(taken)
    };
    files.iter().filter_map(taken).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::FileChange;

    #[test]
    fn tests_are_known_by_folder_and_name() {
        for path in [
            "tests/test_a.py",
            "a/tests/data.json",
            "test_a.py",
            "app/a_test.py",
            "conftest.py",
            "pkg/a_test.go",
            "src/a.test.tsx",
            "a.spec.js",
            "src/__tests__/a.js",
            "tests/a.rs",
            "src/x/tests.rs",
            "spec/a_spec.rb",
            "pkg/testdata/a.txt",
        ] {
            assert!(is_test_file(path), "{path}");
        }
        for path in [
            "lib/money.py",
            "contest.py",
            "src/latest.js",
            "testing.py",
            "src/test.py",
            "attest/a.py",
            "a.testing.js",
        ] {
            assert!(!is_test_file(path), "{path}");
        }
    }

    fn change(files: &[(&str, ChangeKind)]) -> Change {
        let file = |(path, kind): &(&str, ChangeKind)| FileChange {
            path: (*path).to_owned(),
            kind: *kind,
            old_mode: 0o100_644,
            new_mode: 0o100_644,
            odd: false,
            blank: false,
        };
        Change { files: files.iter().map(file).collect() }
    }

    #[test]
    fn m1_what_a_change_adds_to_the_tests_or_over_the_runner_is_taken_out_and_the_rest_restored() {
        use ChangeKind::{Added, Deleted, Modified};
        let change = change(&[
            ("lib/money.py", Modified),
            ("tests/__init__.py", Added),
            ("tests/test_a.py", Modified),
            ("tests/test_b.py", Deleted),
            ("difflib.py", Added),
            ("unittest/__main__.py", Added),
            ("pytest.ini", Modified),
            ("web/vitest.config.ts", Added),
            ("docs/API.md", Modified),
        ]);
        let put: Vec<(String, bool)> =
            put_back(&change).into_iter().map(|it| (it.path, it.restored)).collect();
        let expected = [
            ("tests/__init__.py", false),
            ("tests/test_a.py", true),
            ("tests/test_b.py", true),
            ("difflib.py", false),
            ("unittest/__main__.py", false),
            ("pytest.ini", true),
            ("web/vitest.config.ts", false),
        ];
        assert_eq!(put, expected.map(|(path, restored)| (path.to_owned(), restored)));
    }

    const BEFORE: &str = "def test_a(): ...\ndef test_b(): ...\n";

    #[track_caller]
    fn check(files: &[(&str, Option<&str>, Option<&str>)], expected: &[(&str, &[&str], &[&str])]) {
        let files: Vec<TestFile<'_>> =
            files.iter().map(|&(path, before, after)| TestFile { path, before, after }).collect();
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let expected: Vec<LostCases> = expected
            .iter()
            .map(|(path, lost, skipped)| LostCases {
                path: (*path).to_owned(),
                lost: texts(lost),
                skipped: texts(skipped),
            })
            .collect();
        assert_eq!(lost_cases(&files), expected);
    }

    #[test]
    fn cases_that_are_gone_or_skipped_are_named_and_moved_ones_are_not() {
        check(&[("test_a.py", Some(BEFORE), None)], &[("test_a.py", &["test_a", "test_b"], &[])]);
        check(
            &[("test_a.py", Some(BEFORE), Some("def test_a(): ...\n"))],
            &[("test_a.py", &["test_b"], &[])],
        );
        check(
            &[
                ("test_a.py", Some(BEFORE), Some("def test_a(): ...\n")),
                ("test_b.py", None, Some("def test_b(): ...\n")),
            ],
            &[],
        );
        let skipped = "@unittest.skip('x')\ndef test_a(): ...\ndef test_b(): ...\n";
        check(&[("test_a.py", Some(BEFORE), Some(skipped))], &[("test_a.py", &[], &["test_a"])]);
        check(&[("test_a.py", Some(skipped), Some(BEFORE))], &[]);
        check(&[("tests/a.ex", Some("test \"a\""), None)], &[("tests/a.ex", &["tests/a.ex"], &[])]);
        check(&[("tests/a.ex", Some("test \"a\""), Some(""))], &[]);
    }
}
