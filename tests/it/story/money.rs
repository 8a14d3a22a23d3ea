//! Budgets: what a run may spend, what stops it, and what lets it go on.

use std::time::Duration;

use aspora::{
    core::run::PauseCause,
    dev::model::Fault,
    llm::{Prices, Task},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    script::{WISH, and_content, file, generates},
    support::{assert_budgets_add_up, eventually},
    world::{Setup, World, content},
};

fn simple(setup: &mut Setup) {
    setup.ci = Some(content());
    setup.script = and_content(generates(&file("lib/round.py", "ROUND = 1")));
}

/// The story's requirement, for a run that may use this much.
async fn submit(world: &World, budget: Value) -> Uuid {
    world
        .submit_as(json!({"product": "wealth", "title": WISH, "body": "Count them.", "budget": budget}))
        .await
}

async fn budget(world: &World, run: Uuid) -> Value {
    let (status, budget) = world.call("GET", &format!("runs/{run}/budget"), None).await;
    assert_eq!(status, 200, "{budget}");
    budget
}

/// The run goes to its merge, and nothing is held for it any more.
async fn goes_on(world: &World, run: Uuid) {
    assert_eq!(world.settle(run).await, "done", "{}", world.history(run).await);
    world.nothing_twice();
    assert_eq!(budget(world, run).await["run"]["reserved_tokens"], 0);
    assert_budgets_add_up(&world.pool).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_budget_is_too_small_is_paused_and_goes_on_when_it_is_raised() {
    let world = World::with(simple).await;
    let run = submit(&world, json!({"tokens": 1000})).await;
    let (cause, reason) = world.pauses(run).await;
    assert_eq!(cause, PauseCause::Budget);
    assert!(reason.starts_with("the run's budget of 1000 tokens is too small for the next call"), "{reason}");
    assert!(world.history(run).await.contains(&format!("generate paused: {reason}\n")));
    let (_, why) = world.call("GET", &format!("runs/{run}/why"), None).await;
    assert_eq!(why["cause"], "paused", "{why}");
    assert!(why["sentence"].as_str().unwrap().contains(&reason), "{why}");
    assert!(world.model.ledger().is_empty(), "nothing was asked");
    let (_, effects) = world.call("GET", &format!("runs/{run}/effects"), None).await;
    assert_eq!(effects, json!([]), "a call that is not admitted was never meant");

    let raise = |tokens: u64| json!({"tokens": tokens, "reason": "it is worth it"});
    let path = format!("runs/{run}/budget");
    let (_, raised) = world.call("PUT", &path, Some(raise(2000))).await;
    assert_eq!(raised["resumed"], json!([]), "it is still too small: {raised}");
    let (status, raised) = world.call("PUT", &path, Some(raise(10_000_000))).await;
    assert_eq!(status, 200, "{raised}");
    assert_eq!(raised["last_set"]["reason"], "it is worth it");
    goes_on(&world, run).await;
    // Whoever sees first that it fits resumes it: the request itself, or a worker's clock.
    assert!(world.history(run).await.contains("\ngenerate resumed: the "), "{}", world.history(run).await);
    let (_, view) = world.call("GET", &format!("runs/{run}"), None).await;
    let spent =
        view["spent"]["input_tokens"].as_u64().unwrap() + view["spent"]["output_tokens"].as_u64().unwrap();
    assert_eq!(view["budget"]["settled_tokens"], spent, "{view}");
    assert_eq!(view["budget"]["tokens"], 10_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_products_day_that_is_spent_stops_its_runs_until_somebody_raises_it() {
    let world = World::with(simple).await;
    let path = "products/wealth/budget";
    let (status, set) = world
        .call("PUT", path, Some(json!({"daily_tokens": 5, "tokens": 100_000_000, "reason": "thrift"})))
        .await;
    assert_eq!((status, &set["today"]["tokens"]), (200, &json!(5)), "{set}");
    let run = world.submit(WISH).await;
    let (cause, reason) = world.pauses(run).await;
    assert_eq!(cause, PauseCause::Budget);
    assert!(reason.starts_with("the product's budget for this day of 5 tokens"), "{reason}");
    world.call("PUT", path, Some(json!({"reason": "no thrift"}))).await;
    goes_on(&world, run).await;
    let (_, all) = world.call("GET", "budgets?product=wealth", None).await;
    assert_eq!(all[0]["today"], all[0]["total"], "all of it was used today, and no limit is left: {all}");
    assert!(all[0]["total"]["settled_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_budget_does_not_resume_what_a_person_paused() {
    let world = World::with(simple).await;
    let (_, _) = world.call("PUT", "products/wealth/budget", Some(json!({"tokens": 5, "reason": "r"}))).await;
    let (short, paused) = (world.submit(WISH).await, world.submit(WISH).await);
    world.pauses(short).await;
    world.pauses(paused).await;
    // A person resumes it and pauses it again: it is theirs now.
    world.stop_worker().await;
    let reason = "waiting for legal".parse().unwrap();
    world.engine.resume(paused, "pm@acme", &reason).await.unwrap();
    world.engine.pause(paused, "pm@acme", &reason).await.unwrap();
    world.start_worker(|_| {});
    world.call("PUT", "products/wealth/budget", Some(json!({"reason": "r"}))).await;
    assert_eq!(world.settle(short).await, "done");
    assert_eq!(world.pauses(paused).await, (PauseCause::Person, "waiting for legal".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_in_dollars_without_prices_lets_no_call_through_and_says_what_is_missing() {
    let world = World::with(simple).await;
    let run = submit(&world, json!({"micro_dollars": 100_000_000})).await;
    let (cause, reason) = world.pauses(run).await;
    assert_eq!(cause, PauseCause::Budget);
    assert_eq!(
        reason,
        "the run's budget is $100.000000, and what a call costs is not known: set ASPORA_PRICES, or lift this limit"
    );
    world.call("PUT", &format!("runs/{run}/budget"), Some(json!({"reason": "lift it"}))).await;
    goes_on(&world, run).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_in_dollars_counts_what_calls_cost() {
    let world = World::with(|setup| {
        simple(setup);
        setup.prices = Some(Prices { input: 1_000_000, output: 10_000_000 });
    })
    .await;
    let run = submit(&world, json!({"micro_dollars": 100_000_000})).await;
    goes_on(&world, run).await;
    let (_, view) = world.call("GET", &format!("runs/{run}"), None).await;
    assert!(view["spent"]["micro_dollars"].as_u64().unwrap() > 0, "{view}");
    assert_eq!(view["budget"]["settled_micro_dollars"], view["spent"]["micro_dollars"], "{view}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_turned_away_costs_nothing_and_one_that_was_cut_off_stays_held() {
    let world = World::with(simple).await;
    world.model.fail_next(Fault::Status(429, Some(120)));
    world.model.fail_next(Fault::Cut);
    world.model.fail_next(Fault::Status(429, Some(600)));
    let run = world.submit(WISH).await;
    world.fails(run).await;
    let turned_away = budget(&world, run).await;
    assert_eq!(turned_away["unsettled"], json!([]), "{turned_away}");
    assert_eq!(turned_away["run"]["settled_tokens"], 0);

    eventually("the second call was cut off, the third turned away", async || {
        let history = world.history(run).await;
        if history.contains("failed at attempt 3") {
            return true;
        }
        world.forget_back_offs(run, Duration::from_secs(3600)).await;
        false
    })
    .await;
    world.stop_worker().await;
    let cut = budget(&world, run).await;
    let held = cut["unsettled"].as_array().unwrap();
    assert_eq!(
        (held.len(), &held[0]["call"], &held[0]["attempt"]),
        (1, &json!("generate.1/model.1"), &json!(2))
    );
    assert_eq!(
        (&held[0]["in_flight"], &cut["run"]["reserved_tokens"]),
        (&json!(false), &held[0]["tokens"]),
        "{cut}"
    );

    world.start_worker(|_| {});
    goes_on(&world, run).await;
    // Answered once, and taken to have used as much the other time.
    let (_, view) = world.call("GET", &format!("runs/{run}"), None).await;
    let (_, effects) = world.call("GET", &format!("runs/{run}/effects"), None).await;
    let usage = &effects[0]["result"]["usage"];
    let once = usage["input_tokens"].as_u64().unwrap() + usage["output_tokens"].as_u64().unwrap();
    let spent =
        view["spent"]["input_tokens"].as_u64().unwrap() + view["spent"]["output_tokens"].as_u64().unwrap();
    assert_eq!(view["budget"]["settled_tokens"], spent + once, "{view}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_ends_between_call_and_answer_leaves_the_call_held() {
    let world = World::with(simple).await;
    world.model.fail_next(Fault::Slow(Duration::from_secs(600)));
    let run = world.submit(WISH).await;
    eventually("the model is asked", async || !world.model.ledger().is_empty()).await;
    let before = budget(&world, run).await;
    assert_eq!(before["unsettled"][0]["in_flight"], true, "{before}");
    let release = json!({"reason": "the bill does not show it"});
    let path = format!("runs/{run}/budget/release");
    let (_, kept) = world.call("POST", &path, Some(release.clone())).await;
    assert_eq!(kept["released"], 0, "a call that is being made stays held: {kept}");
    // The drain is over before the model answers: the attempt is dropped where it stands.
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
    goes_on(&world, run).await;
    let (_, view) = world.call("GET", &format!("runs/{run}"), None).await;
    let spent =
        view["spent"]["input_tokens"].as_u64().unwrap() + view["spent"]["output_tokens"].as_u64().unwrap();
    assert_eq!(view["budget"]["settled_tokens"], spent, "what was let go stays let go: {view}");
    assert_eq!(world.asked(Task::Generate), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_does_not_fit_is_told_where_and_why() {
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
    let wish = json!({"product": "wealth", "title": WISH, "body": "b", "budget": {"micro_dollars": high}});
    check("POST", "requirements", wish, 422, Some("/budget/micro_dollars")).await;
    let (status, _) = world.call("GET", "budgets?product=nothing", None).await;
    assert_eq!(status, 404);
}
