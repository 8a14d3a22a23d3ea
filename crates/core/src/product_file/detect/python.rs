//! Python: pyproject, setup.py and requirements files.

use std::fmt::Write as _;

use toml::{Table, Value};

use super::{Detected, Folder, has_extension};
use crate::product_file::{Build, Coverage};

/// Requirements files that name what tests need, in the order in which they are installed.
const REQUIREMENTS: [&str; 12] = [
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-test.txt",
    "requirements-tests.txt",
    "requirements_dev.txt",
    "requirements_test.txt",
    "dev-requirements.txt",
    "test-requirements.txt",
    "requirements/dev.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "tests/requirements.txt",
];
/// Names that projects give to what their tests need.
const TEST_NAMES: [&str; 4] = ["test", "tests", "testing", "dev"];

pub(super) fn detect(folder: &Folder<'_>) -> Option<Detected> {
    let pyproject: Option<Table> = folder.text("pyproject.toml").and_then(|text| toml::from_str(&text).ok());
    let requirements: Vec<&str> = REQUIREMENTS.into_iter().filter(|name| folder.has(name)).collect();
    let is_package =
        pyproject.as_ref().is_some_and(|it| it.contains_key("project") || it.contains_key("build-system"))
            || folder.has("setup.py");
    let has_tests = folder.paths().any(is_test);
    if !is_package && requirements.is_empty() && !has_tests {
        return None;
    }
    let runner = if uses_pytest(folder, pyproject.as_ref()) { "pytest" } else { "unittest" };
    let found: Vec<&str> = ["pyproject.toml", "setup.py"]
        .into_iter()
        .filter(|name| folder.has(name))
        .chain(requirements.iter().copied())
        .collect();
    let mut notes = vec![match found.as_slice() {
        [] => format!("Python, from its test files; its tests are {runner}'s"),
        found => format!("Python, from `{}`; its tests are {runner}'s", found.join("`, `")),
    }];
    let setup = setup(pyproject.as_ref(), is_package, &requirements, runner);
    let (test, prefix) = test(folder, pyproject.as_ref(), is_package, runner);
    if !prefix.is_empty() {
        notes.push("the package itself is built at each run, without a network".to_owned());
    }
    let coverage = requirements_name(folder, pyproject.as_ref(), "pytest-cov").then(|| Coverage {
        run: test
            .iter()
            .map(|line| line.replace("pytest", "pytest --cov --cov-report=xml:coverage.xml"))
            .collect(),
        report: "coverage.xml".to_owned(),
        floor: None,
    });
    Some(Detected { build: Build { setup, test, coverage, ..Build::default() }, notes })
}

pub(super) fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    has_extension(name, "py")
        && (name.starts_with("test_") || name.ends_with("_test.py") || name == "conftest.py")
}

fn uses_pytest(folder: &Folder<'_>, pyproject: Option<&Table>) -> bool {
    let configured = pyproject.and_then(|it| it.get("tool")).and_then(|tool| tool.get("pytest")).is_some();
    let conftest = folder.paths().any(|path| path.ends_with("conftest.py"));
    let imported = || {
        let tests: Vec<String> =
            folder.paths().filter(|path| is_test(path)).take(20).map(str::to_owned).collect();
        tests.iter().any(|path| folder.text(path).is_some_and(|text| text.contains("import pytest")))
    };
    configured
        || folder.has("pytest.ini")
        || conftest
        || requirements_name(folder, pyproject, "pytest")
        || imported()
}

/// Whether a requirements file or the project's metadata names a package.
fn requirements_name(folder: &Folder<'_>, pyproject: Option<&Table>, package: &str) -> bool {
    let of = |line: &str| {
        let name: String =
            line.trim().chars().take_while(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c)).collect();
        name.eq_ignore_ascii_case(package)
    };
    let in_files = REQUIREMENTS.iter().filter_map(|name| folder.text(name)).any(|text| text.lines().any(of));
    let listed = |list: &Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).any(of);
    let tables = [Some("dependency-groups"), None].map(|key| match (key, pyproject) {
        (_, None) => None,
        (Some(key), Some(it)) => it.get(key),
        (None, Some(it)) => it.get("project").and_then(|project| project.get("optional-dependencies")),
    });
    in_files
        || tables.into_iter().flatten().filter_map(Value::as_table).any(|table| table.values().any(listed))
}

/// The keys of a table that are named as what tests need.
fn test_keys(table: Option<&Value>) -> Vec<&str> {
    let table = table.and_then(Value::as_table);
    TEST_NAMES.into_iter().filter(|name| table.is_some_and(|table| table.contains_key(*name))).collect()
}

fn setup(pyproject: Option<&Table>, is_package: bool, requirements: &[&str], runner: &str) -> Vec<String> {
    let mut lines = vec!["python3 -m venv /deps/venv".to_owned()];
    let mut files: Vec<String> = requirements.iter().map(|name| format!("-r {name}")).collect();
    if let Some(it) = pyproject.filter(|_| is_package) {
        let extras = test_keys(it.get("project").and_then(|project| project.get("optional-dependencies")));
        lines.push(requirements_of_pyproject(&extras));
        files.push("-r /tmp/requirements.txt".to_owned());
        let groups = test_keys(it.get("dependency-groups"));
        if !groups.is_empty() {
            // Groups are installed by pip from 25.1 on.
            lines.push("pip install --quiet --upgrade 'pip>=25.1'".to_owned());
            files.extend(groups.iter().map(|group| format!("--group {group}")));
        }
    } else if is_package {
        files.push("setuptools wheel".to_owned());
    }
    if runner == "pytest" {
        files.push("pytest".to_owned());
    }
    if !files.is_empty() {
        lines.push(format!("pip install --quiet {}", files.join(" ")));
    }
    lines
}

/// Writes what pyproject.toml demands to a requirements file: the package itself is not there yet, so pip cannot ask it.
fn requirements_of_pyproject(extras: &[&str]) -> String {
    let mut extra = String::new();
    for name in extras {
        let _ = write!(extra, ", *p.get(\"optional-dependencies\", {{}}).get(\"{name}\", [])");
    }
    format!(
        "python3 -c 'import tomllib; t = tomllib.load(open(\"pyproject.toml\", \"rb\")); p = t.get(\"project\", {{}}); \
         print(*t.get(\"build-system\", {{}}).get(\"requires\", [\"setuptools\"]), *p.get(\"dependencies\", []){extra}, \
         sep=\"\\n\")' > /tmp/requirements.txt"
    )
}

/// The lines that run the tests, and what makes the package importable.
fn test(
    folder: &Folder<'_>,
    pyproject: Option<&Table>,
    is_package: bool,
    runner: &str,
) -> (Vec<String>, &'static str) {
    let run = match runner {
        "pytest" => "pytest",
        _ => "python3 -m unittest discover -s tests -t .",
    };
    if !is_package {
        return (vec![run.to_owned()], "");
    }
    let requires = pyproject.and_then(|it| it.get("build-system")).and_then(|it| it.get("requires"));
    let requires: Vec<&str> =
        requires.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let from_git = ["setuptools_scm", "setuptools-scm", "hatch-vcs", "versioningit", "pdm-backend"];
    let version = match from_git.iter().any(|name| requires.iter().any(|line| line.contains(name))) {
        true => "SETUPTOOLS_SCM_PRETEND_VERSION=${SETUPTOOLS_SCM_PRETEND_VERSION:-0.0.0} ",
        false => "",
    };
    let source = if folder.paths().any(|path| path.starts_with("src/")) { "src:" } else { "" };
    let build = format!("{version}pip install --quiet --no-deps --no-build-isolation --target /tmp/site .");
    (vec![build, format!("PYTHONPATH={source}/tmp/site {run}")], "/tmp/site")
}
