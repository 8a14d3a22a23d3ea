//! The command line: output and exit codes.

use std::{
    process::{Output, Stdio},
    time::Duration,
};

use aspora::{
    core::{
        run::Progress,
        workflow::{Outcome, Queue},
    },
    engine::{Answer, Engine},
    http, store,
};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::support;

async fn aspora(server: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aspora"));
    command
        .args(arguments)
        .env("ASPORA_SERVER", server)
        .env("ASPORA_API_KEY", support::key().reveal())
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null());
    command.output().await.unwrap()
}

fn assert_prints(output: &Output, code: i32, expected: &str) {
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8(text).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(expected), "`{expected}` is not in: {text}");
    assert!(!text.contains('\u{1b}'), "no colours into a pipe: {text}");
}

#[tokio::test]
async fn an_unreachable_server_is_explained_in_one_line() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let unused = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let output = aspora(&unused, &["requirement", "list"]).await;
    assert_prints(&output, 1, "start one with `aspora dev`");
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
    assert_prints(&aspora(&unused, &["run", "show", "no-uuid"]).await, 2, "no-uuid");
}

/// A server whose database has the product `wealth`.
struct Server {
    url: String,
    engine: Engine,
    database: support::TestDatabase,
    stop: CancellationToken,
    serving: tokio::task::JoinHandle<anyhow::Result<()>>,
}

async fn serve() -> Server {
    let database = support::database().await;
    let (name, repository) = ("wealth".parse().unwrap(), "acme/wealth-product".parse().unwrap());
    store::product::put(&database.pool, &name, &repository, "main", &[]).await.unwrap();
    let engine = Engine::open(database.pool.clone()).await.unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = support::app(engine.clone());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(http::serve(listener, app, stop.clone()));
    Server { url, engine, database, stop, serving }
}

#[tokio::test]
async fn a_requirement_is_submitted_followed_and_shown() {
    let Server { url: server, engine, database, stop, serving } = serve().await;
    let submit = ["requirement", "submit", "-p", "health", "-t", "Risk", "--body", "All."];
    assert_prints(&aspora(&server, &submit).await, 1, "known are `wealth`");
    let submit = ["-o", "json", "requirement", "submit", "-p", "wealth", "-t", "Risk", "--body", "All."];
    let output = aspora(&server, &submit).await;
    let accepted: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let (id, run) = (accepted["id"].as_str().unwrap(), accepted["run_id"].as_str().unwrap());
    assert_prints(&aspora(&server, &["requirement", "list"]).await, 0, id);
    assert_prints(
        &aspora(&server, &["run", "why", run]).await,
        0,
        "no worker of the queue `llm` is connected",
    );
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
    assert_prints(&watched, 3, "declined");
    assert_prints(&aspora(&server, &["run", "show", run]).await, 0, "failed");
    assert_prints(&aspora(&server, &["run", "events", run]).await, 0, "started");
    stop.cancel();
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn products_and_limits_are_set_and_listed() {
    let server = serve().await;
    let run = async |words: &[&str]| aspora(&server.url, words).await;
    let put = [
        "product",
        "put",
        "goals",
        "acme/goals",
        "--merge-method",
        "squash",
        "--backlog",
        "2",
        "--concurrency",
        "3",
        "--",
        "cargo",
        "test",
    ];
    assert_prints(&run(&put).await, 0, "Product `goals` uses the repository acme/goals");
    assert_prints(
        &run(&["product", "list"]).await,
        0,
        "goals                       3        2      off  acme/goals (main)",
    );
    let products = run(&["-o", "json", "product", "list"]).await;
    let products: serde_json::Value = serde_json::from_slice(&products.stdout).unwrap();
    assert!(products.as_array().unwrap().iter().any(|it| it["merge_method"] == "squash"), "{products}");
    assert_prints(&run(&["limit", "list"]).await, 0, "     0      3  product:goals");
    assert_prints(
        &run(&["limit", "set", "model:openai", "7"]).await,
        0,
        "Limited `model:openai` to 7 concurrent jobs.",
    );
    assert_prints(&run(&["limit", "set", "merge:acme/goals:main", "2"]).await, 1, "always 1");
    assert_prints(&run(&["limit", "set", "goals", "2"]).await, 1, "the forms are product:<name>");
    assert_prints(&run(&["limit", "set", "product:goals", "0"]).await, 2, "0");
    let listed = run(&["-o", "json", "limit", "list"]).await;
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed[0], serde_json::json!({"key": "model:openai", "most": 7, "held": 0}));
    assert_prints(&run(&["limit", "remove", "product:goals"]).await, 0, "Removed the limit");
    assert_prints(
        &run(&["limit", "remove", "product:goals"]).await,
        1,
        "there is no limit for `product:goals`",
    );

    let submit = ["requirement", "submit", "-p", "goals", "-t", "Risk", "--body", "All."];
    for _ in 0..2 {
        assert_prints(&run(&submit).await, 0, "Submitted requirement");
    }
    assert_prints(&run(&submit).await, 1, "`goals` has 2 open runs, and at most 2 may be open");
    server.stop.cancel();
    server.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_look_back_is_shown_and_proposals_are_decided() {
    let server = serve().await;
    let (pool, run) = (&server.database.pool, async |words: &[&str]| aspora(&server.url, words).await);
    let submit = ["-o", "json", "requirement", "submit", "-p", "wealth", "-t", "Risk", "--body", "All."];
    let accepted: serde_json::Value = serde_json::from_slice(&run(&submit).await.stdout).unwrap();
    let of = accepted["run_id"].as_str().unwrap();
    let shown = String::from_utf8(run(&["run", "show", of]).await.stdout).unwrap();
    assert!(!shown.contains("looking back"), "{shown}");
    let lease = support::claim(pool, Queue::Llm, "w1", 1, Duration::from_secs(60)).await.remove(0);
    let answer = Answer { outcome: Outcome::Declined, note: "no".to_owned(), progress: Progress::default() };
    server.engine.answer(&lease, "w1", answer).await.unwrap();
    while store::measure::fold(pool).await.unwrap() > 0 {}
    let show = run(&["run", "show", of]).await;
    assert_prints(&show, 0, "looking back 0 rounds, 0 model calls for nothing, 1 lesson");
    assert_prints(
        &show,
        0,
        "lesson       declined: the model said that the change cannot be made; avoided by",
    );
    let json: serde_json::Value =
        serde_json::from_slice(&run(&["-o", "json", "run", "show", of]).await.stdout).unwrap();
    assert_eq!(json["look_back"]["lessons"][0]["cause"], "declined", "{json}");

    assert_prints(&run(&["proposal", "list"]).await, 0, "No proposals");
    let insert = "insert into proposal (id, product, cause, kind, title, body, runs)
                  values ($1, 'wealth', 'declined', 'prompt_note', 'Say how', 'It is done so.', array[$1]) returning id::text";
    let filed = sqlx::query_scalar(insert).bind(uuid::Uuid::from_u128(7)).fetch_one(pool).await;
    let id: String = filed.unwrap();
    assert_prints(&run(&["proposal", "list", "--state", "open"]).await, 0, "Say how");
    assert_prints(&run(&["run", "show", of]).await, 0, &format!("proposal     {id} (open)"));
    assert_prints(&run(&["proposal", "show", &id]).await, 0, "Text         It is done so.");
    let accept = ["proposal", "accept", &id, "-r", "it helps", "-t", "Otherwise."];
    assert_prints(&run(&accept).await, 0, "is accepted as prompt_note");
    assert_prints(&run(&accept).await, 1, "the proposal is accepted already");
    assert_prints(&run(&["proposal", "show", &id]).await, 0, "With         Otherwise.");
    assert_prints(&run(&["proposal", "dismiss", &id, "-r", "it did not"]).await, 0, "is dismissed");
    let unknown = uuid::Uuid::from_u128(8).to_string();
    assert_prints(&run(&["proposal", "show", &unknown]).await, 1, &unknown);
    server.stop.cancel();
    server.serving.await.unwrap().unwrap();
}
