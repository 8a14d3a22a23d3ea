//! The program as a shell meets it: what it prints and its exit codes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod support;

use std::{
    process::{Output, Stdio},
    sync::Arc,
    time::Duration,
};

use aspora::{
    core::{
        run::Progress,
        workflow::{Outcome, Queue},
    },
    engine::{Answer, Engine},
    http::{self, App, Settings},
    store::{self, job},
};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

async fn aspora(server: &str, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aspora"));
    command.args(words).env("ASPORA_SERVER", server).env_remove("DATABASE_URL").stdin(Stdio::null());
    command.output().await.unwrap()
}

fn says(output: &Output, code: i32, what: &str) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(what), "`{what}` is not in: {text}");
    assert!(!text.contains('\u{1b}'), "no colours into a pipe: {text}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_one_line_that_helps() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let output = aspora(&nobody, &["requirement", "list"]).await;
    says(&output, 1, "start one with `aspora dev`");
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
    says(&aspora(&nobody, &["run", "show", "no-uuid"]).await, 2, "no-uuid");
}

#[tokio::test]
async fn a_requirement_is_submitted_followed_and_shown() {
    let database = support::database().await;
    let (name, repository) = ("wealth".parse().unwrap(), "acme/wealth-product".parse().unwrap());
    store::product::put(&database.pool, &name, &repository, "main", &[]).await.unwrap();
    let engine = Engine::open(database.pool.clone()).await.unwrap();
    let settings = Settings {
        public_url: "http://aspora.test".to_owned(),
        forge_url: "https://forge.test".to_owned(),
        webhook_secrets: vec![],
        forge_is_stand_in: true,
        model_is_stand_in: true,
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let app = App { engine: engine.clone(), settings: Arc::new(settings) };
    let stop = CancellationToken::new();
    let serving = tokio::spawn(http::serve(listener, app, stop.clone()));

    let submit = ["requirement", "submit", "-p", "health", "-t", "Risk", "--body", "All."];
    says(&aspora(&server, &submit).await, 1, "known are `wealth`");
    let submit = ["-o", "json", "requirement", "submit", "-p", "wealth", "-t", "Risk", "--body", "All."];
    let output = aspora(&server, &submit).await;
    let accepted: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let (id, run) = (accepted["id"].as_str().unwrap(), accepted["run_id"].as_str().unwrap());
    says(&aspora(&server, &["requirement", "list"]).await, 0, id);
    says(&aspora(&server, &["run", "why", run]).await, 0, "queued");
    let watch = ["requirement", "watch", id];
    let watching = aspora(&server, &watch);
    let ending = async {
        let lease =
            support::claim(&database.pool, Queue::Llm, "w1", 1, Duration::from_secs(60)).await.remove(0);
        let note = "cannot be \u{1b}[31mdone".to_owned();
        let answer = Answer { outcome: Outcome::Declined, note, progress: Progress::default() };
        engine.answer(&lease, "w1", answer).await.unwrap();
    };
    let (watched, ()) = tokio::join!(watching, ending);
    says(&watched, 3, "declined");
    says(&aspora(&server, &["run", "show", run]).await, 0, "failed");
    says(&aspora(&server, &["run", "events", run]).await, 0, "started");
    stop.cancel();
    serving.await.unwrap().unwrap();
}
