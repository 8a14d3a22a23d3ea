//! `aspora demo --all`: its scripted answers fit the products of `product init`, and take them where the demo says.
//!
//! The demo itself needs a registry of Python packages, so it is ignored here: `./run templates` runs it.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Output, Stdio},
};

use aspora::{
    core::{
        change::{Change, ChangeKind, FileChange},
        edit::{Answer, Written, apply},
        policy::{Outlook, POLICY_PATH, Tier, Trial},
        product_file::{self, ProductFile},
    },
    dev::{
        showcase::{ALL, GOALS, Showcase, TRADING, WEALTH, incident, script},
        templates::{Template, new_product},
    },
    llm::Task,
};
use serde_json::{Value, json};

/// The files of a product by path, as a run changes them.
#[derive(Clone)]
struct Product {
    name: &'static str,
    base: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
}

impl Product {
    fn new(it: &Showcase) -> Self {
        let files = new_product(&it.name.parse().unwrap(), Template::FastApi).into_iter();
        let files = files.map(|file| (file.path.to_owned(), String::from_utf8(file.content).unwrap()));
        let files: BTreeMap<_, _> = files.collect();
        Self { name: it.name, base: files.clone(), files }
    }

    fn of(name: &str) -> (Self, &'static Showcase) {
        let it = ALL.iter().find(|it| it.name == name).unwrap();
        (Self::new(it), it)
    }

    /// The script's answer to a prompt with the requirement, all files and what is said beside them.
    fn answer(&self, task: Task, it: &Showcase, said: &str) -> Option<Answer> {
        self.answer_about(task, it.requirement(), said)
    }

    fn answer_about(&self, task: Task, (title, body): (&str, &str), said: &str) -> Option<Answer> {
        let mut prompt = format!("{title}\n{body}\n{said}");
        for (path, text) in &self.files {
            prompt.push_str(&format!("\n{path}\n{text}"));
        }
        script().unwrap().answer(task, &prompt).map(|text| Answer::parse(text).unwrap())
    }

    /// Applies an answer to what is there.
    fn take(&mut self, answer: &Answer) {
        let applied = apply(answer, |path| self.files.get(path.as_str()).cloned()).unwrap();
        assert!(applied.forgiven.is_empty(), "the script is well-formed: {:?}", applied.forgiven);
        for Written { path, after, .. } in applied.files {
            self.files.insert(path.as_str().to_owned(), after.unwrap());
        }
    }

    /// What the product's policy says of all changes so far.
    fn outlook(&self) -> Outlook {
        let changed = self.files.iter().filter(|(path, text)| self.base.get(*path) != Some(text));
        let file = |(path, _): (&String, &String)| {
            let is_new = !self.base.contains_key(path);
            FileChange {
                path: path.clone(),
                kind: if is_new { ChangeKind::Added } else { ChangeKind::Modified },
                old_mode: if is_new { 0 } else { 0o100_644 },
                new_mode: 0o100_644,
                odd: false,
                blank: false,
            }
        };
        let change = Change { files: changed.map(file).collect() };
        let trial = Trial::new(Some(&self.base[POLICY_PATH]), &[self.name.parse().unwrap()]).unwrap();
        let classification = trial.classify(&change, None, None);
        trial.say(&change, &classification)
    }

    /// The line of a file, without its indentation.
    fn line(&self, path: &str, line: u64) -> &str {
        self.files[path].lines().nth(usize::try_from(line).unwrap() - 1).unwrap().trim()
    }

    /// What a Python program prints beside the files of the product.
    fn python(&self, program: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in &self.files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut python = Command::new("python3");
        let output = python.current_dir(folder.path()).args(["-B", "-c", program]).output().unwrap();
        assert!(output.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// Compiles all of Python, and counts it.
const COMPILE: &str = "import pathlib; all = sorted(pathlib.Path().rglob('*.py'))\n\
                       [compile(file.read_text(), str(file), 'exec') for file in all]; print(len(all))";

fn fitting(product: &Product, people: u32, tier: Tier) {
    let outlook = product.outlook();
    assert_eq!((outlook.tier, outlook.people), (tier, people), "{}", product.name);
    assert_eq!(outlook.blocked, None, "{}", product.name);
    let python = product.files.keys().filter(|path| path.ends_with(".py")).count();
    assert_eq!(product.python(COMPILE), python.to_string(), "{}", product.name);
}

#[test]
fn the_risk_checker_is_drafted_with_the_two_faults_of_the_document_and_fixed() {
    let (mut product, it) = Product::of("wealth");
    product.take(&product.answer(Task::Generate, it, "").unwrap());
    fitting(&product, 0, Tier::High);
    for path in [
        "api/v1/risk_check.py",
        "services/risk_checker.py",
        "tests/test_risk_checker.py",
        "tests/browser/risk_check.spec.ts",
        "docs/risk-checker.md",
    ] {
        assert!(product.files.contains_key(path), "the document has {path}");
    }
    assert_eq!(product.line("services/risk_checker.py", 45), "risk_pct = daily_loss / portfolio_value");
    assert_eq!(product.line("api/v1/risk_check.py", 12), "user_id: object = None");
    let zero = "from services.risk_checker import check\ntry: check(0, -1)\nexcept Exception as error: print(repr(error))";
    assert!(product.python(zero).starts_with("ZeroDivisionError"));

    let finding = "services/risk_checker.py:45 Division by zero if portfolio_value is 0";
    product.take(&product.answer(Task::Remediate, it, finding).unwrap());
    fitting(&product, 0, Tier::High);
    assert_eq!(product.python(zero), "ValueError('Portfolio value cannot be zero')");
    for test in ["def test_risk_checker_zero_portfolio", "def test_risk_checker_invalid_user_id"] {
        assert!(product.files["tests/test_risk_checker.py"].contains(test), "{test}");
    }
    assert!(product.answer(Task::Generate, it, "").is_none(), "what is there is not written again");

    // The numbers of the document come from the service itself.
    let exchange = &it.example().unwrap()[0];
    let asked = exchange.body.as_ref().unwrap();
    let program = format!(
        "import json; from services.risk_checker import check\nprint(json.dumps(check({}, {})))",
        asked["portfolio_value"], asked["daily_loss"]
    );
    let answered: Value = serde_json::from_str(&product.python(&program)).unwrap();
    assert_eq!(answered, Value::Object(exchange.answer.clone()));
}

#[test]
fn the_price_of_an_order_needs_two_people_and_brings_a_fault_whose_incident_is_fixed_with_its_case() {
    let mut product = Product::new(&TRADING);
    product.take(&product.answer(Task::Generate, &TRADING, "").unwrap());
    fitting(&product, 2, Tier::Critical);
    assert!(product.answer(Task::Generate, &TRADING, "").is_none(), "what is there is not written again");

    let exchange = &TRADING.example().unwrap()[0];
    let asked = exchange.body.as_ref().unwrap();
    // The service takes a limit from beside the cache, whose driver may be missing here.
    let alone = "import sys; from unittest.mock import MagicMock; sys.modules['lib'] = MagicMock()";
    let program = format!(
        "{alone}; import json; from services.trading_service import quote\nprint(json.dumps(quote({}, {}, {})))",
        asked["side"], asked["quantity"], asked["price"]
    );
    let answered = |product: &Product| serde_json::from_str::<Value>(&product.python(&program)).unwrap();
    assert_eq!(answered(&product), Value::Object(exchange.answer.clone()));

    // The fix is asked for only with the case, and is judged for itself: what is there is the base.
    product.base.clone_from(&product.files);
    assert!(product.answer_about(Task::Generate, incident(), "").is_none());
    product.take(&product.answer_about(Task::Reproduce, incident(), "").unwrap());
    let added: Vec<&String> = product.files.keys().filter(|path| !product.base.contains_key(*path)).collect();
    assert_eq!(added, ["tests/harness/test_small_sale.py"]);
    let shows = format!(
        "{alone}; from tests.harness import test_small_sale as case\n\
         try: case.test_a_small_sale_costs_no_more_than_it_brings()\nexcept AssertionError: print('by an assertion')"
    );
    assert_eq!(product.python(&shows), "by an assertion");

    product.take(&product.answer_about(Task::Generate, incident(), "").unwrap());
    fitting(&product, 0, Tier::Low);
    assert_eq!(product.python(&shows), "");
    assert_eq!(answered(&product), Value::Object(exchange.answer.clone()));
}

#[test]
fn the_message_about_a_goal_is_of_a_tier_that_need_not_be_up_to_date() {
    let mut product = Product::new(&GOALS);
    product.take(&product.answer(Task::Generate, &GOALS, "").unwrap());
    fitting(&product, 0, Tier::Medium);
    assert!(!Tier::Medium.needs_up_to_date());
    assert!(product.answer(Task::Generate, &GOALS, "").is_none(), "what is there is not written again");
    let said = product.python("from channels.goal_message import text; print(text('Car', 400, 1000, 6))");
    assert_eq!(said, "Car: 40 % reached, 100 a month to go");
}

#[test]
fn the_requirements_of_wealth_are_written_side_by_side_without_a_conflict() {
    let base = Product::new(&WEALTH);
    let changed: Vec<BTreeMap<String, String>> = [WEALTH, TRADING, GOALS]
        .iter()
        .map(|it| {
            let mut product = base.clone();
            product.take(&product.answer(Task::Generate, it, "").unwrap());
            product.files.retain(|path, text| base.files.get(path) != Some(text));
            product.files
        })
        .collect();
    for (mine, theirs) in [(0, 1), (0, 2), (1, 2)] {
        for (path, text) in &changed[mine] {
            let Some(other) = changed[theirs].get(path) else { continue };
            assert_eq!(merged(&base.files[path], text, other), Some(true), "{path}");
        }
    }
}

/// Whether git merges two changes of a text without a conflict.
fn merged(base: &str, mine: &str, theirs: &str) -> Option<bool> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("base", base), ("mine", mine), ("theirs", theirs)] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut git = Command::new("git");
    git.current_dir(folder.path()).args(["merge-file", "-p", "mine", "base", "theirs"]);
    git.output().unwrap().status.code().map(|conflicts| conflicts == 0)
}

#[test]
fn the_runbook_is_drafted_red_and_given_again_whole() {
    let (product, it) = Product::of("ecm");
    let step = "from services.remediation_stuck_transfer import next_step\nprint(next_step(False, 30, 1)[0])";
    let draft = product.answer(Task::Generate, it, "").unwrap();
    let mut red = product.clone();
    red.take(&draft);
    assert_eq!(red.python(step), "WAIT", "the test of the 30th minute is red");
    let shown = "FAILED test_the_wait_is_over_in_the_30th_minute\n    if minutes <= WAIT_MINUTES:";
    let again = product.answer(Task::Repair, it, shown).unwrap();
    let mut fixed = product;
    fixed.take(&again);
    assert_eq!(fixed.python(step), "RETRY");
    fitting(&fixed, 1, Tier::Critical);
    let differs = |(path, text): (&String, &String)| (fixed.files[path] != *text).then(|| path.clone());
    let changed: Vec<String> = red.files.iter().filter_map(differs).collect();
    assert_eq!(changed, ["services/remediation_stuck_transfer.py"]);
}

#[test]
fn the_structuring_check_forgets_its_document_and_adds_it() {
    let (mut product, it) = Product::of("fincrime");
    product.take(&product.answer(Task::Generate, it, "").unwrap());
    let blocked = product.outlook().blocked.unwrap_or_default();
    assert!(blocked.contains("docs/API.md"), "{blocked}");
    product.take(&product.answer(Task::Remediate, it, &blocked).unwrap());
    fitting(&product, 2, Tier::Critical);
    assert!(product.answer(Task::Remediate, it, &blocked).is_none());
}

#[test]
fn the_three_have_the_same_dependency_files_so_that_one_set_up_serves_all() {
    let inputs = ALL.map(|it| {
        let product = Product::new(&it);
        let build = ProductFile::parse(&product.files[product_file::PATH]).unwrap();
        let build = build.of(&it.name.parse().unwrap()).unwrap().clone();
        let paths = build.setup_files(product.files.keys().map(String::as_str));
        let files = paths.into_iter().map(|path| (path.to_owned(), product.files[path].clone()));
        files.collect::<BTreeMap<_, _>>()
    });
    assert!(inputs[0].len() >= 3, "{:?}", inputs[0].keys());
    assert!(inputs.iter().all(|files| *files == inputs[0]));
}

#[test]
fn a_requirement_has_a_title_and_a_body_and_is_in_no_file_of_its_product() {
    for it in ALL.iter().chain(&[TRADING, GOALS]) {
        let (title, body) = it.requirement();
        assert!(!title.is_empty() && !title.starts_with('#') && body.starts_with("We need a "), "{title}");
        let first = body.lines().next().unwrap();
        assert!(!Product::new(it).files.values().any(|text| text.contains(first)), "{first}");
        assert_eq!(
            it.example().unwrap().is_empty(),
            it.label == GOALS.label,
            "no route leads to {}",
            it.label
        );
    }
    let (title, body) = incident();
    assert!(title.contains("negative") && body.contains("total of -50"), "{title}");
    let (_, body) = WEALTH.requirement();
    assert!(body.starts_with("We need a portfolio risk checker for Wealth product\n"), "{body}");
}

fn demo(data: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aspora"));
    command.args(["-o", "json", "demo", "--all", "--data"]).arg(data).args(arguments).stdin(Stdio::null());
    for variable in ["DATABASE_URL", "OPENAI_API_KEY", "GITHUB_TOKEN", "GITHUB_APP_ID", "ASPORA_LISTEN"] {
        command.env_remove(variable);
    }
    command.env("ASPORA_DATA", data.join("home")).env("RUST_LOG", "error").output().unwrap()
}

#[test]
fn what_makes_sense_for_one_requirement_alone_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &["--credential", "token"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("'--all' cannot be used with '--credential"), "{said}");
    let one = r#"{"keys": ["0199c0de-0000-7000-8000-000000000000"], "ended": false}"#;
    std::fs::write(folder.path().join("demo.json"), one).unwrap();
    let output = demo(folder.path(), &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("choose another directory with --data"), "{said}");
}

#[test]
#[ignore = "installs packages from a registry and takes minutes: ./run templates"]
fn three_products_are_merged_side_by_side_and_an_incident_becomes_a_case() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let products = summary["products"].as_array().unwrap();
    let names: Vec<&Value> = products.iter().map(|it| &it["product"]).collect();
    assert_eq!(names, ["wealth", "ecm", "fincrime"]);
    let runs: Vec<&Value> = products.iter().flat_map(|it| it["runs"].as_array().unwrap()).collect();
    let of = |key: &str| runs.iter().map(|it| it[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("tier"), ["high", "critical", "medium", "critical", "critical"]);
    let (nobody, two) = (json!([]), json!(["ines", "noor"]));
    assert_eq!(of("approved_by"), [nobody.clone(), two.clone(), nobody, json!(["ines"]), two]);
    let sent_back: Vec<usize> = runs.iter().map(|it| it["sent_back"].as_array().unwrap().len()).collect();
    assert_eq!(sent_back, [1, 0, 0, 1, 1]);
    for it in products {
        assert_eq!(it["main"]["passed"], true, "{it}");
        assert!(it["main"]["said"].as_str().unwrap().contains("coverage 100%; "), "{it}");
        let compared =
            it["answers"].as_array().unwrap().iter().flat_map(|it| it["compared"].as_array().unwrap());
        assert!(compared.clone().count() >= 4 && compared.clone().all(|it| it["same"] == true), "{it}");
    }
    let risk = &products[0]["answers"][0]["answer"];
    let expected = json!({"risk_pct": -0.008, "status": "GREEN", "limit": -0.05, "remaining": 0.042});
    assert_eq!(*risk, expected);

    let conversion = &products[0]["gap"];
    let gap = &conversion["gap"];
    assert_eq!((&gap["state"], &gap["clock"]["reading"]), (&json!("converted"), &json!("in_time")), "{gap}");
    assert_eq!(gap["caused_by"], runs[1]["run_id"], "it is laid to trading");
    assert_eq!(conversion["run"]["tier"], "low");
    let figures = summary["figures"].as_array().unwrap().iter();
    let figures: Vec<(&str, Option<f64>)> =
        figures.map(|it| (it["name"].as_str().unwrap(), it["value"].as_f64())).collect();
    let expected = [
        ("merged", 6.0),
        ("merged.alone", 3.0),
        ("cleared.first_pass", 4.0),
        ("incident", 1.0),
        ("gap.tracked", 1.0),
        ("gap.converted", 1.0),
    ];
    assert_eq!(figures, expected.map(|(name, value)| (name, Some(value))));
    let dashboard = summary["dashboard"].as_str().unwrap();
    assert!(dashboard.ends_with("/dashboard") && said.contains(dashboard), "{said}");
}
