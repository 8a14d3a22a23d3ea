//! Schedules as callers meet them: over REST and on the command line.

use std::{process::Output, sync::Arc};

use crate::support::{self, TestEngine};
use aspora::http::{self, AppState, Settings};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio_util::sync::{CancellationToken, DropGuard};

struct Server {
    url: String,
    test: TestEngine,
    _stop: DropGuard,
}

async fn serve() -> Server {
    let test = TestEngine::new().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let settings = Settings {
        public_url: url.clone(),
        forge_url: "https://forge.test".to_owned(),
        forge_is_stand_in: true,
        model_is_stand_in: true,
        ..Settings::default()
    };
    let app = AppState { engine: test.engine.clone(), settings: Arc::new(settings) };
    let stop = CancellationToken::new();
    tokio::spawn(http::serve(listener, app, stop.clone()));
    Server { url, test, _stop: stop.drop_guard() }
}

impl Server {
    async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let url = format!("{}/api/v1/schedules{path}", self.url);
        let request = support::client().request(method.parse().unwrap(), url);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    async fn aspora(&self, words: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aspora"));
        command
            .args(words)
            .env("ASPORA_SERVER", &self.url)
            .env("ASPORA_API_KEY", support::key().reveal())
            .output()
            .await
            .unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8([output.stdout.as_slice(), &output.stderr].concat()).unwrap()
}

fn weekly() -> Value {
    json!({
        "cron": "0 6 * * mon-fri", "product": "wealth", "title": "Update what we depend on", "body": "All of it.",
        "reason": "as agreed",
    })
}

#[tokio::test]
async fn a_schedule_is_set_shown_paused_and_removed() {
    let server = serve().await;
    assert_eq!(server.ask("GET", "", None).await, (200, json!([])));
    let (status, set) = server.ask("PUT", "/weekly", Some(&weekly())).await;
    assert_eq!((status, &set["name"], &set["priority"]), (200, &json!("weekly"), &json!(3)), "{set}");
    server.test.execute("update schedule set next_at = now()").await;
    assert_eq!(server.test.engine.fire_due().await.unwrap(), 1);
    let (status, shown) = server.ask("GET", "/weekly", None).await;
    assert_eq!(status, 200);
    let run = shown["ticks"][0]["run_id"].as_str().unwrap();
    assert!(server.test.query::<bool>(&format!("select exists (select from run where id = '{run}')")).await);

    let why = json!({ "reason": "the freeze" });
    let (status, paused) = server.ask("POST", "/weekly/pause", Some(&why)).await;
    assert_eq!((status, &paused["next_at"], &paused["reason"]), (200, &Value::Null, &json!("the freeze")));
    let (status, resumed) = server.ask("POST", "/weekly/resume", Some(&why)).await;
    assert!(status == 200 && resumed["next_at"].is_string(), "{resumed}");
    assert_eq!(server.ask("DELETE", "/weekly", None).await.0, 204);
    assert_eq!(server.ask("DELETE", "/weekly", None).await.0, 404);
    assert!(server.test.query::<bool>(&format!("select exists (select from run where id = '{run}')")).await);
}

#[tokio::test]
async fn every_invalid_field_is_named_with_what_to_do() {
    let server = serve().await;
    let with = |field: &str, value: Value| {
        let mut weekly = weekly();
        weekly[field] = value;
        weekly
    };
    for (path, body, status, pointer, what) in [
        ("/weekly", with("cron", json!("0 6 * *")), 422, "/cron", "has 4 fields; five fields are needed"),
        ("/weekly", with("cron", json!("0 6 30 2 *")), 422, "/cron", "never comes"),
        ("/weekly", with("product", json!("health")), 422, "/product", "known are `wealth`"),
        ("/weekly", with("title", json!("")), 422, "/title", "is empty"),
        ("/weekly", with("priority", json!(9)), 422, "/priority", "from 1 (first) to 5 (last)"),
        ("/weekly", with("reason", json!(" ")), 422, "/reason", "is empty"),
        ("/weekly", with("when", json!("now")), 422, "/when", "unknown field"),
        ("/Weekly%20one", weekly(), 400, "", "is not a schedule's name: 1 to 40 of"),
    ] {
        let (got, problem) = server.ask("PUT", path, Some(&body)).await;
        let place = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
        assert_eq!((got, place), (status, pointer), "{problem}");
        assert!(problem.to_string().contains(what), "{what}: {problem}");
    }
    assert_eq!(server.ask("GET", "/weekly", None).await.0, 404);
    let (status, _) = server.ask("POST", "/weekly/pause", Some(&json!({ "reason": "x" }))).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn the_command_line_sets_lists_shows_pauses_and_removes() {
    let server = serve().await;
    let set = [
        "schedule",
        "set",
        "weekly",
        "--cron",
        "0 6 * * mon",
        "-p",
        "wealth",
        "-t",
        "Update",
        "--body",
        "All.",
    ];
    let set = server.aspora(&[&set[..], &["--reason", "as agreed"]].concat()).await;
    assert!(set.status.success() && text(&set).contains("ticks next on "), "{}", text(&set));
    server.test.execute("update schedule set next_at = now() - interval '8 days'").await;
    server.test.engine.fire_due().await.unwrap();
    let shown = text(&server.aspora(&["schedule", "show", "weekly"]).await);
    assert!(shown.contains("by `0 6 * * mon` UTC") && shown.contains("  run "), "{shown}");
    let paused = server.aspora(&["schedule", "pause", "weekly", "-r", "the freeze"]).await;
    assert!(text(&paused).contains("is paused"), "{}", text(&paused));
    assert!(text(&server.aspora(&["schedule", "list"]).await).contains("weekly"));
    assert!(
        text(&server.aspora(&["schedule", "resume", "weekly", "-r", "over"]).await).contains("ticks next")
    );
    assert!(server.aspora(&["schedule", "remove", "weekly"]).await.status.success());
    let gone = server.aspora(&["schedule", "show", "weekly"]).await;
    assert!(
        gone.status.code() == Some(1) && text(&gone).contains("there is no schedule `weekly`"),
        "{}",
        text(&gone)
    );
}
