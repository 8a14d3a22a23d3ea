//! Public repositories with their own tests: `aspora dev --product` takes each through a requirement to its merge, and a
//! change that breaks a test back to the model before anything of it is pushed.
//!
//! What is asked of each, and what the model answers, is in `tests/data/repositories`; `run` fetches their packages into
//! `target/repositories` (here: two; all others by `./run repositories`).

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use aspora::{
    core::product_file,
    dev::model::{MODEL, Script, ScriptedModel},
    llm::Task,
};
use serde::Deserialize;
use serde_json::Value;

use crate::support::{
    dev::{Machine, Running},
    eventually,
};

const KEY: &str = "the-key-of-the-model";
const CLEAN: &str = r#"{"summary": "Nothing to object to.", "findings": []}"#;

/// A repository, what is asked of it, and what the model answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Its folder in `target/repositories`.
    sources: String,
    branch: String,
    /// The name of the product.
    product: String,
    /// Files beside its sources, such as a product file where its manifests do not say how it is tested.
    #[serde(default)]
    files: BTreeMap<String, String>,
    title: String,
    body: String,
    /// An answer that breaks a test, and a word of the log that then goes back.
    red: Option<Red>,
    /// The answer that is merged.
    answer: String,
    /// A file of the change.
    brings: String,
    /// The least number of cases that pass with the change; 0 where the runner does not count.
    passed: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Red {
    answer: String,
    log: String,
}

impl Case {
    fn read(name: &str) -> Self {
        let file = format!("{}/tests/data/repositories/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&file).unwrap();
        toml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    /// Its sources as a repository of one commit.
    fn machine(&self) -> Machine {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/repositories").join(&self.sources);
        assert!(
            sources.is_dir(),
            "{} is missing: `./run test` fetches what the gate needs, `./run repositories` the others",
            sources.display()
        );
        let machine = Machine::new(&self.branch);
        let mut copy = Command::new("cp");
        copy.arg("-r").arg(sources.join(".")).arg(machine.repository.path());
        assert!(copy.status().unwrap().success());
        for (path, text) in &self.files {
            machine.write(path, text.trim_start().as_bytes());
        }
        machine.commit("the published sources");
        machine
    }

    fn script(&self) -> Script {
        let script = Script::default().with(Task::Review, &[], &[], CLEAN);
        match &self.red {
            None => script.with(Task::Generate, &[], &[], &self.answer),
            Some(red) => {
                let log = [red.log.as_str(), "nothing of it was used"];
                script.with(Task::Generate, &[], &[], &red.answer).with(Task::Repair, &log, &[], &self.answer)
            }
        }
    }
}

async fn goes_to_the_merge(name: &str) {
    let case = Case::read(name);
    let model =
        ScriptedModel::start(([127, 0, 0, 1], 0).into(), case.script(), Some(KEY.into())).await.unwrap();
    let mut machine = case.machine();
    let variables = [
        ("OPENAI_BASE_URL", model.url()),
        ("OPENAI_API_KEY", KEY.to_owned()),
        ("ASPORA_MODEL", MODEL.to_owned()),
    ];
    machine.variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
    let running = machine.start(&["--product", &machine.product(&case.product), "--starter-policy"]).await;
    let said = if case.files.contains_key(product_file::PATH) {
        "how it is tested stands in"
    } else {
        "was detected ("
    };
    assert!(running.printed.contains(said), "{}", running.printed);

    let submit =
        ["requirement", "submit", "--product", &case.product, "--title", &case.title, "--body", &case.body];
    let submitted = running.aspora(&[&["-o", "json"], &submit[..]].concat()).await;
    let submitted: Value = serde_json::from_str(&submitted).unwrap();
    let (requirement, run) = (submitted["id"].as_str().unwrap(), submitted["run_id"].as_str().unwrap());
    let (merged, watched) = running.tries(&["requirement", "watch", requirement]).await;
    let tests = tests_of(&running, run).await;
    assert!(merged, "{watched}\n{}\n{tests:#?}", running.aspora(&["run", "events", run]).await);

    green(&tests, "fork");
    let head = green(&tests, "head");
    let passed = head["passed"].as_u64().unwrap_or_default();
    assert!(passed >= case.passed, "{passed} of at least {} passed: {head}", case.passed);
    came_back(&machine, &case, run).await;
    let drafts: Vec<&Value> = tests.iter().filter(|it| it["purpose"] == "draft").collect();
    assert_eq!(drafts.len(), usize::from(case.red.is_some()), "{drafts:#?}");
    if let Some(red) = &case.red {
        assert_ne!(drafts[0]["result"], "passed", "{drafts:#?}");
        let log = drafts[0]["log"].as_str().unwrap();
        assert!(log.contains(&red.log), "{log}");
        let repairs = model.ledger().into_iter().filter(|entry| entry.task == Some(Task::Repair));
        assert_eq!(repairs.count(), 1, "one round was enough");
    }
    println!("{name}: {}; with the change {}", sentence(&tests, "fork"), sentence(&tests, "head"));
    running.stop().await;
}

/// The merge comes back to the folder, and with it one commit of ours: what was red is none.
async fn came_back(machine: &Machine, case: &Case, run: &str) {
    let merged = format!("aspora/merged/{}", case.branch);
    let came = async || {
        let is_there = machine.git(&["branch", "--list", &merged, "--format=%(refname:short)"]) == merged;
        is_there
            && machine.git(&["ls-tree", "-r", "--name-only", &merged]).lines().any(|path| path == case.brings)
    };
    eventually("the merge comes back to the folder", came).await;
    let listing = machine.git(&["branch", "--list", "aspora/*", "--format=%(refname:short)"]);
    let ours = listing.lines().find(|name| name.ends_with(run)).unwrap_or_else(|| panic!("{listing}"));
    let base = machine.git(&["merge-base", &case.branch, ours]);
    let own =
        machine.git(&["log", "--format=%s", "--invert-grep", "--grep=^chore: ", &format!("{base}..{ours}")]);
    assert_eq!(own.lines().count(), 1, "{own}");
}

async fn tests_of(running: &Running, run: &str) -> Vec<Value> {
    let text = running.aspora(&["-o", "json", "run", "tests", run]).await;
    let all: Value = serde_json::from_str(&text).unwrap();
    all.as_array().unwrap_or_else(|| panic!("{all}")).clone()
}

fn green<'a>(tests: &'a [Value], purpose: &str) -> &'a Value {
    let run = tests.iter().find(|it| it["purpose"] == purpose).unwrap_or_else(|| panic!("{tests:#?}"));
    assert_eq!(run["result"], "passed", "{run:#}");
    run
}

fn sentence(tests: &[Value], purpose: &str) -> String {
    let run = green(tests, purpose);
    format!("{} in {} s", run["sentence"].as_str().unwrap(), run["seconds"])
}

#[tokio::test(flavor = "multi_thread")]
async fn itsdangerous_with_pytest_on_trunk() {
    goes_to_the_merge("itsdangerous").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strsim_with_cargo() {
    goes_to_the_merge("strsim").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes long: ./run repositories"]
async fn click_with_pytest_on_master() {
    goes_to_the_merge("click").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes long: ./run repositories"]
async fn fastapi_users_db_sqlalchemy_on_postgres() {
    goes_to_the_merge("fastapi-users-db-sqlalchemy").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes long: ./run repositories"]
async fn zod_in_typescript_with_vitest() {
    goes_to_the_merge("zod").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes long: ./run repositories"]
async fn qs_in_javascript_with_tape() {
    goes_to_the_merge("qs").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes long: ./run repositories"]
async fn mux_with_go() {
    goes_to_the_merge("mux").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes long: ./run repositories"]
async fn itsdangerous_in_one_folder_of_a_monorepo() {
    goes_to_the_merge("pallets").await;
}
