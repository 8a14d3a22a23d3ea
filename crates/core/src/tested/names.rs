//! The cases that a file of tests holds, by their names in its text. No runner is asked: a case that is gone, or that is
//! skipped now, is named without running what the change wrote.

use std::path::Path;

/// A case of a file of tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name: the function's, or the title that it is given.
    pub name: String,
    /// Whether it is marked to be skipped, or to fail.
    pub is_skipped: bool,
}

/// The cases in a file; empty for a language that is not known.
#[must_use]
pub fn cases(path: &str, text: &str) -> Vec<Case> {
    let end = Path::new(path).extension().and_then(|end| end.to_str()).unwrap_or_default();
    match end.to_ascii_lowercase().as_str() {
        "py" => python(text),
        "js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "mts" | "cts" => javascript(text),
        "go" => go(text),
        "rs" => rust(text),
        _ => Vec::new(),
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn python(text: &str) -> Vec<Case> {
    const MARKS: [&str; 3] = ["skip", "xfail", "expectedFailure"];
    const LEAVES: [&str; 4] = ["skipTest(", "pytest.skip(", "SkipTest", "pytest.xfail("];
    let marks = |line: &str| MARKS.iter().any(|mark| line.contains(mark));
    let mut cases: Vec<Case> = Vec::new();
    let (mut decorated, mut is_module_skipped) = (false, false);
    // The classes around a line that are skipped, by their indentation.
    let mut skipped: Vec<usize> = Vec::new();
    let mut inside: Option<usize> = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (depth, code) = (indent(line), line.trim());
        if code.starts_with('#') {
            continue;
        }
        if inside.is_some_and(|begun| depth <= begun) {
            inside = None;
        }
        if code.starts_with('@') {
            decorated |= marks(code);
            continue;
        }
        if depth == 0
            && (code.starts_with("pytestmark") && marks(code) || LEAVES.iter().any(|it| code.contains(it)))
        {
            is_module_skipped = true;
        }
        skipped.retain(|outer| *outer < depth);
        let function = code.strip_prefix("async ").unwrap_or(code).strip_prefix("def ");
        if let Some(name) =
            function.and_then(|rest| rest.split('(').next()).filter(|name| name.starts_with("test"))
        {
            let is_skipped = decorated || !skipped.is_empty();
            cases.push(Case { name: name.trim().to_owned(), is_skipped });
            inside = Some(depth);
        } else if code.starts_with("class ") && decorated {
            skipped.push(depth);
        } else if inside.is_some()
            && LEAVES.iter().any(|leave| code.contains(leave))
            && let Some(last) = cases.last_mut()
        {
            last.is_skipped = true;
        }
        decorated = false;
    }
    if is_module_skipped {
        cases.iter_mut().for_each(|case| case.is_skipped = true);
    }
    cases
}

fn javascript(text: &str) -> Vec<Case> {
    const CALLS: [&str; 3] = ["test", "it", "describe"];
    let mut cases = Vec::new();
    let mut has_only = false;
    // Suites that are skipped, by their indentation.
    let mut skipped: Vec<usize> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let (depth, code) = (indent(line), line.trim());
        skipped.retain(|outer| *outer < depth);
        let Some((call, rest)) = code.split_once('(') else { continue };
        let (crossed, call) = match call.strip_prefix('x') {
            Some(call) if CALLS.contains(&call) => (true, call),
            _ => (false, call),
        };
        let mut parts = call.split('.');
        let Some(kind) = parts.next().filter(|kind| CALLS.contains(kind)) else { continue };
        let how: Vec<&str> = parts.collect();
        let is_only = how.contains(&"only");
        let is_marked =
            crossed || how.iter().any(|how| matches!(*how, "skip" | "todo" | "fails" | "failing"));
        has_only |= is_only;
        if kind == "describe" {
            if is_marked {
                skipped.push(depth);
            }
            continue;
        }
        let Some(name) = literal(rest) else { continue };
        cases.push((Case { name, is_skipped: is_marked || !skipped.is_empty() }, is_only));
    }
    let hide = |(case, is_only): (Case, bool)| Case {
        is_skipped: case.is_skipped || (has_only && !is_only),
        ..case
    };
    cases.into_iter().map(hide).collect()
}

/// The text of the first quoted word.
fn literal(rest: &str) -> Option<String> {
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"' | '`'))?;
    let (name, _) = rest[1..].split_once(quote)?;
    Some(name.to_owned())
}

fn go(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("func ").and_then(|rest| rest.split('(').next()) {
            let kinds = ["Test", "Fuzz", "Example", "Benchmark"];
            is_inside = kinds.iter().any(|kind| name.starts_with(kind));
            if is_inside {
                cases.push(Case { name: name.to_owned(), is_skipped: false });
            }
        } else if is_inside
            && [".Skip(", ".Skipf(", ".SkipNow("].iter().any(|call| line.contains(call))
            && let Some(last) = cases.last_mut()
        {
            last.is_skipped = true;
        }
    }
    cases
}

fn rust(text: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let (mut is_test, mut is_skipped) = (false, false);
    for code in text.lines().map(str::trim) {
        if code.starts_with("#[") {
            is_test |= code.starts_with("#[test]") || code.contains("::test]") || code.contains("::test(");
            is_skipped |= code.starts_with("#[ignore")
                || code.starts_with("#[should_panic")
                || code.starts_with("#[cfg(any())]");
            continue;
        }
        let function = code.split_once("fn ").map(|(_, rest)| rest);
        if is_test && let Some(name) = function.and_then(|rest| rest.split(['(', '<']).next()) {
            cases.push(Case { name: name.to_owned(), is_skipped });
        }
        if !code.is_empty() && !code.starts_with("//") {
            (is_test, is_skipped) = (false, false);
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, text: &str, expected: &[(&str, bool)]) {
        let found = cases(path, text);
        let found: Vec<(&str, bool)> =
            found.iter().map(|case| (case.name.as_str(), case.is_skipped)).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn cases_of_python_are_named_with_their_marks() {
        let class = "class A(TestCase):\n    def test_a(self):\n        pass\n\n    @unittest.skip('x')\n    def test_b(self):\n        pass\n\n    async def test_c(self):\n        self.skipTest('later')\n";
        check("tests/test_a.py", class, &[("test_a", false), ("test_b", true), ("test_c", true)]);
        check(
            "test_a.py",
            "@pytest.mark.skip\nclass A:\n    def test_a(self): ...\n\ndef test_b(): ...\n",
            &[("test_a", true), ("test_b", false)],
        );
        check("test_a.py", "pytestmark = pytest.mark.skip\ndef test_a(): ...\n", &[("test_a", true)]);
        check("test_a.py", "# def test_a():\ndef helper():\n    pytest.skip('no')\n", &[]);
        check("test_a.py", "@pytest.mark.xfail\n@other\ndef test_a(): ...\n", &[("test_a", true)]);
    }

    #[test]
    fn cases_of_javascript_are_named_with_their_marks() {
        let suite = "describe('a', () => {\n  it('one', () => {});\n  it.skip('two', () => {});\n  xit('three');\n});\ndescribe.skip('b', () => {\n  test(`four`, () => {});\n});\ntest(\"five\", () => {});\n";
        check(
            "a.test.ts",
            suite,
            &[("one", false), ("two", true), ("three", true), ("four", true), ("five", false)],
        );
        check("a.spec.js", "test.only('one', f);\ntest('two', f);\n", &[("one", false), ("two", true)]);
    }

    #[test]
    fn cases_of_go_and_rust_are_named_with_their_marks() {
        check(
            "a_test.go",
            "func TestA(t *testing.T) {\n}\n\nfunc TestB(t *testing.T) {\n\tt.Skip(\"later\")\n}\nfunc help() {}\n",
            &[("TestA", false), ("TestB", true)],
        );
        check(
            "tests/a.rs",
            "#[test]\nfn one() {}\n\n#[actix::test(flavor = \"x\")]\n#[ignore = \"slow\"]\nasync fn two() {}\n\nfn help() {}\n",
            &[("one", false), ("two", true)],
        );
        check("a.txt", "def test_a(): ...", &[]);
    }
}
