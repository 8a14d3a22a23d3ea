//! What is remembered beside the history: answers to callers, reviews and judgements.

use aspora::{
    core::{
        finding::{Finding, Severity},
        sha::Sha,
        workflow::Queue,
    },
    store::{
        assessment,
        idempotency::{self, StoredResponse},
        review,
    },
};
use serde_json::{Value, json};

use super::support::TestEngine;

fn given(digest: &str) -> StoredResponse {
    let location = Some("/api/v1/requirements/1".to_owned());
    StoredResponse {
        request_digest: digest.to_owned(),
        status: 202,
        location,
        response: json!({"id": digest}),
    }
}

#[tokio::test]
async fn an_idempotency_key_keeps_its_first_answer_for_a_day_and_a_route() {
    let test = TestEngine::new().await;
    let keep = async |key: &str, route: &str, given: &StoredResponse| {
        idempotency::insert(&mut test.pool().acquire().await.unwrap(), key, route, given).await.unwrap()
    };
    let get = async |key: &str, route: &str| idempotency::get(test.pool(), key, route).await.unwrap();
    assert!(keep("k", "POST /requirements", &given("a")).await);
    assert!(!keep("k", "POST /requirements", &given("b")).await, "the key is used");
    assert_eq!(get("k", "POST /requirements").await, Some(given("a")));
    assert_eq!(get("k", "POST /products").await, None);
    assert!(keep("k", "POST /products", &given("c")).await);

    test.execute("update idempotency set created_at = created_at - interval '24 hours'").await;
    assert_eq!(get("k", "POST /requirements").await, None);
    assert!(keep("k", "POST /requirements", &given("d")).await, "the day is over");
    assert_eq!(get("k", "POST /requirements").await, Some(given("d")));
}

fn sha(digit: char) -> Sha {
    digit.to_string().repeat(40).parse().unwrap()
}

fn finding(severity: Severity, path: &str) -> Finding {
    Finding::new(severity, path, Some(45), "divides by zero", "a / b")
}

/// The findings of all reviews as `head path state at`.
async fn findings(test: &TestEngine, run: uuid::Uuid) -> Vec<String> {
    let rows = review::findings(test.pool(), run).await.unwrap();
    let line = |row: review::Row| {
        let at = row.state_sha.map(|sha| format!(" {}", &sha[..1])).unwrap_or_default();
        format!("{} {} {}{at}", &row.head_sha[..1], row.path, row.state)
    };
    rows.into_iter().map(line).collect()
}

#[tokio::test]
async fn a_review_of_a_head_is_recorded_once_and_fixes_what_it_does_not_find_again() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let found = [
        finding(Severity::Low, "low.py"),
        finding(Severity::Critical, "risk.py"),
        finding(Severity::High, "a.py"),
    ];
    review::record(test.pool(), &lease, &sha('a'), "three", &found).await.unwrap();
    let first = ["a risk.py open", "a a.py open", "a low.py open"];
    assert_eq!(findings(&test, run).await, first, "the worst first");

    review::record(test.pool(), &lease, &sha('a'), "none", &[]).await.unwrap();
    assert_eq!(findings(&test, run).await, first, "the review of this head is there");
    let kept = review::of_head(test.pool(), run, sha('a').as_str()).await.unwrap().unwrap();
    assert_eq!(kept.summary, "three");

    review::record(test.pool(), &lease, &sha('b'), "one again", &found[..1]).await.unwrap();
    let second = ["a risk.py fixed b", "a a.py fixed b", "a low.py open", "b low.py open"];
    assert_eq!(findings(&test, run).await, second);
    review::record(test.pool(), &lease, &sha('c'), "none", &[]).await.unwrap();
    let third = ["a risk.py fixed b", "a a.py fixed b", "a low.py fixed c", "b low.py fixed c"];
    assert_eq!(findings(&test, run).await, third, "what was fixed at b stays fixed at b");

    let rounds = review::rounds(test.pool(), run).await.unwrap();
    let told: Vec<_> = rounds.iter().map(|round| (round.head.clone(), round.findings.len())).collect();
    let head = |name| sha(name).as_str().to_owned();
    assert_eq!(told, [(head('a'), 2), (head('b'), 0), (head('c'), 0)], "low ones ask for nothing");
}

#[tokio::test]
async fn a_review_is_complete_or_not_there() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let found = [finding(Severity::High, "a.py"), finding(Severity::High, "nul\0.py")];
    review::record(test.pool(), &lease, &sha('a'), "two", &found).await.unwrap_err();
    assert!(review::of_head(test.pool(), run, sha('a').as_str()).await.unwrap().is_none());
    assert!(findings(&test, run).await.is_empty());
}

#[tokio::test]
async fn a_judgement_is_kept_once_until_its_stage_says_something_else() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let record = async |stage: &str, head: &Sha, report: &Value| {
        let new = assessment::New {
            stage,
            head_sha: head.as_str(),
            tier: "low",
            decision: "passed",
            facts: &json!({}),
            report,
        };
        assessment::record(test.pool(), run, &new).await.unwrap();
        assessment::of_run(test.pool(), run).await.unwrap().len()
    };
    let (waits, passes) = (json!({"checks": "waiting"}), json!({"checks": "passed"}));
    assert_eq!(record("preflight", &sha('a'), &waits).await, 1);
    assert_eq!(record("preflight", &sha('a'), &waits).await, 1);
    assert_eq!(record("verdict", &sha('a'), &waits).await, 2);
    assert_eq!(record("preflight", &sha('a'), &waits).await, 2, "another stage in between is no news");
    assert_eq!(record("preflight", &sha('a'), &passes).await, 3);
    assert_eq!(record("preflight", &sha('a'), &waits).await, 4, "it says something else than the last");
    assert_eq!(record("preflight", &sha('b'), &waits).await, 5);
    let last = assessment::last(test.pool(), run, "verdict").await.unwrap().unwrap();
    assert_eq!((last.head_sha.as_str(), last.report), (sha('a').as_str(), waits));
}
