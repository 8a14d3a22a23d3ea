//! Python: pyproject, setup.py and requirements files.

use std::{collections::BTreeSet, fmt::Write as _};

use toml::{Table, Value};

use super::{Detected, Folder, has_extension};
use crate::product_file::{Build, CASE_PATH, Coverage};

/// Runs all tests with what Python brings along.
const UNITTEST: &str = "python3 -m unittest discover -s tests -t .";
/// Where the cases of incidents are.
const HARNESS: &str = "tests/harness/";

/// The requirements file of the product itself.
const OWN: &str = "requirements.txt";
/// Requirements files that name what tests need, in the order in which they are installed.
const TEST_FILES: [&str; 7] = [
    "requirements-test.txt",
    "requirements-tests.txt",
    "requirements_test.txt",
    "test-requirements.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "tests/requirements.txt",
];
/// Those of development, which are read where nothing else is named for tests: they have much that tests do not need.
const DEV_FILES: [&str; 4] =
    ["requirements-dev.txt", "requirements_dev.txt", "dev-requirements.txt", "requirements/dev.txt"];
/// Names that projects give to what their tests need, and to what development needs.
const TEST_NAMES: [&str; 3] = ["test", "tests", "testing"];
const DEV_NAME: &str = "dev";
/// Environments of hatch that tests run in.
const HATCH_NAMES: [&str; 4] = ["default", "test", "tests", "hatch-test"];

pub(super) fn detect(folder: &Folder<'_>) -> Option<Detected> {
    let pyproject: Option<Table> = folder.text("pyproject.toml").and_then(|text| toml::from_str(&text).ok());
    let needs = Needs::of(folder, pyproject.as_ref());
    let is_package =
        pyproject.as_ref().is_some_and(|it| it.contains_key("project") || it.contains_key("build-system"))
            || folder.has("setup.py");
    let has_tests = folder.paths().any(is_test);
    if !is_package && needs.files.is_empty() && !has_tests {
        return None;
    }
    let runner = if uses_pytest(folder, pyproject.as_ref()) { "pytest" } else { "unittest" };
    let found: Vec<&str> = ["pyproject.toml", "setup.py"]
        .into_iter()
        .filter(|name| folder.has(name))
        .chain(needs.files.iter().copied())
        .collect();
    let mut notes = vec![match found.as_slice() {
        [] => format!("Python, from its test files; its tests are {runner}'s"),
        found => format!("Python, from `{}`; its tests are {runner}'s", found.join("`, `")),
    }];
    let setup = setup(&needs, is_package.then_some(pyproject.as_ref()), runner);
    let (test, prefix) = test(folder, is_package, runner);
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
    let case = folder.paths().any(|path| path.starts_with(HARNESS)).then(|| {
        let run = test.join(" && ");
        match runner {
            "pytest" => format!("{run} {CASE_PATH}"),
            _ => run.replace(UNITTEST, &format!("python3 -m unittest {CASE_PATH}")),
        }
    });
    Some(Detected { build: Build { setup, test, coverage, case, ..Build::default() }, notes })
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
    let files = [OWN].into_iter().chain(TEST_FILES).chain(DEV_FILES);
    let in_files = files.filter_map(|name| folder.text(name)).any(|text| text.lines().any(of));
    let listed = |list: &Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).any(of);
    let tables = [Some("dependency-groups"), None].map(|key| match (key, pyproject) {
        (_, None) => None,
        (Some(key), Some(it)) => it.get(key),
        (None, Some(it)) => it.get("project").and_then(|project| project.get("optional-dependencies")),
    });
    in_files
        || tables.into_iter().flatten().filter_map(Value::as_table).any(|table| table.values().any(listed))
}

/// What the tests of a project need, by name.
struct Needs<'a> {
    files: Vec<&'static str>,
    extras: BTreeSet<String>,
    groups: Vec<&'static str>,
    /// Environments of hatch with dependencies.
    environments: Vec<&'static str>,
    /// Files that name the project itself, whose sources set-up does not see.
    naming_itself: Vec<&'a str>,
}

impl Needs<'_> {
    fn of(folder: &Folder<'_>, pyproject: Option<&Table>) -> Self {
        let has = |names: &[&'static str]| -> Vec<&'static str> {
            names.iter().copied().filter(|name| folder.has(name)).collect()
        };
        let table = |path: &[&str]| {
            let first = pyproject?.get(*path.first()?)?;
            path[1..].iter().try_fold(first, |value, key| value.get(key))?.as_table()
        };
        let of = |table: Option<&Table>, names: &[&'static str]| -> Vec<&'static str> {
            let is_there = |name: &&'static str| table.is_some_and(|table| table.contains_key(*name));
            names.iter().copied().filter(is_there).collect()
        };
        let (all_extras, all_groups) =
            (table(&["project", "optional-dependencies"]), table(&["dependency-groups"]));
        let hatch = table(&["tool", "hatch", "envs"]);
        let mut environments = of(hatch, &HATCH_NAMES);
        let list = |name: &str, key: &str| -> Vec<String> {
            let list = hatch.and_then(|all| all.get(name)?.get(key)?.as_array());
            list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        environments.retain(|name| {
            ["dependencies", "extra-dependencies", "features"].iter().any(|key| !list(name, key).is_empty())
        });
        let mut extras: BTreeSet<String> =
            environments.iter().flat_map(|name| list(name, "features")).collect();
        let mut files = has(&TEST_FILES);
        let mut groups = of(all_groups, &TEST_NAMES);
        extras.extend(of(all_extras, &TEST_NAMES).into_iter().map(str::to_owned));
        if files.is_empty() && groups.is_empty() && extras.is_empty() && environments.is_empty() {
            files = has(&DEV_FILES);
            groups = of(all_groups, &[DEV_NAME]);
            extras.extend(of(all_extras, &[DEV_NAME]).into_iter().map(str::to_owned));
        }
        files.splice(0..0, has(&[OWN]));
        let mut naming_itself = Vec::new();
        for file in &files {
            let text = folder.text(file).unwrap_or_default();
            let own: Vec<&str> = text.lines().filter_map(own_line).collect();
            if !own.is_empty() {
                naming_itself.push(*file);
                extras.extend(own.iter().flat_map(|line| extras_of(line)));
            }
        }
        extras.retain(|name| all_extras.is_some_and(|table| table.contains_key(name)));
        Self { files, extras, groups, environments, naming_itself }
    }
}

/// The project that a line of a requirements file installs from its own folder: `.[socks]` of `-e .[socks]`.
fn own_line(line: &str) -> Option<&str> {
    let line = line.trim();
    let path = line.strip_prefix("-e ").or_else(|| line.strip_prefix("--editable ")).unwrap_or(line).trim();
    path.starts_with('.').then_some(path)
}

fn extras_of(path: &str) -> Vec<String> {
    let inside =
        path.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map_or("", |(inside, _)| inside);
    inside.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The lines that install what tests need. `package` is given for a package, with its pyproject.toml.
fn setup(needs: &Needs<'_>, package: Option<Option<&Table>>, runner: &str) -> Vec<String> {
    let mut lines = vec!["python3 -m venv /deps/venv".to_owned()];
    let mut files: Vec<String> = needs.files.iter().map(|name| format!("-r {name}")).collect();
    if !needs.naming_itself.is_empty() {
        // Set-up has no sources, so that the package itself cannot be installed yet.
        let names = needs.naming_itself.join(" ");
        lines.push(format!("sed -i -E '/^ *((-e|--editable) +)?\\./d' {names}"));
    }
    match package {
        Some(Some(_)) => {
            lines.push(requirements_of_pyproject(needs));
            files.push("-r /tmp/requirements.txt".to_owned());
        }
        Some(None) => files.push("setuptools wheel".to_owned()),
        None => {}
    }
    if !needs.groups.is_empty() {
        // Groups are installed by pip from 25.1 on.
        lines.push("pip install --quiet --upgrade 'pip>=25.1'".to_owned());
        files.extend(needs.groups.iter().map(|group| format!("--group {group}")));
    }
    if runner == "pytest" {
        files.push("pytest".to_owned());
    }
    if files.is_empty() {
        return Vec::new();
    }
    lines.push(format!("pip install --quiet {}", files.join(" ")));
    lines
}

/// Writes what pyproject.toml demands to a requirements file: the package itself is not there yet, so pip cannot ask it.
fn requirements_of_pyproject(needs: &Needs<'_>) -> String {
    let mut more = String::new();
    for name in &needs.extras {
        let _ = write!(more, ", *p[\"optional-dependencies\"][\"{name}\"]");
    }
    for name in &needs.environments {
        for key in ["dependencies", "extra-dependencies"] {
            let _ = write!(more, ", *t[\"tool\"][\"hatch\"][\"envs\"][\"{name}\"].get(\"{key}\", [])");
        }
    }
    format!(
        "python3 -c 'import tomllib; t = tomllib.load(open(\"pyproject.toml\", \"rb\")); p = t.get(\"project\", {{}}); \
         print(*t.get(\"build-system\", {{}}).get(\"requires\", [\"setuptools\"]), *p.get(\"dependencies\", []){more}, \
         sep=\"\\n\")' > /tmp/requirements.txt"
    )
}

/// The lines that run the tests, and what makes the package importable.
fn test(folder: &Folder<'_>, is_package: bool, runner: &str) -> (Vec<String>, &'static str) {
    let run = match runner {
        "pytest" => "pytest",
        _ => UNITTEST,
    };
    if !is_package {
        return (vec![run.to_owned()], "");
    }
    let source = if folder.paths().any(|path| path.starts_with("src/")) { "src:" } else { "" };
    let build = "pip install --quiet --no-deps --no-build-isolation --target /tmp/site .".to_owned();
    (vec![build, format!("PYTHONPATH={source}/tmp/site {run}")], "/tmp/site")
}
