//! Which failed cases failed by an assertion: they say that the code did something else than it should. A case that ended
//! with another error says nothing, since a name that is missing ends it too.

use super::{Runner, runners::unittest_name};

/// What a line says of an assertion that did not hold.
const ASSERTS: [&str; 4] = ["AssertionError", "ERR_ASSERTION", "expect(", "assertion failed"];

/// Of these failures, those that failed by an assertion, as far as the runner's words tell. Of a runner that is not known
/// none is.
#[must_use]
pub(super) fn by_assertion(runner: Option<Runner>, text: &str, failures: &[String]) -> Vec<String> {
    let Some(runner) = runner else { return Vec::new() };
    let is_by_assertion = |name: &&String| match runner {
        Runner::Unittest => unittest(text, name),
        Runner::Pytest => pytest(text, name),
        Runner::Go => go(text, name),
        Runner::Cargo => cargo(text, name),
        Runner::Node => node(text, name),
        Runner::Jest | Runner::Vitest | Runner::Mocha => block(text, name, &["● ", "FAIL ", ") "]),
        // A test of tape that throws ends the whole program, and has no line.
        Runner::Tape => true,
    };
    failures.iter().filter(is_by_assertion).cloned().collect()
}

/// unittest calls an assertion that failed a failure, and everything else an error.
fn unittest(text: &str, name: &str) -> bool {
    let is_head =
        |line: &str, word: &str| line.strip_prefix(word).is_some_and(|rest| unittest_name(rest) == name);
    let is_failure = text.lines().any(|line| is_head(line, "FAIL: "));
    is_failure && !text.lines().any(|line| is_head(line, "ERROR: "))
}

/// Each failure has a section that ends with the place and the kind of what was raised last: `test_a.py:3: AssertionError`.
fn pytest(text: &str, name: &str) -> bool {
    let Some((path, case)) = name.split_once("::") else { return false };
    let head = case.replace("::", ".");
    let title = |line: &str| -> Option<String> {
        let line = line.strip_prefix("__")?.trim_matches('_');
        Some(line.trim().to_owned())
    };
    let place = format!("{path}:");
    let mut sections = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(found) = title(line) {
            inside = found == head;
            if inside {
                sections.push(Vec::new());
            }
        } else if line.starts_with("===") {
            inside = false;
        } else if inside && let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    sections.retain(|section: &Vec<&str>| section.iter().any(|line| line.contains(&place)));
    !sections.is_empty() && sections.iter().all(|section| raised_an_assertion(section))
}

fn raised_an_assertion(section: &[&str]) -> bool {
    // `path.py:12: AssertionError`; the short form of a trace has `in test_x` there, and the kind in a line of its own.
    let kind = |line: &&str| {
        let (place, kind) = line.rsplit_once(": ")?;
        let (_, number) = place.rsplit_once(':')?;
        number.parse::<u32>().ok()?;
        (!kind.contains(' ')).then(|| kind.to_owned())
    };
    let is_assertion = |kind: &str| matches!(kind, "AssertionError" | "Failed");
    if let Some(kind) = section.iter().rev().find_map(kind) {
        return is_assertion(&kind);
    }
    let said = section.iter().rev().find_map(|line| {
        let said = line.strip_prefix("E ")?.trim_start();
        let kind = said.split([':', ' ']).next()?;
        (kind.ends_with("Error") || kind.ends_with("Exception") || matches!(kind, "Failed" | "assert"))
            .then(|| kind.to_owned())
    });
    said.is_some_and(|kind| is_assertion(&kind) || kind == "assert")
}

/// A case of Go fails by what it reports; one that panics ends the whole package.
fn go(text: &str, _: &str) -> bool {
    !text.lines().any(|line| line.starts_with("panic: ") || line.starts_with("fatal error: "))
}

/// Each failure has a part `---- name stdout ----` with what it panicked at.
fn cargo(text: &str, name: &str) -> bool {
    let head = format!("---- {name} stdout ----");
    let part =
        text.lines().skip_while(|line| *line != head).skip(1).take_while(|line| !line.starts_with("---- "));
    part.into_iter().any(|line| line.contains("assertion failed") || line.contains("assertion `"))
}

/// The specification has a mark before the name, and the protocol `not ok`; both say below it what was thrown.
fn node(text: &str, name: &str) -> bool {
    block(text, name, &["✖ ", "not ok "])
}

/// Whether what is said below a name, until the next one, is of an assertion; it is enough in one place.
fn block(text: &str, name: &str, marks: &[&str]) -> bool {
    let is_mark = |line: &str| marks.iter().any(|mark| line.trim_start().contains(mark));
    let lines: Vec<&str> = text.lines().collect();
    let heads = lines.iter().enumerate().filter(|(_, line)| is_mark(line) && line.contains(name));
    heads.into_iter().any(|(at, _)| {
        let below = lines[at + 1..].iter().take_while(|line| !is_mark(line));
        below.into_iter().any(|line| ASSERTS.iter().any(|assert| line.contains(assert)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(runner: Runner, text: &str, names: &[&str]) -> Vec<String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        by_assertion(Some(runner), text, &names)
    }

    const UNITTEST: &str = "FAIL: test_a (tests.harness.test_zero.Zero.test_a)
----------------------------------------------------------------------
AssertionError: 1 != 0

======================================================================
ERROR: test_b (tests.harness.test_zero.Zero.test_b)
----------------------------------------------------------------------
ZeroDivisionError: division by zero";

    #[test]
    fn an_error_of_unittest_is_no_failed_assertion() {
        let names = ["tests.harness.test_zero.Zero.test_a", "tests.harness.test_zero.Zero.test_b"];
        assert_eq!(of(Runner::Unittest, UNITTEST, &names), names[..1]);
    }

    const PYTEST: &str = "=================================== FAILURES ===================================
__________________________________ test_zero ___________________________________

    def test_zero():
>       assert risk(0) == 0
E       assert 1 == 0
E        +  where 1 = risk(0)

tests/harness/test_zero.py:4: AssertionError
________________________________ Zero.test_other _______________________________

self = <test_zero.Zero object>

tests/harness/test_zero.py:9:
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _
services/risk.py:2: in risk
E   ZeroDivisionError: division by zero

services/risk.py:2: ZeroDivisionError
_________________________________ test_raises __________________________________
tests/harness/test_zero.py:14: in test_raises
    with pytest.raises(ValueError):
E   Failed: DID NOT RAISE <class 'ValueError'>
=========================== short test summary info ============================
FAILED tests/harness/test_zero.py::test_zero - assert 1 == 0";

    #[test]
    fn pytest_says_what_was_raised_last() {
        let names = [
            "tests/harness/test_zero.py::test_zero",
            "tests/harness/test_zero.py::Zero::test_other",
            "tests/harness/test_zero.py::test_raises",
            "tests/harness/test_absent.py::test_zero",
        ];
        assert_eq!(of(Runner::Pytest, PYTEST, &names), [names[0], names[2]]);
    }

    #[test]
    fn a_panic_of_go_says_nothing_of_what_was_expected() {
        let failed = "--- FAIL: TestZero (0.00s)\n    zero_test.go:7: got 1\nFAIL\texample.com/m\t0.1s";
        assert_eq!(of(Runner::Go, failed, &["TestZero"]), ["TestZero"]);
        let panicked = format!("{failed}\npanic: runtime error: integer divide by zero");
        assert!(of(Runner::Go, &panicked, &["TestZero"]).is_empty());
    }

    #[test]
    fn cargo_says_what_a_case_panicked_at() {
        let text =
            "---- a stdout ----\nthread 'a' panicked at src/lib.rs:3:5:\nassertion `left == right` failed\n
---- b stdout ----\nthread 'b' panicked at src/lib.rs:9:5:\nattempt to divide by zero\n";
        assert_eq!(of(Runner::Cargo, text, &["a", "b"]), ["a"]);
    }

    #[test]
    fn the_runners_of_javascript_name_the_error_below_the_case() {
        let node = "✖ zero (1.1ms)\n  AssertionError [ERR_ASSERTION]: 1 !== 0\n✖ other (0.2ms)\n  TypeError: x is not a function";
        assert_eq!(of(Runner::Node, node, &["zero", "other"]), ["zero"]);
        let tap = "not ok 1 - zero\n  ---\n  code: 'ERR_ASSERTION'\n  ...\nnot ok 2 - other\n  ---\n  code: 'ERR_TEST_FAILURE'";
        assert_eq!(of(Runner::Node, tap, &["zero", "other"]), ["zero"]);
        let jest = "  ● risk › zero\n\n    expect(received).toBe(expected)\n\n  ● risk › other\n\n    ReferenceError: y is not defined";
        assert_eq!(of(Runner::Jest, jest, &["risk › zero", "risk › other"]), ["risk › zero"]);
        let mocha = "  1) zero:\n     AssertionError: expected 1 to equal 0\n  2) other:\n     TypeError: no";
        assert_eq!(of(Runner::Mocha, mocha, &["zero:", "other:"]), ["zero:"]);
    }

    #[test]
    fn of_a_runner_that_is_not_known_nothing_is_believed() {
        assert!(by_assertion(None, UNITTEST, &["tests.harness.test_zero.Zero.test_a".to_owned()]).is_empty());
    }
}
