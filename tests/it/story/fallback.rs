//! The fallback of the model: it answers while the model is down, each call is paid once and at its own price, and the
//! model gets its calls back as soon as it answers.

use std::time::Duration;

use aspora::{
    cli::app::App,
    core::run::State,
    dev::{
        github::{self, FaultRule},
        model::{Fault, MODEL, Script, ScriptedModel},
    },
    llm::{Config, Prices, Task},
    store::{attempt, budget, effect, outage},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, with_clean_reviews},
    support::{self, advance_limits},
    world::World,
};

const KEY: &str = "the-key-of-the-fallback";
const PRICES: Prices = Prices { input: 1_000_000, output: 10_000_000 };
const DEARER: Prices = Prices { input: 3_000_000, output: 30_000_000 };
/// A step of the clock that leaves failures in a row, on a busy machine too.
const STEP: Duration = Duration::from_secs(1);

/// Each of three requirements, which these words tell apart, has a file of its own.
fn script() -> Script {
    let others = ["the second time", "the third time"];
    let script = with_clean_reviews(Script::default());
    let script = script.with(Task::Generate, &[], &others, &file("lib/round.py", "ROUND = 1"));
    others.into_iter().enumerate().fold(script, |script, (at, words)| {
        script.with(Task::Generate, &[words], &[], &file(&format!("lib/round_{at}.py"), "ROUND = 2"))
    })
}

/// A world whose worker has a fallback, and the fallback.
async fn world_with(change: impl FnOnce(&mut App)) -> (World, ScriptedModel) {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = script();
    })
    .await;
    world.stop_worker().await;
    let fallback =
        ScriptedModel::start(([127, 0, 0, 1], 0).into(), script(), Some(KEY.into())).await.unwrap();
    let config = Config { prices: Some(DEARER), ..Config::new(&fallback.url(), KEY.into(), "second") };
    world.start_worker(|app| {
        let model = app.model.as_mut().unwrap();
        model.prices = Some(PRICES);
        model.fallback = Some(Box::new(config));
        change(app);
    });
    (world, fallback)
}

async fn world() -> (World, ScriptedModel) {
    world_with(|_| {}).await
}

/// Moves the clock until `check` holds.
async fn until(world: &World, run: Uuid, what: &str, check: impl AsyncFn() -> bool) {
    world
        .eventually(what, async || {
            let holds = check().await;
            if !holds {
                world.skip_back_off(run, STEP).await;
            }
            holds
        })
        .await;
}

async fn merged(world: &World, run: Uuid) {
    until(world, run, "the run ends", async || world.run(run).await.run.step().is_none()).await;
    let (state, history) = (world.run(run).await.run.state, world.history(run).await);
    assert!(matches!(&state, State::Ended { name, .. } if name == "done"), "{history}");
    assert!(!history.contains("failed at attempt"), "an outage uses up no attempt:\n{history}");
}

fn answered(model: &ScriptedModel) -> Vec<Option<Task>> {
    model.ledger().into_iter().filter(|entry| entry.status == 200).map(|entry| entry.task).collect()
}

/// The intents and observations of the run's model calls.
async fn calls(world: &World, run: Uuid) -> Vec<(Value, Value)> {
    let effects = effect::of_run(&world.pool, run).await.unwrap();
    let calls = effects.into_iter().filter(|effect| effect.kind == "llm_call");
    calls.map(|call| (call.request, call.result.unwrap_or_default())).collect()
}

async fn settled(world: &World, run: Uuid) -> u64 {
    assert!(budget::open_reservations(&world.pool, run).await.unwrap().is_empty());
    let accounts = budget::accounts(&world.pool, run, "wealth").await.unwrap();
    accounts[0].used.settled.micro_dollars
}

fn cost(call: &(Value, Value)) -> u64 {
    call.1["micro_dollars"].as_u64().unwrap()
}

async fn why(world: &World, run: Uuid) -> String {
    let (_, why) = world.call("GET", &format!("runs/{run}/why"), None).await;
    why["sentence"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_while_the_model_is_down_its_fallback_answers_and_the_run_says_so() {
    let (world, fallback) = world().await;
    world.model.fail_all(Some(Fault::Status(503, None)));
    let run = world.submit(COUNT_ROUNDS).await;
    merged(&world, run).await;
    assert_eq!(answered(&fallback), [Some(Task::Generate), Some(Task::Review)]);
    assert!(answered(&world.model).is_empty());
    let calls = calls(&world, run).await;
    for (intent, answer) in &calls {
        assert_eq!((&intent["model"], &intent["fallback_for"]), (&json!("second"), &json!(MODEL)));
        assert_eq!(answer["fallback_for"], MODEL);
    }
    let usage = &calls[0].1["usage"];
    let tokens = |name: &str| usage[name].as_u64().unwrap();
    let price =
        (tokens("input_tokens") * DEARER.input + tokens("output_tokens") * DEARER.output).div_ceil(1_000_000);
    assert_eq!(cost(&calls[0]), price, "at the price of the one that answered");
    assert_eq!(settled(&world, run).await, calls.iter().map(cost).sum::<u64>());
    let history = world.history(run).await;
    assert_eq!(history.matches("asked the fallback").count(), 2, "{history}");
    let page = page(&world, &format!("/runs/{run}")).await;
    assert!(page.contains("llm_call by the fallback"), "{page}");
    world.assert_nothing_twice();
}

async fn page(world: &World, path: &str) -> String {
    let address = format!("{}{path}", world.url);
    support::client().get(address).send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_answers_a_probe_gets_its_calls_back_and_is_probed_while_the_fallback_works() {
    let (world, fallback) = world().await;
    world.model.fail_all(Some(Fault::Status(503, None)));
    let first = world.submit(COUNT_ROUNDS).await;
    merged(&world, first).await;
    let refused = world.model.ledger().len();
    // A probe that fails costs the run nothing: the same attempt asks the fallback.
    advance_limits(&world.pool, Duration::from_secs(120)).await;
    let second = world.submit(&format!("{COUNT_ROUNDS} the second time")).await;
    world.eventually("the model is probed", async || world.model.ledger().len() > refused).await;
    world.eventually("the fallback answers", async || answered(&fallback).len() > 2).await;
    assert!(!world.history(second).await.contains("is held"), "the run did not wait");
    merged(&world, second).await;
    world.model.fail_all(None);
    advance_limits(&world.pool, Duration::from_secs(120)).await;
    let by_fallback = answered(&fallback).len();
    let third = world.submit(&format!("{COUNT_ROUNDS} the third time")).await;
    merged(&world, third).await;
    assert_eq!(
        answered(&world.model),
        [Some(Task::Generate), Some(Task::Review)],
        "its calls are its own again"
    );
    assert_eq!(answered(&fallback).len(), by_fallback);
    assert!(outage::list(&world.pool).await.unwrap().is_empty());
    assert!(!world.history(third).await.contains("fallback"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f8_while_both_are_down_the_run_waits_for_either_and_names_both() {
    let (world, fallback) = world().await;
    world.model.fail_all(Some(Fault::Status(503, None)));
    fallback.fail_all(Some(Fault::Status(529, None)));
    let run = world.submit(COUNT_ROUNDS).await;
    until(&world, run, "both are down", async || outage::list(&world.pool).await.unwrap().len() == 2).await;
    let names_both = async || {
        let why = why(&world, run).await;
        why.contains(&format!("the model {MODEL} at ")) && why.contains("its fallback, the model second at ")
    };
    until(&world, run, "the run says that it waits for both", names_both).await;
    // The fallback is back first; its answer ends the wait, although the model is down still.
    fallback.fail_all(None);
    merged(&world, run).await;
    assert!(answered(&world.model).is_empty());
    assert_eq!(answered(&fallback).len(), 2);
    let history = world.history(run).await;
    assert!(history.contains("went on"), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_were_cut_off_are_reckoned_as_paid_beside_the_fallbacks_answer() {
    let (world, fallback) = world().await;
    world.model.fail_all(Some(Fault::Cut));
    let run = world.submit(COUNT_ROUNDS).await;
    merged(&world, run).await;
    let cut = world.model.ledger().iter().filter(|entry| entry.task == Some(Task::Generate)).count();
    assert!(cut >= 3 && answered(&fallback).len() == 2, "{cut}");
    let calls = calls(&world, run).await;
    let spent: u64 = calls.iter().map(cost).sum();
    // Nobody knows what they cost; as much is assumed as the answer, at the dearer of the two prices.
    assert!(settled(&world, run).await >= spent + 3 * cost(&calls[0]), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_the_fallback_is_adopted_by_the_next_attempt_although_the_model_is_back() {
    let (world, fallback) = world().await;
    world.model.fail_all(Some(Fault::Status(503, None)));
    let path = "/acme/wealth-product.git/git-receive-pack".to_owned();
    let fault = github::Fault::ErrorBefore(500);
    world.twin.inject(FaultRule { method: "POST".to_owned(), path, nth: 1, fault }).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    until(&world, run, "the push fails", async || world.history(run).await.contains("is held, git ")).await;
    world.model.fail_all(None);
    advance_limits(&world.pool, Duration::from_secs(120)).await;
    merged(&world, run).await;
    assert_eq!(answered(&fallback), [Some(Task::Generate)]);
    assert_eq!(world.model_calls(Task::Generate), 0, "it is not asked anew");
    let history = world.history(run).await;
    assert!(history.contains("asked the fallback"), "{history}");
}

/// The run waits for the model, without an attempt less, since its fallback fails like this.
async fn check_unusable(spoil: impl FnOnce(&mut Config), expected: &str) {
    let (world, fallback) =
        world_with(|app| spoil(app.model.as_mut().unwrap().fallback.as_mut().unwrap())).await;
    world.model.fail_all(Some(Fault::Status(503, None)));
    let budget = json!({"micro_dollars": 100_000_000});
    let body = json!({"product": "wealth", "title": COUNT_ROUNDS, "body": "Count.", "budget": budget});
    let run = world.submit_as(body).await;
    let is_down = async || !outage::list(&world.pool).await.unwrap().is_empty();
    until(&world, run, "the model is down", is_down).await;
    until(&world, run, "the run waits again", async || world.model.ledger().len() > 4).await;
    let attempts = attempt::of_run(&world.pool, run).await.unwrap();
    let says = |error: &String| error.contains(expected);
    assert!(attempts.iter().any(|row| row.error.as_ref().is_some_and(says)), "{attempts:?}");
    world.model.fail_all(None);
    merged(&world, run).await;
    assert!(answered(&fallback).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_that_refuses_our_key_costs_no_attempt_and_the_run_waits_for_the_model() {
    check_unusable(|config| config.api_key = "revoked".into(), "does not accept the key").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_that_no_budget_admits_does_not_pause_the_run_which_waits_for_the_model() {
    check_unusable(|config| config.prices = None, "its fallback is not asked").await;
}
