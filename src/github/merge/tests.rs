use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    http::StatusCode,
    routing::{get, put},
};
use serde_json::{Value, json};

use super::*;
use crate::github::{Config, Credential, Timeouts};

const HEAD: &str = "1111111111111111111111111111111111111111";
const OTHER: &str = "2222222222222222222222222222222222222222";
const UUID: &str = "0b8a3c1e-8a27-4c4e-9d8e-3a2b1c0d9e8f";

/// A GitHub that gives this answer to a merge call, and returns this pull request.
struct Stub {
    /// To the merge in the background; `None` where the server lacks it.
    background: Option<(u16, Value)>,
    /// To the merge at once.
    at_once: (u16, &'static str),
    pull: Value,
}

/// What the merge call made of it, and the bodies that it sent, with the last segment of their routes.
struct Seen {
    merge: Result<Merge, Error>,
    orders: Vec<(&'static str, Value)>,
}

impl Stub {
    fn at_once(status: u16, message: &'static str, pull: Value) -> Self {
        Self { background: None, at_once: (status, message), pull }
    }

    fn background(status: u16, body: Value, pull: Value) -> Self {
        Self { background: Some((status, body)), at_once: (500, "not to be called"), pull }
    }

    async fn merges(self, stacked: bool) -> Seen {
        let orders = Arc::new(Mutex::new(Vec::new()));
        let forge = self.serve(&orders).await;
        let order = Order { method: MergeMethod::Merge, title: "Add @risk", message: "closes #1", stacked };
        let merge = forge.merge_head(&"acme/w".parse().unwrap(), 7, &HEAD.parse().unwrap(), order).await;
        let orders = orders.lock().unwrap().clone();
        Seen { merge, orders }
    }

    async fn serve(self, orders: &Arc<Mutex<Vec<(&'static str, Value)>>>) -> Forge {
        let answer = |status: u16, body: Value| (StatusCode::from_u16(status).unwrap(), Json(body));
        let (first, second) = (Arc::clone(orders), Arc::clone(orders));
        let (background, at_once, pull) = (self.background, self.at_once, self.pull);
        let router = Router::new()
            .route(
                "/repos/acme/w/pulls/7/merge",
                put(async move |Json(order): Json<Value>| {
                    first.lock().unwrap().push(("merge", order));
                    let (status, message) = at_once;
                    answer(status, json!({"sha": OTHER, "merged": status == 200, "message": message}))
                }),
            )
            .route(
                "/repos/acme/w/pulls/7/merge-async",
                put(async move |Json(order): Json<Value>| {
                    second.lock().unwrap().push(("merge-async", order));
                    let (status, body) = background.unwrap_or((404, json!({"message": "Not Found"})));
                    answer(status, body)
                }),
            )
            .route("/repos/acme/w/pulls/7", get(async || Json(pull)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api_url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Forge::new(Config {
            api_url,
            credential: Credential::Token("t".into()),
            timeouts: Timeouts::default(),
        })
        .unwrap()
    }
}

fn pull(merged: bool, head: &str, mergeable: Option<bool>, state: &str) -> Value {
    json!({
        "number": 7, "state": if merged { "closed" } else { "open" }, "merged": merged,
        "merge_commit_sha": OTHER, "mergeable": mergeable, "mergeable_state": state,
        "head": {"ref": "b", "sha": head}, "base": {"ref": "main", "sha": OTHER},
        "user": null, "changed_files": 1, "html_url": "", "title": "", "body": null,
        "created_at": "2026-11-22T00:00:00Z", "updated_at": "2026-11-22T00:00:00Z",
    })
}

fn refused(meaning: Meaning, why: &str) -> Merge {
    Merge::Refused(NotMerged { meaning, why: why.to_owned() })
}

fn merged() -> Merge {
    Merge::Merged(OTHER.parse().unwrap())
}

#[tokio::test]
async fn every_sentence_of_github_has_its_meaning_and_an_unknown_one_is_a_persons() {
    async fn check(status: u16, sentence: &'static str, meaning: Meaning) {
        let open = pull(false, HEAD, Some(true), "clean");
        let seen = Stub::at_once(status, sentence, open.clone()).merges(false).await;
        assert_eq!(seen.merge, Ok(refused(meaning, sentence)), "{status} {sentence}");
        assert_eq!(seen.orders.len(), 2, "each call is made once: {status} {sentence}");
        if matches!(status, 405 | 409) && !sentence.contains("to push") {
            let body = json!({"status": "failed", "details": {"message": sentence}});
            let seen = Stub::background(400, body, open).merges(false).await;
            assert_eq!(seen.merge, Ok(refused(meaning, sentence)), "in the background: {sentence}");
        }
    }
    use Meaning as M;
    check(409, "Head branch was modified. Review and try the merge again.", M::HeadMoved).await;
    check(405, "Base branch was modified. Review and try the merge again.", M::NotYet).await;
    check(405, "Merge already in progress", M::NotYet).await;
    check(405, "2 of 3 required status checks are expected.", M::RulesUnmet).await;
    check(405, "Required status check \"ci\" is expected.", M::RulesUnmet).await;
    let review = "At least 1 approving review is required by reviewers with write access.";
    check(405, review, M::RulesUnmet).await;
    check(405, "Repository rule violations found", M::RulesUnmet).await;
    check(405, "Changes have been requested.", M::RulesUnmet).await;
    check(405, "This branch must not contain merge commits.", M::Method).await;
    check(405, "Commits must have verified signatures.", M::NotPermitted).await;
    let queue = "Repository rule violations found\n\nChanges must be made through the merge queue";
    let seen = Stub::at_once(405, queue, pull(false, HEAD, Some(true), "clean")).merges(false).await;
    assert!(matches!(seen.merge, Ok(Merge::Refused(NotMerged { meaning: M::QueueOnly, .. }))));
    check(405, "Pull Request is still a draft", M::Draft).await;
    check(405, "Squash merges are not allowed on this repository.", M::Method).await;
    check(405, "Merge commits are not allowed on this repository.", M::Method).await;
    check(403, "Resource not accessible by integration", M::NotPermitted).await;
    check(403, "refusing to allow a GitHub App to create or update workflow", M::NotPermitted).await;
    check(409, "You're not authorized to push to this branch.", M::NotYet).await;
    check(405, "You're not authorized to push to this branch.", M::NotPermitted).await;
    check(405, "The moon is in the wrong phase", M::Unknown).await;
    check(409, "The moon is in the wrong phase", M::Unknown).await;
    check(422, "Invalid request", M::Unknown).await;
}

#[tokio::test]
async fn a_vague_sentence_is_explained_by_the_pull_request() {
    async fn check(pull: Value, expected: Merge) {
        let seen = Stub::at_once(405, "Pull Request is not mergeable", pull).merges(false).await;
        assert_eq!(seen.merge, Ok(expected));
    }
    let is = |meaning| refused(meaning, "Pull Request is not mergeable");
    check(pull(true, HEAD, None, "unknown"), merged()).await;
    check(pull(true, OTHER, None, "unknown"), is(Meaning::Closed)).await;
    check(pull(false, OTHER, None, "unknown"), is(Meaning::HeadMoved)).await;
    check(pull(false, HEAD, None, "unknown"), is(Meaning::NotYet)).await;
    check(pull(false, HEAD, Some(false), "dirty"), is(Meaning::Conflict)).await;
    check(pull(false, HEAD, Some(true), "behind"), is(Meaning::Behind)).await;
    check(pull(false, HEAD, Some(true), "blocked"), is(Meaning::RulesUnmet)).await;
    check(pull(false, HEAD, Some(true), "draft"), is(Meaning::Draft)).await;
    check(pull(false, HEAD, Some(true), "a new word"), is(Meaning::NotYet)).await;
    check(pull(false, HEAD, Some(true), "has_hooks"), is(Meaning::Unknown)).await;
}

#[tokio::test]
async fn every_answer_of_a_merge_in_the_background_is_understood() {
    async fn check(status: u16, body: Value, pull: Value, expected: Merge) {
        let seen = Stub::background(status, body.clone(), pull).merges(false).await;
        assert_eq!(seen.merge, Ok(expected), "{status} {body}");
        assert_eq!(seen.orders.len(), 1);
    }
    let open = || pull(false, HEAD, Some(true), "clean");
    let pending = |head: &str| {
        json!({"status": "pending", "details": {"message": "", "uuid": UUID, "merge_method": "merge",
            "merge_action": "default", "expected_head_sha": head}})
    };
    let order = |head: &str| {
        Merge::Pending(PendingMerge { uuid: UUID.to_owned(), head: Some(head.parse().unwrap()) })
    };
    check(202, pending(HEAD), open(), order(HEAD)).await;
    check(409, pending(OTHER), open(), order(OTHER)).await;
    let done = json!({"status": "merged", "details": {"message": "", "sha": OTHER}});
    check(200, done.clone(), pull(true, HEAD, None, "unknown"), merged()).await;
    let late = "GitHub says merged, and the pull request does not show it yet";
    check(200, done, open(), refused(Meaning::NotYet, late)).await;
    let queued = json!({"status": "enqueued", "details": {"message": "in the queue"}});
    check(200, queued, open(), Merge::Enqueued("in the queue".to_owned())).await;
}

#[tokio::test]
async fn a_merge_names_the_head_and_its_message_closes_nothing() {
    let seen = Stub::at_once(200, "", pull(false, HEAD, None, "unknown")).merges(false).await;
    assert_eq!(seen.merge, Ok(merged()));
    let [(first, background), (second, at_once)] = &seen.orders[..] else { panic!("{:?}", seen.orders) };
    assert_eq!((*first, *second), ("merge-async", "merge"));
    let expected = json!({
        "sha": HEAD, "merge_method": "merge",
        "commit_title": "Add @risk", "commit_message": "closes #\u{200b}1",
    });
    assert_eq!(*at_once, expected);
    assert_eq!((&background["sha"], &background["merge_action"]), (&json!(HEAD), &json!("default")));
}

#[tokio::test]
async fn a_server_without_merges_in_the_background_is_asked_for_one_only_once() {
    let orders = Arc::new(Mutex::new(Vec::new()));
    let stub = Stub::at_once(405, "Merge already in progress", json!({}));
    let forge = stub.serve(&orders).await;
    let order = Order { method: MergeMethod::Squash, title: "", message: "", stacked: false };
    for _ in 0..2 {
        let merge = forge.merge_head(&"acme/w".parse().unwrap(), 7, &HEAD.parse().unwrap(), order).await;
        assert!(matches!(merge, Ok(Merge::Refused(_))));
    }
    let routes: Vec<_> = orders.lock().unwrap().iter().map(|(route, _)| *route).collect();
    assert_eq!(routes, ["merge-async", "merge", "merge"]);
}

#[tokio::test]
async fn a_stacked_pull_request_is_never_merged_at_once() {
    let seen = Stub::at_once(200, "", json!({})).merges(true).await;
    assert!(seen.merge.is_err_and(|error| error.kind() == Kind::NotFound));
    assert_eq!(seen.orders.len(), 1);
}

#[tokio::test]
async fn an_ambiguous_answer_is_an_error_and_the_merge_is_not_repeated() {
    for stub in [Stub::at_once(502, "", json!({})), Stub::background(502, json!({}), json!({}))] {
        let calls = if stub.background.is_some() { 1 } else { 2 };
        let seen = stub.merges(false).await;
        assert!(seen.merge.is_err_and(|error| error.is_ambiguous() && error.is_transient()));
        assert_eq!(seen.orders.len(), calls);
    }
}
