//! What real runs add to the figures of the factory.

use aspora::{
    dev::Acting,
    llm::{Prices, Task},
};
use serde_json::{Value, json};

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, finds, generates, with_clean_reviews},
    support::assert_sound,
    world::{REPO, World},
};

const PATH: &str = "lib/round.py";

/// The value of a figure, once it is this one.
async fn until(world: &World, figure: &str, value: &Value) {
    world.eventually(figure, async || read(world, figure).await == *value).await;
}

async fn read(world: &World, figure: &str) -> Value {
    let (status, metrics) = world.call("GET", "metrics", None).await;
    assert_eq!(status, 200, "{metrics}");
    let sections = metrics["sections"].as_array().unwrap();
    let mut figures = sections.iter().flat_map(|section| section["figures"].as_array().unwrap());
    figures.find(|it| it["name"] == figure).map_or(Value::Null, |it| it["value"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_with_a_round_counts_with_its_findings_its_time_and_its_cost() {
    let text = |first: &str| format!("ROUND = {first}\n{}LAST = 1", "A = 1\n".repeat(8));
    let found = json!({"summary": "Two flaws.", "findings": [
        {"severity": "high", "path": PATH, "line": 1, "message": "the round is wrong"},
        {"severity": "low", "path": PATH, "line": 10, "message": "the last is plain"},
    ]});
    let world = World::with(|setup| {
        let script = generates(&file(PATH, &text("0")))
            .with(Task::Review, &["+ROUND = 0"], &[], &found.to_string())
            .with(Task::Remediate, &["the round is wrong"], &[], &file(PATH, &text("1")));
        setup.script = with_clean_reviews(script);
        setup.ci = Some(passing_ci());
        setup.prices = Some(Prices { input: 1_000_000, output: 10_000_000 });
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    until(&world, "merged", &json!(1.0)).await;
    for (figure, value) in [
        ("merged.alone", json!(1.0)),
        ("auto_merged", json!(1.0)),
        ("first_pass", json!(0.0)),
        ("rounds", json!(1.0)),
        ("finding.high.fixed", json!(1.0)),
        ("finding.low.gone", json!(1.0)),
        ("precision.builtin", json!(1.0)),
        ("ended.succeeded", json!(1.0)),
        ("first_pull.met_share", json!(1.0)),
        ("incident", json!(0.0)),
    ] {
        assert_eq!(read(&world, figure).await, value, "{figure}");
    }
    let (_, budget) = world.call("GET", &format!("runs/{run}/budget"), None).await;
    let micro = budget["run"]["settled_micro_dollars"].as_f64().unwrap();
    assert!(
        micro > 0.0 && (read(&world, "cost").await.as_f64().unwrap() * 1e6 - micro).abs() < 0.5,
        "{budget}"
    );
    let submitted = world.events(run).await;
    let took = (submitted.last().unwrap().at - submitted[0].at).num_milliseconds() as f64;
    let cycle = read(&world, "cycle.median").await.as_f64().unwrap();
    assert!((cycle - took).abs() < 1000.0, "{cycle} {took}");
    let (_, behind) = world.call("GET", "metrics/runs?figure=rounds", None).await;
    assert_eq!((&behind["items"][0]["run_id"], &behind["items"][0]["amount"]), (&json!(run), &json!(1)));
    assert_sound(&world.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_that_is_dismissed_after_the_end_counts_as_wrong_and_the_wait_for_a_person_as_time() {
    let world = World::with(|setup| {
        let declined = "=== decline: the specification wants it so\n";
        setup.script = generates(&file(PATH, "ROUND = 0"))
            .with(Task::Review, &[], &[], &finds("high", PATH, "the round is wrong"))
            .with(Task::Remediate, &[], &[], declined);
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    until(&world, "finding.high.open", &json!(1.0)).await;
    let (_, findings) = world.call("GET", &format!("runs/{run}/findings"), None).await;
    let path = format!("runs/{run}/findings/{}/dismiss", findings[0]["fingerprint"].as_str().unwrap());
    world.call("POST", &path, Some(json!({"reason": "the specification wants it so"}))).await;
    until(&world, "precision.builtin", &json!(0.0)).await;
    assert_eq!(read(&world, "ended.blocked").await, json!(1.0));
    world.control(run, "retry", &json!({"reason": "dismissed", "step": "verdict"})).await;
    assert_eq!(world.run_to_end(run).await, "done");
    until(&world, "merged", &json!(1.0)).await;
    assert_eq!((read(&world, "ended.blocked").await, read(&world, "ended").await), (json!(0.0), json!(1.0)));
    assert!(read(&world, "spent.ended.mean").await.as_f64().unwrap() > 0.0);
    assert_sound(&world.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_by_a_person_after_the_end_counts_as_unjudged() {
    let world = World::with(|setup| {
        setup.acting = Acting::App;
        setup.ci = None;
        setup.script = with_clean_reviews(generates(&file(PATH, "ROUND = 1")));
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.control(run, "cancel", &json!({"reason": "not now"})).await;
    until(&world, "ended.cancelled", &json!(1.0)).await;
    world.twin.merge_as("asha", REPO, 1).await.unwrap();
    until(&world, "merged.unjudged", &json!(1.0)).await;
    assert_eq!((read(&world, "auto_merged").await, read(&world, "merged").await), (json!(0.0), json!(1.0)));
    assert_sound(&world.engine).await;
}
