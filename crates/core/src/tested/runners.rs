//! What the summaries of known runners say. Each is looked for in the text, because a command such as `npm test` or
//! `make test` does not tell which runner it starts, and may start several.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::{Counts, MOST_FAILURES};

/// A test runner whose words are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runner {
    /// pytest.
    Pytest,
    /// Python's unittest.
    Unittest,
    /// Node's own, `node --test`.
    Node,
    /// Jest.
    Jest,
    /// Vitest.
    Vitest,
    /// Mocha.
    Mocha,
    /// tape.
    Tape,
    /// `go test`.
    Go,
    /// `cargo test`.
    Cargo,
}

impl Runner {
    /// The runner that a command names; `None` for scripts.
    #[must_use]
    pub fn of(command: &[String]) -> Option<Self> {
        // A command of several lines has a line where others have a word.
        let words =
            || command.iter().flat_map(|line| line.split_whitespace()).map(|it| it.trim_matches('\''));
        let names = |word: &str| words().any(|it| it.rsplit('/').next() == Some(word));
        if names("pytest") || names("py.test") {
            return Some(Self::Pytest);
        }
        if names("unittest") {
            return Some(Self::Unittest);
        }
        if names("node") && names("--test") {
            return Some(Self::Node);
        }
        if names("go") && names("test") {
            return Some(Self::Go);
        }
        if names("cargo") && names("test") {
            return Some(Self::Cargo);
        }
        let node =
            [("jest", Self::Jest), ("vitest", Self::Vitest), ("mocha", Self::Mocha), ("tape", Self::Tape)];
        node.into_iter().find(|(name, _)| names(name)).map(|(_, runner)| runner)
    }

    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pytest => "pytest",
            Self::Unittest => "unittest",
            Self::Node => "node --test",
            Self::Jest => "jest",
            Self::Vitest => "vitest",
            Self::Mocha => "mocha",
            Self::Tape => "tape",
            Self::Go => "go test",
            Self::Cargo => "cargo test",
        }
    }
}

/// What one runner says of its run.
#[derive(Debug, Clone, Default)]
pub(super) struct Summary {
    pub(super) runner: Option<Runner>,
    pub(super) counts: Counts,
    /// Whether code or tests could not be loaded or compiled.
    pub(super) is_broken: bool,
    pub(super) failures: Vec<String>,
}

/// The summaries of all runners in a plain text.
pub(super) fn summaries(text: &str) -> Vec<Summary> {
    let readers = [
        (Runner::Pytest, pytest as fn(&str) -> Option<Summary>),
        (Runner::Unittest, unittest),
        (Runner::Node, node),
        (Runner::Jest, jest),
        (Runner::Vitest, vitest),
        (Runner::Mocha, mocha),
        (Runner::Tape, tape),
        (Runner::Go, go),
        (Runner::Cargo, cargo),
    ];
    let read = |(runner, read): (Runner, fn(&str) -> Option<Summary>)| {
        let mut summary = read(text)?;
        summary.failures.truncate(MOST_FAILURES);
        Some(Summary { runner: Some(runner), ..summary })
    };
    readers.into_iter().filter_map(read).collect()
}

/// The words of pytest's last line.
const PYTEST: [&str; 12] = [
    "passed",
    "failed",
    "error",
    "errors",
    "skipped",
    "xfailed",
    "xpassed",
    "deselected",
    "warning",
    "warnings",
    "rerun",
    "subtests passed",
];

fn pytest(text: &str) -> Option<Summary> {
    // Such as `== 1 failed, 2 passed in 0.11s ==`, and nothing else.
    let counted = |line: &str| {
        let (counts, _) = line.trim_matches(['=', ' ']).split_once(" in ")?;
        let part = |part: &str| {
            let (count, word) = part.split_once(' ')?;
            let word = PYTEST.into_iter().find(|known| *known == word)?;
            Some((word, count.parse::<u32>().ok()?))
        };
        counts.split(", ").map(part).collect::<Option<Vec<(&str, u32)>>>()
    };
    let last = text.lines().rev().find_map(counted);
    let ran_nothing = text.lines().any(|line| {
        let line = line.trim_matches(['=', ' ']);
        line.starts_with("no tests ran") || line.starts_with("no tests collected")
    });
    let counts = match (last, ran_nothing) {
        (Some(counts), _) => {
            let of = |wanted: &[&str]| {
                counts.iter().filter(|(word, _)| wanted.contains(word)).map(|(_, count)| count).sum()
            };
            Counts::of(
                of(&["passed", "xpassed"]),
                of(&["failed", "error", "errors"]),
                of(&["skipped", "xfailed"]),
            )
        }
        (None, true) => Counts::of(0, 0, 0),
        (None, false) => return None,
    };
    let is_broken = text.lines().any(|line| {
        line.starts_with('!') && line.contains("during collection")
            || line.starts_with("_") && line.contains(" ERROR collecting ")
    });
    let name = |line: &str| {
        let rest = line.strip_prefix("FAILED ").or_else(|| line.strip_prefix("ERROR "))?;
        let name = rest.split(" - ").next().unwrap_or(rest).trim();
        (name.contains(".py")).then(|| name.to_owned())
    };
    Some(Summary { counts, is_broken, failures: text.lines().filter_map(name).collect(), runner: None })
}

fn unittest(text: &str) -> Option<Summary> {
    let ran = |line: &str| {
        let rest = line.strip_prefix("Ran ")?;
        let (count, rest) = rest.split_once(' ')?;
        rest.starts_with("test").then(|| count.parse::<u32>().ok())?
    };
    let (at, count) = text.lines().enumerate().filter_map(|(at, line)| Some((at, ran(line)?))).last()?;
    let is_verdict = |line: &&str| {
        line.starts_with("OK") || line.starts_with("FAILED") || line.starts_with("NO TESTS RAN")
    };
    let verdict = text.lines().skip(at + 1).find(is_verdict)?;
    let part = |name: &str| {
        let inside = verdict.split_once('(').map_or("", |(_, rest)| rest.trim_end_matches(')'));
        let parts = inside.split(", ").filter_map(|part| part.split_once('='));
        parts
            .filter(|(known, _)| *known == name)
            .filter_map(|(_, count)| count.parse::<u32>().ok())
            .sum::<u32>()
    };
    let failed = part("failures") + part("errors") + part("unexpected successes");
    let skipped = part("skipped") + part("expected failures");
    let head = |line: &str| {
        let rest = line.strip_prefix("FAIL: ").or_else(|| line.strip_prefix("ERROR: "))?;
        Some(unittest_name(rest))
    };
    let failures: Vec<String> = text.lines().filter_map(head).collect();
    let is_broken = failures.iter().any(|name| name.contains("._FailedTest"));
    let failures =
        failures.into_iter().map(|name| name.replace("unittest.loader._FailedTest.", "")).collect();
    let counts = Counts::of(count.saturating_sub(failed).saturating_sub(skipped), failed, skipped);
    Some(Summary { counts, is_broken, failures, runner: None })
}

/// The name of a case behind `FAIL: ` or `ERROR: `: `test_a (tests.test_zero.Zero.test_a)`. Before Python 3.11 the parentheses
/// hold the class alone.
pub(super) fn unittest_name(rest: &str) -> String {
    match rest.split_once(" (") {
        Some((method, inside)) => {
            let inside = inside.trim_end_matches(')');
            let is_whole =
                !inside.split('.').all(is_identifier) || inside.split('.').any(|part| part == method);
            if is_whole || !is_identifier(method) { inside.to_owned() } else { format!("{inside}.{method}") }
        }
        None => rest.to_owned(),
    }
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Whether a text has the summary of `node --test`, which alone says how long all took; tape's looks the same otherwise.
fn is_of_node(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .any(|line| line.starts_with("# duration_ms ") || line.starts_with("ℹ duration_ms "))
}

fn node(text: &str) -> Option<Summary> {
    if !is_of_node(text) {
        return None;
    }
    let count = |name: &str| {
        let lines = text.lines().rev().map(str::trim);
        let of =
            |line: &str, mark: &str| line.strip_prefix(mark)?.strip_prefix(name)?.trim().parse::<u32>().ok();
        lines.filter_map(|line| of(line, "# ").or_else(|| of(line, "ℹ "))).next()
    };
    let (passed, failed) = (count("pass ")?, count("fail ")?);
    let failed = failed + count("cancelled ").unwrap_or_default();
    let skipped = count("skipped ").unwrap_or_default() + count("todo ").unwrap_or_default();
    let tap = |line: &str| {
        let (_, name) = line.trim().strip_prefix("not ok ")?.split_once(" - ")?;
        Some(name.to_owned())
    };
    let spec = |line: &str| {
        let name = line.trim().strip_prefix("✖ ")?;
        let name = name.rsplit_once(" (").map_or(name, |(name, _)| name);
        (name != "failing tests:").then(|| name.to_owned())
    };
    let mut failures: Vec<String> =
        text.lines().filter_map(|line| tap(line).or_else(|| spec(line))).collect();
    let mut known = std::collections::BTreeSet::new();
    failures.retain(|name| known.insert(name.clone()));
    // A file that does not load is a failed test of the file's name.
    let is_file =
        |name: &String| [".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"].iter().any(|end| name.ends_with(end));
    let is_broken = failures.iter().any(is_file) && reports_load_error(text);
    Some(Summary { counts: Counts::of(passed, failed, skipped), is_broken, failures, runner: None })
}

fn jest(text: &str) -> Option<Summary> {
    let line = text.lines().rev().find(|line| line.starts_with("Tests: ") && line.contains(" total"));
    let is_broken = text.lines().any(|line| line.trim() == "● Test suite failed to run");
    let counts = match line {
        Some(line) => Counts::of(
            before(line, "passed").unwrap_or_default(),
            before(line, "failed").unwrap_or_default(),
            before(line, "skipped").unwrap_or_default() + before(line, "todo").unwrap_or_default(),
        ),
        None if is_broken => Counts::default(),
        None => return None,
    };
    let name = |line: &str| {
        let name = line.trim().strip_prefix("● ")?;
        (name != "Test suite failed to run").then(|| name.to_owned())
    };
    Some(Summary { counts, is_broken, failures: text.lines().filter_map(name).collect(), runner: None })
}

fn vitest(text: &str) -> Option<Summary> {
    let is_tests = |line: &&str| line.trim_start().starts_with("Tests ") && !line.contains(" total");
    let tests = text.lines().rev().find(is_tests).map(str::trim);
    let is_broken = text.lines().any(|line| line.contains("Failed Suites"));
    let none = tests.is_some_and(|line| line.trim_start_matches("Tests").trim() == "no tests");
    let counts = match tests {
        Some(line) if !none => Counts::of(
            before(line, "passed").unwrap_or_default(),
            before(line, "failed").unwrap_or_default(),
            before(line, "skipped").unwrap_or_default() + before(line, "todo").unwrap_or_default(),
        ),
        Some(_) => Counts::of(0, 0, 0),
        None if is_broken => Counts::default(),
        None => return None,
    };
    let name = |line: &str| line.trim_start().strip_prefix("FAIL ").map(|name| name.trim().to_owned());
    Some(Summary { counts, is_broken, failures: text.lines().filter_map(name).collect(), runner: None })
}

fn mocha(text: &str) -> Option<Summary> {
    let count = |word: &str| {
        let of = |line: &str| {
            let (count, rest) = line.trim().split_once(' ')?;
            (rest == word || rest.starts_with(&format!("{word} ("))).then(|| count.parse::<u32>().ok())?
        };
        text.lines().rev().filter(|line| line.starts_with("  ")).filter_map(of).next()
    };
    let is_broken = text.lines().any(|line| line.trim_start().starts_with("Exception during run:"));
    let passing = count("passing");
    if passing.is_none() && !is_broken {
        return None;
    }
    let failing = count("failing").unwrap_or_default();
    let counts = passing.map_or_else(Counts::default, |passing| {
        Counts::of(passing, failing, count("pending").unwrap_or_default())
    });
    let name = |line: &str| {
        let (number, name) = line.strip_prefix("    ")?.split_once(") ")?;
        number.parse::<u32>().ok().map(|_| name.to_owned())
    };
    Some(Summary { counts, is_broken, failures: text.lines().filter_map(name).collect(), runner: None })
}

/// tape counts assertions, and says nothing of tests that are skipped as a whole.
fn tape(text: &str) -> Option<Summary> {
    if is_of_node(text) {
        return None;
    }
    let count = |name: &str| {
        let of = |line: &str| line.strip_prefix("# ")?.strip_prefix(name)?.trim().parse::<u32>().ok();
        text.lines().rev().find_map(of)
    };
    count("tests ")?;
    let counts = Counts::of(
        count("pass ")?,
        count("fail ").unwrap_or_default(),
        count("skip ").unwrap_or_default() + count("todo ").unwrap_or_default(),
    );
    let name = |line: &str| {
        let (number, name) = line.strip_prefix("not ok ")?.split_once(' ')?;
        number.parse::<u32>().ok().map(|_| name.to_owned())
    };
    Some(Summary { counts, failures: text.lines().filter_map(name).collect(), ..Summary::default() })
}

fn go(text: &str) -> Option<Summary> {
    let packages = text.lines().filter(|line| {
        line.starts_with("ok  \t") || line.starts_with("FAIL\t") || line.starts_with("?   \t")
    });
    let packages: Vec<&str> = packages.collect();
    if packages.is_empty() {
        return None;
    }
    let of = |mark: &str| {
        let count = text.lines().filter(|line| line.starts_with(mark)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let (passed, failed, skipped) = (of("--- PASS: "), of("--- FAIL: "), of("--- SKIP: "));
    let is_nothing =
        packages.iter().all(|line| line.contains("[no test files]") || line.contains("[no tests to run]"));
    let counts = match (is_nothing, passed + skipped > 0) {
        (true, _) => Counts::of(0, 0, 0),
        (false, true) => Counts::of(passed, failed, skipped),
        // Without `-v` it names the failed cases alone.
        (false, false) => Counts { failed: (failed > 0).then_some(failed), ..Counts::default() },
    };
    let is_broken =
        packages.iter().any(|line| line.contains("[build failed]") || line.contains("[setup failed]"));
    let name = |line: &str| {
        let name = line.trim_start().strip_prefix("--- FAIL: ")?;
        Some(name.split(" (").next().unwrap_or(name).to_owned())
    };
    Some(Summary { counts, is_broken, failures: text.lines().filter_map(name).collect(), runner: None })
}

fn cargo(text: &str) -> Option<Summary> {
    let results: Vec<&str> = text.lines().filter(|line| line.starts_with("test result: ")).collect();
    let is_broken = text.lines().any(|line| line.starts_with("error: could not compile "));
    if results.is_empty() && !is_broken {
        return None;
    }
    let sum = |word: &str| results.iter().filter_map(|line| before(line, word)).sum();
    let counts = match results.is_empty() {
        true => Counts::default(),
        false => Counts::of(sum("passed"), sum("failed"), sum("ignored")),
    };
    let name = |line: &str| {
        let name = line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?;
        Some(name.to_owned())
    };
    Some(Summary { counts, is_broken, failures: text.lines().filter_map(name).collect(), runner: None })
}

/// The number before a word of a line: 2 of `2 passed`.
fn before(line: &str, word: &str) -> Option<u32> {
    let plain = |part: &str| part.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned();
    let words: Vec<String> = line.split_whitespace().map(plain).collect();
    words.windows(2).find(|pair| pair[1] == word).and_then(|pair| pair[0].parse().ok())
}

/// What a line says that names an error of loading or compiling.
static LOAD_ERRORS: LazyLock<[&str; 12]> = LazyLock::new(|| {
    [
        "SyntaxError",
        "IndentationError",
        "TabError",
        "ModuleNotFoundError",
        "ImportError",
        "Cannot find module",
        "Cannot find package",
        "ERR_MODULE_NOT_FOUND",
        "ReferenceError",
        "TypeError",
        "ERR_UNKNOWN_FILE_EXTENSION",
        "ERR_REQUIRE_ESM",
    ]
});

fn reports_load_error(text: &str) -> bool {
    LOAD_ERRORS.iter().any(|error| text.contains(error))
}
