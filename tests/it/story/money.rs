//! Budgets: what pauses a run and what resumes it.

use std::time::Duration;

use aspora::{
    core::run::PauseCause,
    dev::model::Fault,
    llm::{Prices, Task},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    support::assert_budgets_add_up,
    world::{Setup, World},
};

fn simple(setup: &mut Setup) {
    setup.ci = Some(passing_ci());
    setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
}

/// Submits the requirement with this budget.
async fn submit(world: &World, budget: Value) -> Uuid {
    world
        .submit_as(
            json!({"product": "wealth", "title": COUNT_ROUNDS, "body": "Count them.", "budget": budget}),
        )
        .await
}

async fn budget(world: &World, run: Uuid) -> Value {
    let (status, budget) = world.call("GET", &format!("runs/{run}/budget"), None).await;
    assert_eq!(status, 200, "{budget}");
    budget
}

/// Asserts that the run is merged and that nothing stays reserved for it.
async fn assert_merges(world: &World, run: Uuid) {
    assert_eq!(world.run_to_end(run).await, "done", "{}", world.history(run).await);
    world.assert_nothing_twice();
    assert_eq!(budget(world, run).await["run"]["reserved_tokens"], 0);
    assert_budgets_add_up(&world.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_paused_by_its_budget_and_resumed_when_it_is_raised() {
    let world = World::with(simple).await;
    let run = submit(&world, json!({"tokens": 1000})).await;
    let (cause, reason) = world.until_paused(run).await;
    assert_eq!(cause, PauseCause::Budget);
    assert!(reason.starts_with("the run's budget of 1000 tokens is too small for the next call"), "{reason}");
    assert!(world.history(run).await.contains(&format!("generate paused: {reason}\n")));
    let (_, why) = world.call("GET", &format!("runs/{run}/why"), None).await;
    assert_eq!(why["cause"], "paused", "{why}");
    assert!(why["sentence"].as_str().unwrap().contains(&reason), "{why}");
    assert!(world.model.ledger().is_empty(), "the model was not called");
    let (_, effects) = world.call("GET", &format!("runs/{run}/effects"), None).await;
    assert_eq!(effects, json!([]), "a call over budget leaves no effect");

    let raise = |tokens: u64| json!({"tokens": tokens, "reason": "it is worth it"});
    let path = format!("runs/{run}/budget");
    let (_, raised) = world.call("PUT", &path, Some(raise(2000))).await;
    assert_eq!(raised["resumed"], json!([]), "it is still too small: {raised}");
    let (status, raised) = world.call("PUT", &path, Some(raise(10_000_000))).await;
    assert_eq!(status, 200, "{raised}");
    assert_eq!(raised["last_set"]["reason"], "it is worth it");
    assert_merges(&world, run).await;
    // Either the request itself resumes the run or a worker's timer, whichever comes first.
    assert!(world.history(run).await.contains("\ngenerate resumed: the "), "{}", world.history(run).await);
    let (_, view) = world.call("GET", &format!("runs/{run}"), None).await;
    let spent =
        view["spent"]["input_tokens"].as_u64().unwrap() + view["spent"]["output_tokens"].as_u64().unwrap();
    assert_eq!(view["budget"]["settled_tokens"], spent, "{view}");
    assert_eq!(view["budget"]["tokens"], 10_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_products_daily_budget_pauses_its_runs_until_it_is_raised() {
    let world = World::with(simple).await;
    let path = "products/wealth/budget";
    let (status, set) = world
        .call("PUT", path, Some(json!({"daily_tokens": 5, "tokens": 100_000_000, "reason": "thrift"})))
        .await;
    assert_eq!((status, &set["today"]["tokens"]), (200, &json!(5)), "{set}");
    let run = world.submit(COUNT_ROUNDS).await;
    let (cause, reason) = world.until_paused(run).await;
    assert_eq!(cause, PauseCause::Budget);
    assert!(reason.starts_with("the product's budget for this day of 5 tokens"), "{reason}");
    world.call("PUT", path, Some(json!({"reason": "no thrift"}))).await;
    assert_merges(&world, run).await;
    let (_, all) = world.call("GET", "budgets?product=wealth", None).await;
    assert_eq!(all[0]["today"], all[0]["total"], "everything was used today, and no limit remains: {all}");
    assert!(all[0]["total"]["settled_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_budget_does_not_resume_a_run_that_a_person_paused() {
    let world = World::with(simple).await;
    let (_, _) = world.call("PUT", "products/wealth/budget", Some(json!({"tokens": 5, "reason": "r"}))).await;
    let (short, paused) = (world.submit(COUNT_ROUNDS).await, world.submit(COUNT_ROUNDS).await);
    world.until_paused(short).await;
    world.until_paused(paused).await;
    // A person resumes it and pauses it again, so only a person may resume it.
    world.stop_worker().await;
    let reason = "waiting for legal".parse().unwrap();
    world.engine.resume(paused, "pm@acme", &reason).await.unwrap();
    world.engine.pause(paused, "pm@acme", &reason).await.unwrap();
    world.start_worker(|_| {});
    world.call("PUT", "products/wealth/budget", Some(json!({"reason": "r"}))).await;
    assert_eq!(world.run_to_end(short).await, "done");
    assert_eq!(world.until_paused(paused).await, (PauseCause::Person, "waiting for legal".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_in_dollars_needs_prices() {
    let world = World::with(simple).await;
    let run = submit(&world, json!({"micro_dollars": 100_000_000})).await;
    let (cause, reason) = world.until_paused(run).await;
    assert_eq!(cause, PauseCause::Budget);
    assert_eq!(
        reason,
        "the run's budget is $100.000000, and what a call costs is not known: set ASPORA_PRICES, or lift this limit"
    );
    world.call("PUT", &format!("runs/{run}/budget"), Some(json!({"reason": "lift it"}))).await;
    assert_merges(&world, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_in_dollars_counts_what_calls_cost() {
    let world = World::with(|setup| {
        simple(setup);
        setup.prices = Some(Prices { input: 1_000_000, output: 10_000_000 });
    })
    .await;
    let run = submit(&world, json!({"micro_dollars": 100_000_000})).await;
    assert_merges(&world, run).await;
    let (_, view) = world.call("GET", &format!("runs/{run}"), None).await;
    assert!(view["spent"]["micro_dollars"].as_u64().unwrap() > 0, "{view}");
    assert_eq!(view["budget"]["settled_micro_dollars"], view["spent"]["micro_dollars"], "{view}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_call_costs_nothing_and_an_interrupted_one_stays_reserved() {
    let world = World::with(simple).await;
    world.model.fail_next(Fault::Status(429, Some(120)));
    world.model.fail_next(Fault::Cut);
    world.model.fail_next(Fault::Status(429, Some(600)));
    let run = world.submit(COUNT_ROUNDS).await;
    world
        .eventually("the first call is rejected", async || world.history(run).await.contains("is held"))
        .await;
    let rejected = budget(&world, run).await;
    assert_eq!(rejected["unsettled"], json!([]), "{rejected}");
    assert_eq!(rejected["run"]["settled_tokens"], 0);

    world
        .eventually("the second call was interrupted, the third rejected", async || {
            if world.model.ledger().len() == 3 {
                return true;
            }
            // Less than the wait that the third asks for, which may begin just now.
            world.skip_back_off(run, Duration::from_secs(200)).await;
            false
        })
        .await;
    world.stop_worker().await;
    let cut = budget(&world, run).await;
    let [held] = cut["unsettled"].as_array().unwrap().as_slice() else {
        panic!("one call is unsettled, not as in {cut}\n{}", world.history(run).await);
    };
    assert_eq!((&held["call"], &held["attempt"]), (&json!("generate.1/model.1"), &json!(2)), "{cut}");
    assert_eq!(
        (&held["in_flight"], &cut["run"]["reserved_tokens"]),
        (&json!(false), &held["tokens"]),
        "{cut}"
    );

    world.start_worker(|_| {});
    assert_merges(&world, run).await;
    // One answer, and one interrupted call that counts as much.
    let (_, view) = world.call("GET", &format!("runs/{run}"), None).await;
    let (_, effects) = world.call("GET", &format!("runs/{run}/effects"), None).await;
    let usage = &effects[0]["result"]["usage"];
    let once = usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap();
    let spent =
        view["spent"]["input_tokens"].as_u64().unwrap() + view["spent"]["output_tokens"].as_u64().unwrap();
    assert_eq!(view["budget"]["settled_tokens"], spent + once, "{view}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_during_a_call_leaves_it_reserved() {
    let world = World::with(simple).await;
    world.model.fail_next(Fault::Slow(Duration::from_secs(600)));
    let run = world.submit(COUNT_ROUNDS).await;
    world.eventually("the model is called", async || !world.model.ledger().is_empty()).await;
    let before = budget(&world, run).await;
    assert_eq!(before["unsettled"][0]["in_flight"], true, "{before}");
    let release = json!({"reason": "the bill does not show it"});
    let path = format!("runs/{run}/budget/release");
    let (_, kept) = world.call("POST", &path, Some(release.clone())).await;
    assert_eq!(kept["released"], 0, "a call in flight stays reserved: {kept}");
    // The drain period ends before the model answers, so the attempt is aborted.
    world.stop_worker().await;
    let after = budget(&world, run).await;
    assert_eq!(after["unsettled"][0]["in_flight"], false, "{after}");
    assert_eq!(after["run"]["reserved_tokens"], before["run"]["reserved_tokens"], "it may have been paid");
    assert_budgets_add_up(&world.pool).await;

    let (_, released) = world.call("POST", &path, Some(release.clone())).await;
    assert_eq!(
        (&released["released"], &released["run"]["reserved_tokens"]),
        (&json!(1), &json!(0)),
        "{released}"
    );
    let (_, again) = world.call("POST", &path, Some(release)).await;
    assert_eq!(again["released"], 0, "{again}");
    world.start_worker(|_| {});
    assert_merges(&world, run).await;
    let (_, view) = world.call("GET", &format!("runs/{run}"), None).await;
    let spent =
        view["spent"]["input_tokens"].as_u64().unwrap() + view["spent"]["output_tokens"].as_u64().unwrap();
    assert_eq!(view["budget"]["settled_tokens"], spent, "a released call stays released: {view}");
    assert_eq!(world.model_calls(Task::Generate), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_budget_is_rejected_with_its_field() {
    let world = World::with(simple).await;
    let check = async |method: &str, path: &str, body: Value, status: u16, pointer: Option<&str>| {
        let (got, problem) = world.call(method, path, Some(body)).await;
        assert_eq!(got, status, "{problem}");
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let named = pointer.is_none_or(|pointer| errors.iter().any(|error| error["pointer"] == pointer));
        assert!(named, "{problem}");
    };
    let none = Uuid::nil();
    check("PUT", "products/nothing/budget", json!({"reason": "r"}), 404, None).await;
    check("PUT", "products/No!/budget", json!({"reason": "r"}), 400, None).await;
    check("PUT", &format!("runs/{none}/budget"), json!({"reason": "r"}), 404, None).await;
    check("POST", &format!("runs/{none}/budget/release"), json!({"reason": "r"}), 404, None).await;
    check("PUT", "products/wealth/budget", json!({"reason": " "}), 422, Some("/reason")).await;
    check("PUT", "products/wealth/budget", json!({"reason": "r", "tokens": -1}), 422, Some("/tokens")).await;
    let high = u64::MAX;
    check(
        "PUT",
        "products/wealth/budget",
        json!({"reason": "r", "daily_tokens": high}),
        422,
        Some("/daily_tokens"),
    )
    .await;
    let wish =
        json!({"product": "wealth", "title": COUNT_ROUNDS, "body": "b", "budget": {"micro_dollars": high}});
    check("POST", "requirements", wish, 422, Some("/budget/micro_dollars")).await;
    let (status, _) = world.call("GET", "budgets?product=nothing", None).await;
    assert_eq!(status, 404);
}
