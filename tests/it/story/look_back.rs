//! What the same finding in three runs teaches, and what people make of it.

use aspora::{
    dev::model::Script,
    llm::{Prices, Task},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{file, finds, with_clean_reviews},
    support::assert_sound,
    world::World,
};

const PATH: &str = "lib/round.py";
const NOTE: &str = "Round half to even, as the ledger does.";

fn title(number: u32) -> String {
    format!("Count round {number} of four")
}

/// Three requirements whose changes of one file are sent back once, and a fourth that is right at once.
fn script() -> Script {
    let mut script = Script::default();
    for number in 1..=4 {
        let text = |state: &str| file(PATH, &format!("ROUND = '{number} {state}'"));
        let complaint = format!("round {number} is wrong");
        script = script.with(Task::Generate, &[&title(number)], &[], &text("first"));
        if number < 4 {
            script = script
                .with(
                    Task::Review,
                    &[&format!("+ROUND = '{number} first'")],
                    &[],
                    &finds("high", PATH, &complaint),
                )
                .with(Task::Remediate, &[&complaint], &[], &text("fixed"));
        }
    }
    with_clean_reviews(script)
}

async fn world() -> World {
    World::with(|setup| {
        setup.script = script();
        setup.ci = Some(passing_ci());
        setup.prices = Some(Prices { input: 1_000_000, output: 10_000_000 });
    })
    .await
}

impl World {
    /// The look back at a run that has ended, once it is made.
    async fn look_back(&self, run: Uuid) -> Value {
        let path = format!("runs/{run}/look-back");
        self.eventually("it is looked back", async || {
            self.call("GET", &path, None).await.1["state"] == "ready"
        })
        .await;
        self.call("GET", &path, None).await.1
    }

    async fn proposals(&self) -> Vec<Value> {
        let (status, page) = self.call("GET", "proposals?product=wealth", None).await;
        assert_eq!(status, 200, "{page}");
        page["items"].as_array().unwrap().clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_runs_with_the_same_finding_become_a_note_that_the_fourth_is_shown() {
    let world = world().await;
    let mut runs = Vec::new();
    for number in 1..=3 {
        let run = world.submit(&title(number)).await;
        assert_eq!(world.run_to_end(run).await, "done", "{}", world.history(run).await);
        let looked = world.look_back(run).await;
        assert_eq!(looked["rounds"], 1, "{looked}");
        let lesson = &looked["lessons"][0];
        assert_eq!(lesson["cause"], format!("finding:{PATH}"), "{looked}");
        assert_eq!((&lesson["rounds"], &lesson["calls"]), (&json!(1), &json!(2)), "{looked}");
        assert_eq!(looked["waste"]["rounds"]["calls"], 2, "{looked}");
        assert!(looked["waste"]["rounds"]["micro_dollars"].as_i64().unwrap() > 0, "{looked}");
        let time: i64 = looked["time_ms"].as_object().unwrap().values().filter_map(Value::as_i64).sum();
        let events = world.events(run).await;
        let took = (events.last().unwrap().at - events[0].at).num_milliseconds();
        assert!((time - took).abs() < 1000, "{time} {took}");
        runs.insert(0, json!(run));
        assert_eq!(world.proposals().await.len(), usize::from(number == 3), "after {number} runs");
    }
    let filed = world.proposals().await.remove(0);
    assert_eq!(
        (&filed["cause"], &filed["state"]),
        (&json!(format!("finding:{PATH}")), &json!("open")),
        "{filed}"
    );
    assert_eq!((&filed["kind"], &filed["runs"]), (&json!("harness_case"), &json!(runs)), "{filed}");
    let id = filed["id"].as_str().unwrap();
    let page = world.page("products/wealth").await;
    assert!(
        page.contains(&format!("id=\"proposal-{id}\"")) && page.contains("Open a harness gap for it"),
        "{page}"
    );
    let page = world.page(&format!("runs/{}", runs[0].as_str().unwrap())).await;
    assert!(page.contains("Looking back") && page.contains(&format!("#proposal-{id}")), "{page}");

    let accepted = json!({"reason": "it costs a round each time", "kind": "prompt_note", "text": NOTE});
    let (status, answer) = world.call("POST", &format!("proposals/{id}/accept"), Some(accepted)).await;
    assert_eq!((status, &answer["note"]), (200, &json!(NOTE)), "{answer}");
    let fourth = world.submit(&title(4)).await;
    assert_eq!(world.run_to_end(fourth).await, "done", "{}", world.history(fourth).await);
    let asked = world.model.ledger().into_iter().filter(|entry| entry.task == Some(Task::Generate));
    let prompts: Vec<String> = asked.map(|entry| entry.prompt).collect();
    let shown =
        |prompt: &String| prompt.contains("# Notes of this product's people") && prompt.contains(NOTE);
    assert_eq!(prompts.iter().map(shown).collect::<Vec<_>>(), [false, false, false, true]);
    let mut reviews = world.model.ledger().into_iter().filter(|entry| entry.task == Some(Task::Review));
    assert!(
        reviews.next_back().is_some_and(|entry| !entry.prompt.contains(NOTE)),
        "a review judges without notes"
    );
    let history = world.history(fourth).await;
    assert!(history.contains(&format!("shown 1 note of the product's people ({id})")), "{history}");
    let looked = world.look_back(fourth).await;
    assert_eq!((&looked["rounds"], &looked["lessons"]), (&json!(0), &json!([])), "{looked}");
    assert!(looked["sentence"].as_str().unwrap().starts_with("a clean run"), "{looked}");
    assert_eq!(world.proposals().await.len(), 1);
    assert_sound(&world.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_was_dismissed_is_shown_no_more() {
    let world = world().await;
    sqlx::query(
        "insert into proposal (id, product, cause, kind, title, body, runs, state, accepted_as, note, decided_by, reason,
                               decided_at)
         values ($1, 'wealth', 'form', 'prompt_note', 'T', 'B', array[$1], 'accepted', 'prompt_note', $2, 'asha', 'r', now())",
    )
    .bind(Uuid::from_u128(7))
    .bind(NOTE)
    .execute(&world.pool)
    .await
    .unwrap();
    let first = world.submit(&title(1)).await;
    assert_eq!(world.run_to_end(first).await, "done");
    let why = json!({"reason": "it did not help"});
    let (status, answer) =
        world.call("POST", &format!("proposals/{}/dismiss", Uuid::from_u128(7)), Some(why)).await;
    assert_eq!((status, &answer["state"]), (200, &json!("dismissed")), "{answer}");
    let second = world.submit(&title(2)).await;
    assert_eq!(world.run_to_end(second).await, "done");
    let shown = |task: Task| {
        let asked = world.model.ledger().into_iter().filter(|entry| entry.task == Some(task));
        asked.map(|entry| entry.prompt.contains(NOTE)).collect::<Vec<_>>()
    };
    assert_eq!((shown(Task::Generate), shown(Task::Remediate)), (vec![true, false], vec![true, false]));
}
