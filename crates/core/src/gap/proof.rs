//! The proof of a harness case: it fails by an assertion on the base, passes on the head, and breaks nothing.
//!
//! The base with the case alone says whether it reproduces the incident. A case that cannot be loaded there, or ends with
//! another error, fails for a reason that a wrong name has too.

use serde::{Deserialize, Serialize};

use crate::tested::{TestResult, Tested, cases, listed};

/// How many names a sentence has.
const NAMED: usize = 5;

/// A file of cases that a change adds or changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseFile {
    /// The path, below `tests/harness/`.
    pub path: String,
    /// The names of the cases in it; empty for a language that is not known.
    pub names: Vec<String>,
}

/// What a proof rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The files of cases that the change adds or changes.
    pub files: Vec<CaseFile>,
    /// The base's own tests, without their log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Tested>,
    /// The base with these files alone, without its log; `None` where it was not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with_cases: Option<Tested>,
}

/// Why a case proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// There is none.
    #[error("the change adds or changes no case below `tests/harness/`")]
    NoCase,
    /// Its language is not known, so that its failure is not found among the others.
    #[error("no case can be read from {0}: name its tests as the product's runner finds them")]
    NoName(String),
    /// It was not run.
    #[error("the case was not run on the base: {0}")]
    NotRun(String),
    /// It could not be loaded, or something else kept the tests from running.
    #[error("with the case the base's tests cannot run, which proves nothing: {0}")]
    CannotRun(String),
    /// It passes on the base.
    #[error("the case passes on the base: it does not show the incident")]
    Passes,
    /// What fails is something else.
    #[error("the case itself does not fail on the base, but {0} does")]
    OthersFail(String),
    /// It breaks tests of the base.
    #[error("the case makes tests of the base fail: {0}")]
    Breaks(String),
    /// It ends with another error than an assertion.
    #[error(
        "{0} ends with an error on the base, and not by an assertion: an error proves nothing, because a wrong name ends \
         a test in the same way; catch it in the test, and fail by an assertion that says what should have happened"
    )]
    ByError(String),
    /// The runner does not name what failed.
    #[error("the tests fail on the base, but their output does not name which: {0}")]
    Unnamed(String),
}

impl CaseFile {
    /// The cases of a file, by its text; `None` for a path that is none of the harness.
    #[must_use]
    pub fn read(path: &str, text: &str) -> Option<Self> {
        if !crate::harness::holds(path) {
            return None;
        }
        let names: Vec<String> =
            cases(path, text).into_iter().filter(|case| !case.is_skipped).map(|case| case.name).collect();
        // A file without cases is data of one, or what all of them share.
        Some(Self { path: path.to_owned(), names })
    }

    /// Whether a runner's name of a failed case is that of one in this file.
    fn has(&self, failure: &str) -> bool {
        if let Some((path, inside)) = failure.split_once(".py::") {
            let stem = self.path.strip_suffix(".py").unwrap_or(&self.path);
            let is_here = stem == path || stem.ends_with(&format!("/{path}"));
            let inside = inside.split('[').next().unwrap_or(inside);
            return is_here && inside.split("::").any(|part| self.names.iter().any(|name| name == part));
        }
        let last = failure.rsplit(['.', ':']).next().unwrap_or(failure);
        // What JavaScript names is a sentence, often behind that of its suite.
        let is_sentence = failure.contains(' ');
        self.names.iter().any(|name| name == last || (is_sentence && failure.ends_with(name.as_str())))
    }
}

impl Proof {
    /// The names of the cases that fail on the base by an assertion; else why nothing is proven.
    ///
    /// # Errors
    /// [`Unproven`], with what to do about it.
    pub fn judge(&self) -> Result<Vec<String>, Unproven> {
        if self.files.is_empty() {
            return Err(Unproven::NoCase);
        }
        if self.files.iter().all(|file| file.names.is_empty()) {
            let paths: Vec<String> = self.files.iter().map(|file| file.path.clone()).collect();
            return Err(Unproven::NoName(listed(&paths, NAMED)));
        }
        let Some(with) = &self.with_cases else {
            return Err(Unproven::NotRun("the product's tests do not run here".to_owned()));
        };
        match with.result {
            TestResult::NotRun => return Err(Unproven::CannotRun(with.why.clone())),
            TestResult::Passed => return Err(Unproven::Passes),
            TestResult::Failed if with.failures.is_empty() => return Err(Unproven::Unnamed(with.sentence())),
            TestResult::Failed => {}
        }
        let before = self.base.as_ref().map_or(&[][..], |base| &base.failures);
        let new = with.failures.iter().filter(|name| !before.contains(name));
        let (of_cases, others): (Vec<String>, Vec<String>) =
            new.cloned().partition(|name| self.files.iter().any(|file| file.has(name)));
        if of_cases.is_empty() && !others.is_empty() {
            return Err(Unproven::OthersFail(listed(&others, NAMED)));
        }
        if of_cases.is_empty() {
            return Err(Unproven::Passes);
        }
        if !others.is_empty() {
            return Err(Unproven::Breaks(listed(&others, NAMED)));
        }
        let by_error: Vec<String> =
            of_cases.iter().filter(|name| !with.by_assertion.contains(name)).cloned().collect();
        if by_error.is_empty() { Ok(of_cases) } else { Err(Unproven::ByError(listed(&by_error, NAMED))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tested::Ended;

    const FILE: &str = "tests/harness/test_zero.py";
    const CASE: &str =
        "class Zero(unittest.TestCase):\n    def test_zero(self):\n        self.assertEqual(risk(0), 0)\n";

    fn run(output: &str, exit: i32) -> Tested {
        let command = ["python3".to_owned(), "-m".to_owned(), "unittest".to_owned()];
        Tested::read(&command, Ended { exit: Some(exit), timed_out: false, output, millis: 1 })
    }

    fn red(heads: &[&str], ran: usize) -> Tested {
        let mut output: String = heads.iter().map(|head| format!("{head}\n---\nsaid\n\n")).collect();
        let (failures, errors): (Vec<&str>, Vec<&str>) =
            heads.iter().partition(|head| head.starts_with("FAIL"));
        output += &format!(
            "Ran {ran} tests in 0.1s\n\nFAILED (failures={}, errors={})\n",
            failures.len(),
            errors.len()
        );
        run(&output, 1)
    }

    fn green() -> Tested {
        run("Ran 4 tests in 0.1s\n\nOK\n", 0)
    }

    fn judged(base: Tested, with_cases: Tested) -> Result<Vec<String>, String> {
        let files = vec![CaseFile::read(FILE, CASE).unwrap()];
        let proof = Proof { files, base: Some(base), with_cases: Some(with_cases) };
        proof.judge().map_err(|unproven| unproven.to_string())
    }

    const NEW: &str = "FAIL: test_zero (tests.harness.test_zero.Zero.test_zero)";
    const OLD: &str = "FAIL: test_a (tests.test_a.A.test_a)";

    #[test]
    fn a_case_that_fails_by_an_assertion_proves_the_incident() {
        let name = "tests.harness.test_zero.Zero.test_zero".to_owned();
        assert_eq!(judged(green(), red(&[NEW], 5)), Ok(vec![name.clone()]));
        // What was red before stays out of it.
        assert_eq!(judged(red(&[OLD], 4), red(&[OLD, NEW], 5)), Ok(vec![name]));
    }

    #[test]
    fn everything_else_proves_nothing_and_says_why() {
        let by_error = NEW.replace("FAIL", "ERROR");
        let import = "ERROR: tests.harness.test_zero (unittest.loader._FailedTest.tests.harness.test_zero)\n\
                      ImportError: cannot import name 'risk'";
        for (base, with, expected) in [
            (green(), green(), "the case passes on the base"),
            (red(&[OLD], 4), red(&[OLD], 5), "the case passes on the base"),
            (green(), red(&[&by_error], 5), "ends with an error on the base, and not by an assertion"),
            (green(), red(&[import], 5), "with the case the base's tests cannot run"),
            (green(), red(&[OLD], 5), "the case itself does not fail on the base"),
            (green(), red(&[OLD, NEW], 5), "the case makes tests of the base fail"),
        ] {
            let why = judged(base, with).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }

    #[test]
    fn a_proof_needs_a_case_below_the_harness_whose_name_is_known_and_a_run() {
        let proof = |files| Proof { files, base: Some(green()), with_cases: Some(red(&[NEW], 5)) };
        assert_eq!(CaseFile::read("tests/test_zero.py", CASE), None);
        assert_eq!(CaseFile::read("tests/harnesses/test_zero.py", CASE), None);
        assert_eq!(proof(vec![]).judge(), Err(Unproven::NoCase));
        let data = CaseFile::read("tests/harness/data.json", "{}").unwrap();
        assert_eq!(proof(vec![data]).judge(), Err(Unproven::NoName("tests/harness/data.json".to_owned())));
        let skipped = CaseFile::read(FILE, &CASE.replace("    def", "    @unittest.skip\n    def")).unwrap();
        assert!(skipped.names.is_empty());
        let unrun = Proof { with_cases: None, ..proof(vec![CaseFile::read(FILE, CASE).unwrap()]) };
        assert!(matches!(unrun.judge(), Err(Unproven::NotRun(_))));
    }

    #[test]
    fn a_failure_of_another_file_with_the_same_name_is_not_the_cases() {
        let file =
            CaseFile::read("tests/harness/test_zero.py", "def test_zero():\n    assert risk(0) == 0\n")
                .unwrap();
        assert!(file.has("tests/harness/test_zero.py::test_zero"));
        assert!(file.has("harness/test_zero.py::test_zero[1]"));
        assert!(!file.has("tests/test_zero.py::test_zero"));
        assert!(!file.has("tests/harness/test_zero.py::test_zero_sum"));
    }
}
