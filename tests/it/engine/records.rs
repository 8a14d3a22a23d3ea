//! What is stored beside the history: answers to callers, reviews and assessments.

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
async fn an_idempotency_key_keeps_its_first_answer_for_a_day_per_route() {
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
async fn a_review_of_a_head_is_recorded_once_and_closes_what_it_no_longer_finds() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let found = [
        finding(Severity::Low, "low.py"),
        finding(Severity::Critical, "risk.py"),
        finding(Severity::High, "a.py"),
    ];
    review::record(test.pool(), &lease, &review::New::complete(&sha('a'), "three", &found)).await.unwrap();
    let first = ["a risk.py open", "a a.py open", "a low.py open"];
    assert_eq!(findings(&test, run).await, first, "the worst first");

    review::record(test.pool(), &lease, &review::New::complete(&sha('a'), "none", &[])).await.unwrap();
    assert_eq!(findings(&test, run).await, first, "the review of this head is there");
    let kept = review::of_head(test.pool(), run, sha('a').as_str()).await.unwrap().unwrap();
    assert_eq!(kept.summary, "three");

    let changed = [found[1].fingerprint.clone()];
    let head = sha('b');
    let again = review::New { changed: &changed, ..review::New::complete(&head, "one again", &found[..1]) };
    review::record(test.pool(), &lease, &again).await.unwrap();
    let second = ["a risk.py fixed b", "a a.py gone b", "a low.py open", "b low.py open"];
    assert_eq!(findings(&test, run).await, second);
    review::record(test.pool(), &lease, &review::New::complete(&sha('c'), "none", &[])).await.unwrap();
    let third = ["a risk.py fixed b", "a a.py gone b", "a low.py gone c", "b low.py gone c"];
    assert_eq!(findings(&test, run).await, third, "what was fixed at b stays fixed at b");

    let rounds = review::rounds(test.pool(), run).await.unwrap();
    let counts: Vec<_> = rounds.iter().map(|round| (round.head.clone(), round.findings.len())).collect();
    let head = |name| sha(name).as_str().to_owned();
    assert_eq!(counts, [(head('a'), 2), (head('b'), 0), (head('c'), 0)], "low findings are not actionable");
}

#[tokio::test]
async fn a_dismissed_finding_stays_dismissed_and_a_failed_review_closes_nothing() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let found = [finding(Severity::High, "a.py"), finding(Severity::High, "b.py")];
    let (a, b, c) = (sha('a'), sha('b'), sha('c'));
    review::record(test.pool(), &lease, &review::New::complete(&a, "two", &found)).await.unwrap();
    let dismiss = async || {
        let mut connection = test.pool().acquire().await.unwrap();
        review::dismiss(&mut connection, run, &found[0].fingerprint, "pm@acme", "as designed").await
    };
    assert_eq!((dismiss().await.unwrap(), dismiss().await.unwrap()), (1, 0));
    let failed = review::New { failed: Some("too large"), ..review::New::complete(&b, "", &[]) };
    review::record(test.pool(), &lease, &failed).await.unwrap();
    assert_eq!(findings(&test, run).await, ["a a.py dismissed a", "a b.py open"]);
    let rounds = review::rounds(test.pool(), run).await.unwrap();
    assert_eq!(rounds.len(), 1, "a failed review is no round");
    review::record(test.pool(), &lease, &review::New::complete(&c, "again", &found[..1])).await.unwrap();
    assert_eq!(findings(&test, run).await, ["a a.py dismissed a", "a b.py gone c", "c a.py dismissed a"]);
    let by = review::findings(test.pool(), run).await.unwrap().pop().unwrap();
    assert_eq!((by.state_by.as_deref(), by.state_note.as_deref()), (Some("pm@acme"), Some("as designed")));
}

#[tokio::test]
async fn a_review_that_a_push_voided_is_replaced() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let (head, found) = (sha('a'), [finding(Severity::High, "a.py")]);
    review::record(test.pool(), &lease, &review::New::complete(&head, "first", &found)).await.unwrap();
    let before = review::of_head(test.pool(), run, head.as_str()).await.unwrap().unwrap().reviewed_at;
    let again =
        |since| review::New { not_before: Some(since), ..review::New::complete(&head, "second", &[]) };
    review::record(test.pool(), &lease, &again(before)).await.unwrap();
    assert_eq!(findings(&test, run).await, ["a a.py open"], "it is not older than that");
    review::record(test.pool(), &lease, &again(before + chrono::TimeDelta::seconds(1))).await.unwrap();
    assert_eq!(findings(&test, run).await, ["a a.py gone a"]);
    let kept = review::of_head(test.pool(), run, head.as_str()).await.unwrap().unwrap();
    assert_eq!(kept.summary, "second");
}

#[tokio::test]
async fn a_review_is_stored_whole_or_not_at_all() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let found = [finding(Severity::High, "a.py"), finding(Severity::High, "nul\0.py")];
    review::record(test.pool(), &lease, &review::New::complete(&sha('a'), "two", &found)).await.unwrap_err();
    assert!(review::of_head(test.pool(), run, sha('a').as_str()).await.unwrap().is_none());
    assert!(findings(&test, run).await.is_empty());
}

#[tokio::test]
async fn an_assessment_is_stored_again_only_when_its_stage_changes() {
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
    assert_eq!(record("preflight", &sha('a'), &waits).await, 2, "another stage in between does not count");
    assert_eq!(record("preflight", &sha('a'), &passes).await, 3);
    assert_eq!(record("preflight", &sha('a'), &waits).await, 4, "it says something else than the last");
    assert_eq!(record("preflight", &sha('b'), &waits).await, 5);
    let last = assessment::last(test.pool(), run, "verdict").await.unwrap().unwrap();
    assert_eq!((last.head_sha.as_str(), last.report), (sha('a').as_str(), waits));
}
