//! The product file at the base says how a product is set up and tested.

use aspora::{dev::model::Script, llm::Task};

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, World},
};

const PATH: &str = ".aspora/product.toml";

/// One more file of an answer.
fn and(path: &str, text: &str) -> String {
    format!("=== file: {path}\n{text}\n=== end: {path}\n")
}

/// A world whose product has this file at its base, and whose model writes a harmless change.
async fn world(product_file: &str) -> World {
    world_of(product_file, generates(&file("lib/round.py", "ROUND = 0"))).await
}

async fn world_of(product_file: &str, script: Script) -> World {
    let world = World::with(|setup| {
        setup.script = with_clean_reviews(script);
        setup.ci = Some(passing_ci());
    })
    .await;
    world.push_as("ada", "main", PATH, product_file).await;
    world
}

async fn result(world: &World, run: uuid::Uuid) -> serde_json::Value {
    let (_, all) = world.call("GET", &format!("runs/{run}/tests"), None).await;
    let head = all.as_array().unwrap().iter().find(|it| it["purpose"] == "head");
    let history = world.history(run).await;
    head.unwrap_or_else(|| panic!("{all}\n{history}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn tests_run_as_the_product_file_says_on_the_layer_of_its_set_up() {
    let world = world(
        "setup = 'mkdir /deps/bin && printf \"#!/bin/sh\\npython3 -m unittest discover -s tests -t .\\n\" > /deps/bin/suite \
         && chmod +x /deps/bin/suite'\ntest = ['test -w /deps && exit 1; suite']\n",
    )
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let head = result(&world, run).await;
    assert_eq!((&head["result"], &head["passed"]), (&"passed".into(), &11.into()), "{head}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_up_that_fails_merges_nothing_and_says_so() {
    let world = world("setup = 'echo no such registry; exit 7'\ntest = 'true'\n").await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let head = result(&world, run).await;
    assert_eq!((&head["result"], &head["cause"]), (&"not_run".into(), &"setup".into()), "{head}");
    assert!(head["sentence"].as_str().unwrap().contains("the set-up ended with exit code 7"), "{head}");
    assert!(head["log"].as_str().unwrap().contains("no such registry"), "{head}");
    assert_eq!(
        (world.merges(), world.model_calls(Task::Repair)),
        (0, 0),
        "no model is given it as its fault"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_file_that_is_refused_merges_nothing_and_names_its_line() {
    let world = world("test = 'true'\nservices = ['mysql']\n").await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let why = result(&world, run).await["sentence"].to_string();
    assert!(why.contains(".aspora/product.toml:2: unknown variant `mysql`"), "{why}");
    assert_eq!(world.merges(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_cannot_say_how_it_is_tested() {
    let answer = format!("{}{}", file("lib/round.py", "ROUND = 0"), and(PATH, "test = 'true'"));
    let world = World::with(|setup| {
        setup.script = with_clean_reviews(generates(&answer));
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    assert_eq!((world.twin.pulls(REPO).len(), world.merges()), (0, 0), "no agent may write there");
}

/// Its lint refuses a mark, and its coverage is low until a test of the new module is there.
const DEMANDING: &str = r#"
test = "python3 -m unittest discover -s tests -t ."
lint = "! grep -rn FIXME lib"

[coverage]
run = 'if [ -e lib/round.py ] && [ ! -e tests/test_round.py ]; then hit=3; else hit=4; fi; printf "LF:4\nLH:$hit\n" > lcov.info'
report = "lcov.info"
floor = 90
"#;

const TEST: &str = "import unittest\nfrom lib.round import ROUND\n\n\nclass Round(unittest.TestCase):\n    \
                    def test_round(self):\n        self.assertEqual(ROUND, 0)";

#[tokio::test(flavor = "multi_thread")]
async fn a_red_lint_and_a_coverage_below_the_floor_go_back_before_a_push() {
    let (marked, clean) = (file("lib/round.py", "ROUND = 0  # FIXME"), file("lib/round.py", "ROUND = 0"));
    let covered = format!("{clean}{}", and("tests/test_round.py", TEST));
    let lint = ["lint: it ended with exit code 1", "lib/round.py:1:ROUND = 0  # FIXME"];
    let coverage = ["lint passed; coverage: 75 % (3 of 4 lines), below the floor of 90 %"];
    let script = generates(&marked).with(Task::Repair, &coverage, &[], &covered);
    let world = world_of(DEMANDING, script.with(Task::Repair, &lint, &[], &clean)).await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done", "{}", world.reason(run).await);
    assert_eq!(world.model_calls(Task::Repair), 2);
    let head = result(&world, run).await;
    let met: Vec<_> = head["demands"].as_array().unwrap().iter().map(|it| &it["sentence"]).collect();
    assert_eq!(met, ["lint passed", "coverage 100 % (4 of 4 lines)"], "{head}");
    assert_eq!(head["demands"][1]["percent"], 100.0);
    let page = world.page(&format!("runs/{run}")).await;
    assert!(page.contains("coverage: 75 % (3 of 4 lines), below the floor of 90 %"), "{page}");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lint_that_is_missing_blocks_and_is_no_failure_of_the_code() {
    let world = world("test = 'true'\nlint = 'rufff check .'\n").await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("but not its lint: there is no such command here (exit code 127)"), "{reason}");
    assert!(reason.contains("without the change too: lint"), "{reason}");
    assert_eq!((world.merges(), world.model_calls(Task::Repair)), (0, 0));
}

/// Two products of one repository, of which only the first has the requirement.
const TWO: &str = r#"
[product.wealth]
root = "lib"
test = "test -e ../lib"

[product.web]
root = "web"
test = "! grep -rn broken ."

[product.other]
root = "other"
test = "exit 1"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_touches_another_products_folder_is_tested_by_both() {
    let change = |text: &str| format!("{}{}", file("lib/round.py", "ROUND = 0"), and("web/page.html", text));
    let red = ["the tests failed", "product `web`", "page.html:1:broken"];
    let script = generates(&change("broken")).with(Task::Repair, &red, &[], &change("whole"));
    let world = world_of(TWO, script).await;
    world.push_as("ada", "main", "web/index.html", "hello\n").await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done", "{}", world.reason(run).await);
    assert_eq!(world.model_calls(Task::Repair), 1);
    let head = result(&world, run).await;
    let both = serde_json::json!(["test -e ../lib", "! grep -rn broken ."]);
    assert_eq!(
        (&head["result"], &head["command"]),
        (&"passed".into(), &both),
        "the third is not touched: {head}"
    );
}

/// One product sees the history, and one below it does not.
const WITH_HISTORY: &str = r#"
[product.wealth]
history = true
test = "git describe --tags"

[product.web]
root = "lib"
test = "test ! -e ../.git && test $PBR_VERSION = 0.0.0"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn tests_see_the_history_where_the_file_asks_for_it_and_each_commit_is_tested_then() {
    let world = world(WITH_HISTORY).await;
    world.tag_main("v1.2").await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done", "{}", world.reason(run).await);
    let (head, ended) = (world.head(run).await, result(&world, run).await);
    let described = format!("v1.2-1-g{}", &head[..7]);
    assert!(ended["log"].as_str().unwrap().contains(&described), "{described} is not in {ended}");
    let same_tree =
        "select max(runs) from (select count(*) as runs from test_run group by tree_sha) as trees";
    let runs: Option<i64> = sqlx::query_scalar(same_tree).fetch_one(&world.pool).await.unwrap();
    assert_eq!(runs, Some(2), "the model's answer and the head are commits of one tree");
}
