//! An export has everything of a run, and folding its history gives the run.

use std::process::Stdio;

use aspora::{
    core::{
        run::{Event, Progress, Run},
        workflow::{Outcome, Queue, Workflow},
    },
    engine::Answer,
    http,
    store::{archive, blob, effect},
};
use axum::{body::Body, http::Request};
use futures::TryStreamExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use super::{base, support::TestEngine};

fn read(lines: &[String]) -> Vec<(String, Value)> {
    let fact = |line: &String| -> (String, Value) {
        let fact: Value = serde_json::from_str(line).unwrap();
        (fact["fact"].as_str().unwrap().to_owned(), fact["row"].clone())
    };
    lines.iter().map(fact).collect()
}

/// Folds the events of an export with the workflow in it, and compares with the run in it.
fn assert_folds(facts: &[(String, Value)]) {
    let all =
        |name: &str| facts.iter().filter(|(fact, _)| fact == name).map(|(_, row)| row).collect::<Vec<_>>();
    let workflow = Workflow::parse(all("workflow")[0]["source"].as_str().unwrap()).unwrap();
    let at = |row: &Value| row["at"].as_str().unwrap().parse().unwrap();
    let events = all("event");
    let mut run = Run::start(&workflow, at(events[0])).unwrap().0;
    for (place, row) in events.iter().enumerate() {
        assert_eq!(row["seq"], place + 1);
        if place > 0 {
            let event: Event = serde_json::from_value(row["body"].clone()).unwrap();
            run = run.apply(&workflow, &event, at(row)).unwrap().0;
        }
    }
    assert_eq!(serde_json::from_value::<Run>(all("run")[0]["state"].clone()).unwrap(), run);
    assert_eq!(all("run")[0]["version"], events.len());
    assert_eq!(all("end")[0]["facts"], facts.len() - 1);
}

/// An open run with a long answer and an effect with long texts.
async fn run_of(test: &TestEngine, text: &str) -> Uuid {
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    effect::begin(test.pool(), &lease, "call", "llm_call", &json!({ "prompt": text })).await.unwrap();
    let answer = Answer { outcome: Outcome::Opened, note: text.to_owned(), progress: Progress::default() };
    test.engine.answer(&lease, "tester", answer).await.unwrap();
    run
}

#[tokio::test]
async fn the_history_in_an_export_folds_to_the_run_in_it() {
    let test = TestEngine::new().await;
    let text = "long ".repeat(blob::INLINE);
    let run = run_of(&test, &text).await;
    run_of(&test, "another").await;
    let lines: Vec<String> = archive::of_run(test.pool().clone(), run).try_collect().await.unwrap();
    let facts = read(&lines);
    assert_folds(&facts);
    let names: Vec<&str> = facts.iter().map(|(fact, _)| fact.as_str()).collect();
    assert_eq!(names, ["run", "requirement", "workflow", "event", "event", "effect", "end"]);
    assert_eq!(facts[4].1["body"]["note"], text);
    assert_eq!(facts[5].1["request"]["prompt"], text);
}

#[tokio::test]
async fn an_export_has_every_page_of_a_long_history() {
    let test = TestEngine::new().await;
    base::filled(&test, aspora::bench::fill::Fill { runs: 1, events: 1201, days: 1, ..Default::default() })
        .await;
    let run = test.query("select id from run").await;
    let lines: Vec<String> = archive::of_run(test.pool().clone(), run).try_collect().await.unwrap();
    assert_eq!(lines.len(), 1 + 1 + 1 + 1201 + 1);
    assert_folds(&read(&lines));
}

#[tokio::test]
async fn an_export_over_http_is_a_line_a_fact_and_404_for_no_run() {
    let test = TestEngine::new().await;
    let run = run_of(&test, "short").await;
    let routes = http::router(super::support::app(test.engine.clone()));
    let get = async |id: Uuid| {
        let request = Request::get(format!("/api/v1/runs/{id}/export"))
            .header("authorization", super::support::bearer());
        let request = request.body(Body::empty()).unwrap();
        let response = routes.clone().oneshot(request).await.unwrap();
        let (status, kind) = (response.status(), response.headers()["content-type"].clone());
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status.as_u16(), kind, String::from_utf8(body.to_vec()).unwrap())
    };
    let (status, kind, body) = get(run).await;
    assert_eq!((status, kind.to_str().unwrap()), (200, "application/x-ndjson"));
    assert!(body.ends_with('\n'));
    assert_folds(&read(&body.lines().map(str::to_owned).collect::<Vec<_>>()));
    let (status, kind, _) = get(Uuid::now_v7()).await;
    assert_eq!((status, kind.to_str().unwrap()), (404, "application/problem+json"));
}

#[tokio::test]
async fn an_archive_has_a_file_for_every_month_that_is_over() {
    let (test, month, ids) = base::with_old_runs().await;
    let out = tempfile::tempdir().unwrap();
    let archive = async || {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_aspora"));
        command.args(["archive", "--before", "2099-01-01", "--out"]).arg(out.path());
        command.env("DATABASE_URL", &test.database.url).stdin(Stdio::null());
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let live = ids[1];
    test.execute(&format!(
        "update run set status = 'active', step = 's', ended_as = null, ended_at = null where id = '{live}'"
    ))
    .await;
    let file = out.path().join(format!("runs-{month}.ndjson"));
    assert!(archive().await.contains("not all runs of this month have ended"));
    assert!(!file.exists());
    test.execute(&format!("update run set status = 'ended', step = null, ended_as = 'failed', ended_at = now() where id = '{live}'")).await;
    assert!(archive().await.contains(&format!("runs-{month}.ndjson: written, ")));
    let text = std::fs::read_to_string(&file).unwrap();
    let facts = read(&text.lines().map(str::to_owned).collect::<Vec<_>>());
    let count = |name: &str| facts.iter().filter(|(fact, _)| fact == name).count();
    assert_eq!((count("run"), count("requirement"), count("event")), (ids.len(), ids.len(), 3 * ids.len()));
    assert_eq!(count("workflow"), 1);
    assert!(archive().await.contains("exists already"));
    let now: String = test.query("select to_char(now() at time zone 'utc', 'YYYY_MM')").await;
    assert!(!out.path().join(format!("runs-{now}.ndjson")).exists(), "this month is not over");
}
