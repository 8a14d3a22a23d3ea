//! The form of a model's answers: what is read past, what is asked for again, and what of it people see.

use aspora::{
    dev::model::{Fault, Script},
    llm::Task,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, World},
};

async fn world(script: Script) -> World {
    World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(script);
    })
    .await
}

async fn on_main(world: &World, path: &str) -> Option<String> {
    let text = world.twin.main_file(REPO, path).await.unwrap();
    text.map(|text| String::from_utf8(text).unwrap())
}

/// The message of the run's first commit.
async fn message(world: &World, run: Uuid) -> String {
    let of = "select request->>'message' from effect where run_id = $1 and kind = 'push' order by intended_at limit 1";
    sqlx::query_scalar(of).bind(run).fetch_one(&world.pool).await.unwrap()
}

/// An edit of lib/money.py that replaces this line.
fn edit(search: &str) -> String {
    format!(
        "=== edit: lib/money.py\n<<<<<<< SEARCH\n{search}\n=======\n    return round(fraction, 4) + 0.0\n\
         >>>>>>> REPLACE\n=== end: lib/money.py\n"
    )
}

const FITS: &str = "    return round(fraction, 3) + 0.0";

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_thinks_aloud_is_read_past_and_only_its_why_is_shown() {
    let numbered = edit("    6 |     return round(fraction, 3) + 0.0");
    let answer = format!(
        "<think>\nThe file has four lines.\n=== file: lib/draft.py\n</think>\n\nSure! Here is the change:\n\n\
         ```\n=== Title: feat: Round to four decimals\n=== why:\nIt is asked for.\n=== end: why\n{numbered}```\n\nTell me \
         if it works!\n"
    );
    let world = world(generates(&answer)).await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.model_calls(Task::Generate), world.model_calls(Task::Repair)), (1, 0));
    assert!(on_main(&world, "lib/money.py").await.unwrap().contains("    return round(fraction, 4) + 0.0\n"));
    let history = world.history(run).await;
    let note = "read past reasoning, misspelled block lines and copied line numbers";
    assert!(history.contains(note), "{history}");
    assert_eq!(message(&world, run).await, "feat: Round to four decimals\n\nIt is asked for.");
    let body = world.twin.pulls(REPO)[0].body.clone().unwrap();
    assert!(body.starts_with("It is asked for.\n\n---\n**Requirement**"), "{body}");
    assert!(!body.contains("Sure!") && !body.contains("Tell me") && !body.contains("four lines"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_why_has_a_title_alone() {
    let answer = file("lib/round.py", "ROUND = 1").replace("=== why: As requested.\n", "I add a file.\n");
    let world = world(generates(&answer)).await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(message(&world, run).await, "feat: Write lib/round.py");
    let body = world.twin.pulls(REPO)[0].body.clone().unwrap();
    assert!(body.starts_with("**Requirement**") && !body.contains("I add"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_asks_for_what_failed_alone_and_keeps_the_rest() {
    let good = file("lib/round.py", "ROUND = 1");
    let alone = ["are kept as they are", "lib/round.py", "for each of these files, and for no other"];
    let script = generates(&(good + &edit("    return fraction.round(3)")));
    let world = world(script.with(Task::Repair, &alone, &["every block"], &edit(FITS))).await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.model_calls(Task::Generate), world.model_calls(Task::Repair)), (1, 1));
    assert_eq!(on_main(&world, "lib/round.py").await.as_deref(), Some("ROUND = 1\n"));
    assert!(on_main(&world, "lib/money.py").await.unwrap().contains("round(fraction, 4)"));
    assert_eq!(message(&world, run).await, "feat: Write lib/round.py\n\nAs requested.");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_applied_while_a_failed_block_is_missing() {
    let answer = file("lib/round.py", "ROUND = 1") + &edit("    return fraction.round(3)");
    let other = file("lib/more.py", "MORE = 1");
    let world = world(generates(&answer).with(Task::Repair, &[], &[], &other)).await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("the block of `lib/money.py` is missing"), "{reason}");
    assert!(world.twin.pulls(REPO).is_empty());
    assert_eq!((on_main(&world, "lib/round.py").await, on_main(&world, "lib/more.py").await), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_is_asked_for_once_in_short() {
    let short = ["longer than the limit of tokens"];
    let script = generates(&file("lib/round.py", "ROUND = 1"));
    let world = world(script.with(Task::Repair, &short, &[], &file("lib/round.py", "ROUND = 2"))).await;
    world.model.fail_next(Fault::Length);
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.model_calls(Task::Generate), world.model_calls(Task::Repair)), (1, 1));
    assert_eq!(on_main(&world, "lib/round.py").await.as_deref(), Some("ROUND = 2\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_short_answer_is_cut_too_waits_for_a_person() {
    let answer = file("lib/round.py", "ROUND = 1");
    let world = world(generates(&answer).with(Task::Repair, &[], &[], &answer)).await;
    world.model.fail_next(Fault::Length);
    world.model.fail_next(Fault::Length);
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(
        reason.contains("cut at its token limit") && reason.contains("ASPORA_MODEL_OUTPUT_TOKENS"),
        "{reason}"
    );
    assert_eq!(
        (world.model_calls(Task::Generate), world.model_calls(Task::Repair)),
        (1, 1),
        "it is not retried"
    );
    assert!(world.twin.pulls(REPO).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reviewer_that_thinks_aloud_is_asked_for_a_review_and_not_for_blocks() {
    let aloud = "I looked at it.\n</think>\n\nIt is fine:\n\n{\"summary\": \"Fine.\", \"findings\": []}";
    let again = ["could not be read as a review", "one JSON object"];
    let script = generates(&file("lib/round.py", "ROUND = 1"));
    let script =
        script.with(Task::Review, &again, &["=== file:"], aloud).with(Task::Review, &[], &[], "LGTM");
    let world = world(script).await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.model_calls(Task::Review), world.model_calls(Task::Repair)), (2, 0));
}

/// A call that an earlier release recorded, and its answer.
async fn recorded(world: &World, run: Uuid, number: u32, task: &str, answer: &str) {
    let base = world.twin.branch(REPO, "main").await.unwrap().unwrap();
    let system = json!({"role": "system", "content": format!("Task: {task}\n")});
    let prompt = json!({"task": task, "messages": [system], "json_schema": null});
    let request = json!({"task": task, "model": "m", "basis": base, "digest": "", "prompt": prompt});
    let usage = json!({"input_tokens": 1, "output_tokens": 1});
    let result = json!({"text": answer, "usage": usage, "model": "m", "finish_reason": "stop", "id": "", "micro_dollars": null});
    let insert = "insert into effect (run_id, key, kind, request, result, done_at) values ($1, $2, 'llm_call', $3, $4, now())";
    let key = format!("generate.1/model.{number}");
    let row = sqlx::query(insert).bind(run).bind(key).bind::<Value>(request).bind::<Value>(result);
    row.execute(&world.pool).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_an_earlier_release_recorded_are_read_as_it_read_them() {
    let world = world(generates("=== decline: asked again")).await;
    world.stop_worker().await;
    let run = world.submit(COUNT_ROUNDS).await;
    let fenced = file("lib/round.py", "```python\nROUND = 1\n```");
    recorded(&world, run, 1, "generate", &(fenced + &edit("    return fraction.round(3)"))).await;
    // It asked for all blocks again, and this one leaves the file out on purpose.
    recorded(&world, run, 2, "repair", &format!("=== title: fix: Round\nAs it is.\n{}", edit(FITS))).await;
    world.start_worker(|_| {});
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(
        (world.model_calls(Task::Generate), world.model_calls(Task::Repair)),
        (0, 0),
        "nothing is paid again"
    );
    assert_eq!(on_main(&world, "lib/round.py").await, None);
    assert!(on_main(&world, "lib/money.py").await.unwrap().contains("round(fraction, 4)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_release_refused_stays_refused() {
    let world = world(generates("=== decline: asked again")).await;
    world.stop_worker().await;
    let run = world.submit(COUNT_ROUNDS).await;
    recorded(&world, run, 1, "generate", &file("`lib/round.py`", "ROUND = 1")).await;
    recorded(&world, run, 2, "repair", &file("lib/round.py", "ROUND = 2")).await;
    world.start_worker(|_| {});
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.model_calls(Task::Generate), world.model_calls(Task::Repair)), (0, 0));
    assert_eq!(on_main(&world, "lib/round.py").await.as_deref(), Some("ROUND = 2\n"));
}
