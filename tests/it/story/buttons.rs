//! The buttons of our check run: only people who may write to the repository are heard, and a delivery counts once.

use aspora::{
    core::run::{Event, Pause, PauseCause, State},
    dev::github::APP,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    webhooks::{asleep_as_app, deliver, signalled},
    world::{REPO, World},
};

const GATE: &str = "risk-policy-gate";

/// The gate's check run on the newest head: its `external_id`, and the identifiers of its buttons.
fn gate(world: &World) -> (String, Vec<String>) {
    let runs = world.twin.check_runs(REPO).into_iter().rev();
    let gate = runs.into_iter().find(|run| run.app == APP && run.name == GATE).unwrap();
    let identifiers =
        gate.actions.iter().filter_map(|action| Some(action["identifier"].as_str()?.to_owned()));
    (gate.external_id.unwrap(), identifiers.collect())
}

/// Uses a button as a person; what the server did.
async fn press(world: &World, delivery: &str, button: &str, by: Option<&str>) -> Value {
    let sender = match by {
        Some(login) => {
            let account = world.forge().account(login).await.unwrap().unwrap();
            json!({"login": login, "id": account.id, "type": "User"})
        }
        None => Value::Null,
    };
    let payload = json!({
        "action": "requested_action", "requested_action": {"identifier": button},
        "check_run": {"name": GATE, "external_id": gate(world).0},
        "repository": {"full_name": REPO}, "sender": sender,
    });
    let (status, receipt) = deliver(world, delivery, "check_run", &payload).await;
    assert_eq!(status, 200, "{receipt}");
    receipt
}

async fn pause(world: &World, run: Uuid) -> Option<Pause> {
    match world.run(run).await.run.state {
        State::Paused(pause) => Some(pause),
        State::At { .. } | State::Waiting { .. } | State::Ended { .. } => None,
    }
}

/// What the history says was not permitted: by whom, and what.
async fn not_permitted(world: &World, run: Uuid) -> Vec<(String, String)> {
    let events = world.events(run).await.into_iter();
    let refusals = events.filter_map(|row| match row.body.0 {
        Event::NotPermitted { asked, .. } => Some((row.actor, asked)),
        _ => None,
    });
    refusals.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_may_write_takes_a_run_over_once() {
    let (world, run, head) = asleep_as_app().await;
    assert_eq!(gate(&world).1, ["rerun_gate", "take_over"]);
    world.twin.set_permission(REPO, "asha", "write").unwrap();
    assert_eq!(press(&world, "d1", "take_over", Some("asha")).await["result"], "done");
    let paused = pause(&world, run).await.unwrap();
    assert_eq!((paused.by.as_str(), paused.cause), ("asha", PauseCause::Person));
    world.control(run, "resume", &json!({"reason": "done by hand"})).await;
    assert_eq!(press(&world, "d1", "take_over", Some("asha")).await["result"], "known");
    assert!(pause(&world, run).await.is_none(), "a redelivery is no second order");
    world.pass_checks(&head).await;
    assert_eq!(world.run_to_end(run).await, "done");
    for (delivery, button) in [("d2", "take_over"), ("d3", "rerun_gate")] {
        let receipt = press(&world, delivery, button, Some("asha")).await;
        assert_eq!(receipt["result"], "refused", "nothing is left to do: {receipt}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anyone_else_is_refused_and_the_history_says_so() {
    let (world, run, _) = asleep_as_app().await;
    world.twin.set_permission(REPO, "reader", "read").unwrap();
    for (delivery, by) in [("d1", Some("reader")), ("d2", Some("stranger")), ("d3", None)] {
        let receipt = press(&world, delivery, "take_over", by).await;
        assert_eq!(receipt["result"], "refused", "{by:?}: {receipt}");
        assert!(pause(&world, run).await.is_none(), "{by:?}");
    }
    let refused = ["reader", "stranger", "ghost"].map(|by| (by.to_owned(), "Take over".to_owned()));
    assert_eq!(not_permitted(&world, run).await, refused);
    assert_eq!(press(&world, "d4", "lgtm", Some("asha")).await["result"], "ignored");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gate_is_run_again_at_once_and_after_the_end() {
    let (world, run, _) = asleep_as_app().await;
    world.twin.set_permission(REPO, "asha", "maintain").unwrap();
    assert_eq!(press(&world, "d1", "rerun_gate", Some("asha")).await["result"], "done");
    let hurried = async || {
        let by_asha = |row: &aspora::store::event::Row| {
            row.actor == "asha" && matches!(row.body.0, Event::Hurried { .. })
        };
        world.events(run).await.iter().any(by_asha)
    };
    world.eventually("the run looks again", hurried).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.control(run, "cancel", &json!({"reason": "not now"})).await;
    let last_word = async || gate(&world).1 == ["rerun_gate"];
    world.eventually("the check says its last word", last_word).await;
    assert_eq!(press(&world, "d2", "take_over", Some("asha")).await["result"], "refused");
    assert_eq!(press(&world, "d3", "rerun_gate", Some("asha")).await["result"], "done");
    world.until_waiting_for(run, "CI Pipeline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_run_our_check_again_wakes_its_run() {
    let (world, run, head) = asleep_as_app().await;
    let suite = json!({"id": 1, "head_sha": head, "head_branch": null});
    let check = json!({"name": GATE, "head_sha": head, "external_id": gate(&world).0, "check_suite": suite});
    for (event, own) in
        [("check_run", json!({"check_run": check})), ("check_suite", json!({"check_suite": suite}))]
    {
        let before = signalled(&world, run).await;
        let mut payload = own;
        payload["action"] = json!("rerequested");
        payload["repository"] = json!({"full_name": REPO});
        assert_eq!(deliver(&world, event, event, &payload).await.1["result"], "stored");
        let woken = async || signalled(&world, run).await > before;
        world.eventually("the run is woken", woken).await;
        world.until_waiting_for(run, "CI Pipeline").await;
    }
}
