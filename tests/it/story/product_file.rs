//! The product file at the base says how a product is set up and tested.

use aspora::llm::Task;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, World},
};

const PATH: &str = ".aspora/product.toml";

/// A world whose product has this file at its base, and whose model writes a harmless change.
async fn world(product_file: &str) -> World {
    let world = World::with(|setup| {
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 0")));
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
    assert_eq!((&head["result"], &head["passed"]), (&"passed".into(), &10.into()), "{head}");
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
    let answer =
        format!("{}=== file: {PATH}\ntest = 'true'\n=== end: {PATH}\n", file("lib/round.py", "ROUND = 0"));
    let world = World::with(|setup| {
        setup.script = with_clean_reviews(generates(&answer));
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    assert_eq!((world.twin.pulls(REPO).len(), world.merges()), (0, 0), "no agent may write there");
}
