//! A reviewer that is asked by HTTP, at the path of the document that the product comes from.

use std::sync::{Arc, Mutex};

use axum::{Router, extract::State, http::Uri, routing::get};

use super::*;

/// A server that answers what it is set to, and remembers what it was asked.
#[derive(Clone, Default)]
struct Server {
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts; the server and its base URL.
    async fn start() -> (Self, String) {
        let server = Self::default();
        server.answers(404, "");
        let routes = Router::new().route("/v1/reviews/{owner}/{repo}/pr/{number}/findings", get(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1", listener.local_addr().unwrap());
        let service = routes.with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, service).await });
        (server, base)
    }

    fn answers(&self, status: u16, text: &str) {
        *self.answer.lock().unwrap() = (status, text.to_owned());
    }
}

async fn answer(State(server): State<Server>, uri: Uri) -> (axum::http::StatusCode, String) {
    server.asked.lock().unwrap().push(uri.to_string());
    let (status, text) = server.answer.lock().unwrap().clone();
    (axum::http::StatusCode::from_u16(status).unwrap(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reviewer_by_http_is_awaited_read_and_believed_only_about_this_head() {
    let (server, base) = Server::start().await;
    let world = world(json!([{"kind": "http", "name": "mine", "url": base}])).await;
    let (run, head) = awaited(&world).await;
    let clean = |sha: &str| json!({"sha": sha, "findings": []}).to_string();
    world.until_waiting_for(run, "mine: it has no review of this head yet").await;
    for (status, text, what) in [
        (200, "[]".to_owned(), "does not say of which commit"),
        (200, clean(&"1".repeat(40)), "not about this head"),
        (200, "<html>".to_owned(), "not as expected"),
        (500, clean(&head), "the status 500"),
    ] {
        server.answers(status, &text);
        world.until_waiting_for(run, what).await;
    }
    let finding = json!({"severity": "critical", "path": PATH, "line": 1, "message": "It begins at zero."});
    server.answers(200, &json!({"sha": head, "findings": [finding]}).to_string());
    let fixed = world.until_head_changes(run, &head).await;
    world.until_waiting_for(run, "not about this head").await;
    server.answers(200, &clean(&fixed));
    assert_eq!(world.run_to_end(run).await, "done");
    let found = findings(&world, run).await;
    assert_eq!((&found[0]["severity"], &found[0]["source"]), (&json!("critical"), &json!("mine")));
    let asked = server.asked.lock().unwrap().clone();
    assert_eq!(asked[0], format!("/v1/reviews/acme/wealth-product/pr/1/findings?sha={head}"));
    let reviews = world.twin.reviews(REPO);
    let words =
        "Actionable findings: 1 (1 blocking)\n\n🔴 CRITICAL: lib/round.py line 1: It begins at zero. (mine)";
    assert!(reviews[0].body.contains(words), "{}", reviews[0].body);
    let clean = &reviews.last().unwrap().body;
    assert!(
        !clean.to_lowercase().contains("actionable findings"),
        "a clean review starts no remediation: {clean}"
    );
    assert!(requests(&world).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reviewer_by_http_that_never_answers_is_missed_and_taken_over_where_the_product_allows_it() {
    let (_server, base) = Server::start().await;
    let world = world(json!([{"kind": "http", "url": base, "fallback": true, "timeout_minutes": 5}])).await;
    let (run, _) = awaited(&world).await;
    pass(&world, 5).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.model_calls(Task::Review), 1);
    let report = report(&world);
    assert!(report.contains("http has not reviewed it within 5 minutes"), "{report}");
}
