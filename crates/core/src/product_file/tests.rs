use std::collections::BTreeMap;

use super::{
    Build, Coverage, DependencyRule, Limits, ProductFile, Service, TestsBy, Toolchain,
    detect::{Fetched, detect, folders, propose, wanted},
};
use crate::requirement::ProductName;

fn parse(text: &str) -> ProductFile {
    ProductFile::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn only(text: &str) -> Build {
    parse(text).of(&"any".parse().unwrap()).unwrap().clone()
}

#[track_caller]
fn refused(text: &str, message: &str) {
    assert_eq!(ProductFile::parse(text).unwrap_err().to_string(), message);
}

#[test]
fn a_line_is_enough_and_the_rest_is_as_usual() {
    let build = only("test = 'pytest -q'");
    let usual = Build { test: vec!["pytest -q".to_owned()], rounds: 2, ..Build::default() };
    assert_eq!(build, usual);
    assert!(!build.history, "a history is given to tests only where the file asks for it");
    assert_eq!(build.limits, Limits { seconds: 600, memory_mib: 2_048, processes: 512, file_mib: 1_024 });
}

#[test]
fn every_key_is_read_and_written_back() {
    let text = r#"root = "services/wealth"
setup = [
    "python3 -m venv /deps/venv",
    "pip install -r requirements.txt",
]
inputs = ["vendor/*.whl"]
test = 'pytest -k "not slow"'
lint = "ruff check ."
case = "pytest {path}"
services = ["postgres", "redis"]
toolchains = ["rust", "go"]
dependencies = "ask"
tests = "forge"
history = true
rounds = 0

[coverage]
run = "pytest --cov"
report = "coverage.xml"
floor = 97.5

[limits]
seconds = 60
"#;
    let build = only(text);
    assert_eq!(build.services, [Service::Postgres, Service::Redis]);
    assert_eq!(build.toolchains, [Toolchain::Rust, Toolchain::Go]);
    assert_eq!((build.dependencies, build.tests), (DependencyRule::Ask, TestsBy::Forge));
    assert!(build.history);
    let coverage = Coverage {
        run: vec!["pytest --cov".to_owned()],
        report: "coverage.xml".to_owned(),
        floor: Some(97.5),
    };
    assert_eq!(build.coverage, Some(coverage));
    assert_eq!(parse(text).to_string(), text);
    let image = "test = \"pytest\"\nimage = \"registry.example/build@sha256:0f3e\"\n";
    assert_eq!(only(image).image.as_deref(), Some("registry.example/build@sha256:0f3e"));
    assert_eq!(parse(image).to_string(), image);
}

#[test]
fn several_products_have_a_folder_each() {
    let text = "[product.a]\nroot = \"packages/a\"\ntest = \"x\"\n\n[product.b]\nroot = \"packages/b\"\ntest = \"y\"\n";
    let file = parse(text);
    assert_eq!(file.to_string(), text);
    let of = |name: &str| file.of(&name.parse().unwrap());
    assert!(of("c").is_none());
    let a = of("a").unwrap();
    assert!(a.holds("packages/a/x.py") && a.holds("packages/a"));
    assert!(!a.holds("packages/ab/x.py") && !a.holds("packages/b/x.py"));
}

#[test]
fn what_is_wrong_is_named_by_line_and_key() {
    refused(
        "",
        ".aspora/product.toml, `test`: is missing: write the command line that runs the tests, or `tests = \"forge\"` if only the forge's checks are to decide",
    );
    refused(
        "test = 'x'\ntset = 'y'",
        ".aspora/product.toml:2: unknown field `tset`, expected one of `root`, `setup`, `inputs`, `test`, `lint`, `coverage`, `case`, `services`, `dependencies`, `tests`, `toolchains`, `image`, `history`, `limits`, `rounds`",
    );
    refused(
        "test = 'x'\nhistory = 'yes'",
        ".aspora/product.toml:2: invalid type: string \"yes\", expected a boolean",
    );
    refused("test = 5", ".aspora/product.toml:1: a command line in quotes, or a list of them");
    refused(
        "test = 'x'\nservices = ['mysql']",
        ".aspora/product.toml:2: unknown variant `mysql`, expected `postgres` or `redis`",
    );
    refused("test = ''", ".aspora/product.toml:1, `test`: has an empty command line: leave it out");
    refused(
        "test = 'x'\nroot = '../up'",
        ".aspora/product.toml:2, `root`: is no folder of the repository: a segment is `.` or `..`",
    );
    refused(
        "test = 'x'\ncase = 'pytest'",
        ".aspora/product.toml:2, `case`: lacks `{path}`, the place of the case's path",
    );
    refused(
        "test = 'x'\n[limits]\nseconds = 0",
        ".aspora/product.toml:3, `limits.seconds`: is 0; it may be 1 to 7200",
    );
    refused(
        "test = 'x'\n[coverage]\nrun = 'y'\nreport = 'z'\nfloor = 101",
        ".aspora/product.toml:5, `coverage.floor`: is 101; it is a share in percent, 0 to 100",
    );
    refused(
        "test = 'x'\nservices = ['redis', 'redis']",
        ".aspora/product.toml:2, `services`: names `redis` twice",
    );
    refused(
        "test = 'x'\ninputs = ['/etc/*']",
        ".aspora/product.toml:2, `inputs`: has the pattern \"/etc/*\": begins with `/`; patterns are anchored at the root already",
    );
    refused(
        "test = 'x'\nimage = 'a:1'\ntoolchains = ['go']",
        ".aspora/product.toml:3, `toolchains`: stand beside an `image`, which brings its own tools: leave one of the two out",
    );
    refused(
        "test = 'x'\nimage = '--privileged'",
        ".aspora/product.toml:2, `image`: \"--privileged\" is no name of an image",
    );
    refused(
        "test = 'x'\n[product.a]\ntest = 'y'",
        ".aspora/product.toml:1, `test`: stands beside `[product.NAME]` tables: give each product its own",
    );
    refused(
        "[product.A]\ntest = 'y'",
        ".aspora/product.toml:1, `product.A`: \"A\" is not a product name: 1 to 40 of a-z, 0-9 and -, beginning with a letter",
    );
    refused(
        "[product.a]\ntest = 'y'\n[product.b]\ntest = 'y'",
        ".aspora/product.toml, `product.b.root`: is the folder of `a` too: give each product its own",
    );
    refused("test = ", ".aspora/product.toml:1: string values must be quoted, expected literal string");
    let long = format!("test = '{}'", "x".repeat(4_097));
    refused(&long, ".aspora/product.toml:1, `test`: has a command line of 4097 bytes; the limit is 4096");
}

#[test]
fn set_up_reads_manifests_lock_files_and_what_is_named() {
    let mut build = only("test = 'x'\ninputs = ['vendor/**']");
    let paths = [
        "a.py",
        "pyproject.toml",
        "web/package-lock.json",
        "requirements/dev.txt",
        "vendor/x.whl",
        "notes.txt",
    ];
    assert_eq!(
        build.setup_files(paths),
        ["pyproject.toml", "web/package-lock.json", "requirements/dev.txt", "vendor/x.whl"]
    );
    build.root = "web".to_owned();
    assert_eq!(build.setup_files(paths), ["web/package-lock.json"]);
}

fn tree(files: &[(&str, &str)]) -> Fetched {
    let texts: BTreeMap<String, String> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    Fetched { paths: texts.keys().cloned().collect(), texts }
}

/// The proposal as the text of a product file, which must be a valid one.
#[track_caller]
fn proposal(files: &[(&str, &str)], root: &str) -> String {
    let mut found = detect(&tree(files), root);
    assert_eq!(found.len(), 1, "{found:?}");
    let text = ProductFile::single(found.remove(0).build).to_string();
    assert_eq!(parse(&text).to_string(), text);
    text
}

#[test]
fn python_is_known_by_its_manifests() {
    let requirements = [("requirements.txt", "fastapi\n"), ("tests/test_a.py", "import pytest\n")];
    let expected = "setup = [\n    \"python3 -m venv /deps/venv\",\n    \"pip install --quiet -r requirements.txt pytest\",\n]\ntest = \"pytest\"\n";
    assert_eq!(proposal(&requirements, ""), expected);
    let plain = [("tests/test_a.py", "import unittest\n")];
    assert_eq!(proposal(&plain, ""), "test = \"python3 -m unittest discover -s tests -t .\"\n");
    let package = [
        (
            "pyproject.toml",
            "[build-system]\nrequires = [\"hatch-vcs\"]\n[project]\nname = \"a\"\n[dependency-groups]\ntests = [\"pytest\"]\n",
        ),
        ("src/a/__init__.py", ""),
    ];
    let text = proposal(&package, "");
    assert!(text.contains("--group tests pytest"), "{text}");
    assert!(text.contains("\"pip install --quiet --no-deps"), "the sandbox sets the version: {text}");
    assert!(text.contains("PYTHONPATH=src:/tmp/site pytest"), "{text}");
}

#[test]
fn node_rust_and_go_are_known_by_their_manifests() {
    let manifest =
        r#"{"scripts": {"test": "vitest run", "lint": "eslint ."}, "devDependencies": {"vitest": "4"}}"#;
    let expected = "setup = \"npm ci --ignore-scripts --no-audit --no-fund\"\ntest = \"npm test\"\nlint = \"npm run lint\"\n";
    assert_eq!(proposal(&[("package.json", manifest), ("package-lock.json", "{}")], ""), expected);
    let none = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#;
    assert_eq!(proposal(&[("package.json", none)], ""), "test = \"node --test\"\n");
    let rust = [("Cargo.toml", "[workspace]\n"), ("Cargo.lock", "")];
    let expected = "setup = \"cargo fetch --locked\"\ntest = \"cargo test --workspace --locked --offline\"\ntoolchains = [\"rust\"]\n";
    assert_eq!(proposal(&rust, ""), expected);
    let go = [("go.mod", "module a\nrequire b v1\n")];
    let expected = "setup = [\n    \"go mod download\",\n    \"GOCACHE=/deps/go-build go build std\",\n]\n\
                    test = [\n    \"cp -r /deps/go-build /tmp/go-build\",\n    \"go test ./...\",\n]\nlint = \"go vet ./...\"\ntoolchains = [\"go\"]\n";
    assert_eq!(proposal(&go, ""), expected);
}

#[test]
fn a_monorepo_has_a_product_in_each_folder_with_a_manifest() {
    let files = [
        ("packages/a/package.json", "{}"),
        ("packages/a/examples/package.json", "{}"),
        ("services/b/go.mod", "module b\n"),
        ("services/b/compose.yml", "services:\n  db:\n    image: postgres:17\n"),
        ("vendor/c/go.mod", ""),
        ("README.md", ""),
    ];
    let tree = tree(&files);
    assert_eq!(folders(&tree), ["packages/a", "services/b"]);
    let found = detect(&tree, "services/b");
    assert_eq!(found[0].build.root, "services/b");
    assert_eq!(found[0].build.services, [Service::Postgres]);
}

#[test]
fn what_else_the_repository_says_is_noted() {
    let files = [
        ("go.mod", "module a\n"),
        ("Makefile", "all:\n\ttrue\ntest: all\n\tgo test\n"),
        (".github/workflows/ci.yml", "      - run: go test -race ./...\n"),
    ];
    assert_eq!(
        detect(&tree(&files), "")[0].notes,
        [
            "Go, from `go.mod`",
            "the Makefile has a target `test`",
            "the workflow `.github/workflows/ci.yml` runs `go test`"
        ]
    );
}

/// The proposal's lines of set-up and of the tests.
#[track_caller]
fn lines(files: &[(&str, &str)]) -> (String, Vec<String>) {
    let build = detect(&tree(files), "").remove(0).build;
    (build.setup.join("\n"), build.test)
}

#[test]
fn what_hatch_installs_for_tests_is_installed() {
    let pyproject = "[build-system]\nrequires = [\"hatchling\"]\n[project]\nname = \"a\"\n[project.optional-dependencies]\nredis = [\"redis\"]\n\
                     [tool.hatch.envs.default]\nfeatures = [\"redis\"]\ndependencies = [\"pytest\", \"httpx\"]\n\
                     [tool.hatch.envs.docs]\ndependencies = [\"mkdocs\"]\n";
    let (setup, test) = lines(&[("pyproject.toml", pyproject), ("tests/test_a.py", "import pytest")]);
    assert!(setup.contains(r#"*p["optional-dependencies"]["redis"]"#), "{setup}");
    assert!(setup.contains(r#"["envs"]["default"].get("dependencies", [])"#), "{setup}");
    assert!(!setup.contains("docs"), "{setup}");
    assert_eq!(test[1], "PYTHONPATH=/tmp/site pytest");
}

#[test]
fn what_development_needs_is_installed_only_where_nothing_is_named_for_tests() {
    let project = "[project]\nname = \"a\"\n[dependency-groups]\ndev = [\"ruff\"]\n";
    let (setup, _) = lines(&[("pyproject.toml", project), ("requirements-dev.txt", "tox\n")]);
    assert!(setup.contains("--group dev") && setup.contains("-r requirements-dev.txt"), "{setup}");
    let project = format!("{project}tests = [\"pytest\"]\n");
    let (setup, _) = lines(&[("pyproject.toml", &project), ("requirements-dev.txt", "tox\n")]);
    assert!(setup.contains("--group tests") && !setup.contains("dev"), "{setup}");
}

#[test]
fn a_requirements_file_that_names_the_package_itself_is_read_without_that_line() {
    let project = "[project]\nname = \"a\"\n[project.optional-dependencies]\nsocks = [\"PySocks\"]\n";
    let files = [("pyproject.toml", project), ("requirements-test.txt", "-e .[socks]\npytest\n")];
    let (setup, _) = lines(&files);
    assert!(setup.contains(r"sed -i -E '/^ *((-e|--editable) +)?\./d' requirements-test.txt"), "{setup}");
    assert!(setup.contains(r#"*p["optional-dependencies"]["socks"]"#), "{setup}");
    let (setup, _) = lines(&[("pyproject.toml", project), ("requirements-test.txt", "pytest\n")]);
    assert!(!setup.contains("sed ") && !setup.contains("socks"), "{setup}");
}

#[test]
fn cases_of_incidents_have_a_command_where_there_are_some() {
    let unittest = [("tests/test_a.py", "import unittest"), ("tests/harness/test_b.py", "import unittest")];
    let case = detect(&tree(&unittest), "").remove(0).build.case;
    assert_eq!(case.as_deref(), Some("python3 -m unittest {path}"));
    let pytest = [("tests/test_a.py", "import pytest"), ("tests/harness/test_b.py", "")];
    assert_eq!(detect(&tree(&pytest), "").remove(0).build.case.as_deref(), Some("pytest {path}"));
    assert_eq!(detect(&tree(&unittest[..1]), "").remove(0).build.case, None);
}

#[test]
fn style_and_questions_to_registries_are_no_tests_of_node() {
    let check = |scripts: &str, expected: &[&str]| {
        let manifest = format!("{{\"scripts\": {{{scripts}}}}}");
        assert_eq!(lines(&[("package.json", &manifest)]).1, expected, "{scripts}");
    };
    check(r#""test": "mocha""#, &["npm test"]);
    check(r#""pretest": "tsc", "test": "mocha""#, &["npm test"]);
    check(
        r#""pretest": "npm run lint", "test": "npm run tests-only", "posttest": "npx npm@'>=10' audit""#,
        &["npm run tests-only"],
    );
    check(
        r#""test": "npm run lint:eslint && npm run -s unit && jest 'a b'""#,
        &["npm run -s unit", r"npm exec -c 'jest '\''a b'\'''"],
    );
    check(r#""test": "eslint .""#, &["npm test"]);
}

#[test]
fn a_product_of_a_monorepo_is_the_folder_that_bears_its_name() {
    let files = [("packages/a/go.mod", "module a\n"), ("packages/b/Cargo.toml", "[package]\n")];
    let of = |product: &str, wanted: Option<&str>| {
        propose(&tree(&files), &product.parse().unwrap(), wanted).map_err(|error| error.to_string())
    };
    let text = of("b", None).unwrap().file.unwrap().to_string();
    assert!(text.starts_with("[product.b]\nroot = \"packages/b\"\n"), "{text}");
    let unknown = of("c", None).unwrap();
    assert_eq!((unknown.file, unknown.notes.len()), (None, 1));
    let says = &unknown.notes[0];
    assert!(says.ends_with("say which is the product's: packages/a, packages/b"), "{says}");
    assert!(of("c", Some("packages/a")).unwrap().file.is_some());
    let refused = of("c", Some("x")).unwrap_err();
    assert_eq!(refused, "`x` has no manifest of its own; folders with one: packages/a, packages/b");
    let empty = propose(&tree(&[("README.md", "")]), &"a".parse().unwrap(), None).unwrap();
    assert!(empty.notes[0].contains("write `.aspora/product.toml`"), "{:?}", empty.notes);
}

#[test]
fn the_requirements_of_a_folder_are_read_and_a_word_is_a_whole_one() {
    let paths = ["requirements/tests.txt", "notes/a.txt", "requirements.txt"].map(str::to_owned);
    assert_eq!(wanted(&paths), ["requirements/tests.txt", "requirements.txt"]);
    let files = [("Cargo.toml", ""), (".github/workflows/a.yml", "run: cargo test\n")];
    let notes = detect(&tree(&files), "").remove(0).notes;
    assert_eq!(notes.last().unwrap(), "the workflow `.github/workflows/a.yml` runs `cargo test`");
}

#[test]
fn a_change_touches_the_products_whose_folder_it_is_in_and_all_by_a_file_outside_of_every_folder() {
    let file = parse(
        "[product.api]\nroot = 'services/api'\ntest = 'a'\n[product.site]\nroot = 'web/site'\ntest = 'b'\n\
         [product.web]\nroot = 'web'\ntests = 'forge'\n",
    );
    let check = |among: &str, paths: &[&str], expected: &str| {
        let among: Vec<ProductName> = among.split(' ').map(|name| name.parse().unwrap()).collect();
        let touched: Vec<&str> = file.touched(&among, paths).into_iter().map(ProductName::as_str).collect();
        assert_eq!(touched.join(" "), expected, "{paths:?}");
    };
    check("api site web", &["services/api/main.py"], "api");
    check("api site web", &["web/index.html"], "web");
    check("api site web", &["web/site/index.html"], "site web");
    check("api site web", &["services/api/main.py", "web/index.html"], "api web");
    check("api site web", &["services/apis/main.py"], "api site web");
    check("api site web", &["README.md", "web/index.html"], "api site web");
    check("api site web", &[], "");
    // What is in the folder of another product belongs to none of these.
    check("api site", &["web/index.html"], "api site");
    check("api nowhere", &["services/api/main.py"], "api nowhere");
    check("api nowhere", &[], "nowhere");
    let single = parse("root = 'lib'\ntest = 'true'\n");
    let any = ["any".parse().unwrap()];
    assert_eq!(single.touched(&any, &["docs/index.md"]), [&any[0]], "the only product is touched by all");
}
