//! Rate limits that all workers share: what they admit, what closes them, and what happens to a job they hold back.

use std::time::Duration;

use aspora::{
    activities::{ForgeThrottle, ModelThrottle},
    core::{
        rate::{Observed, RateWindow},
        workflow::Queue,
    },
    engine::Ack,
    github::{Effort, Throttle as _},
    llm::Throttle as _,
    store::{
        attempt, job,
        rate::{self, Admission, Bucket},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use sqlx::PgPool;

use super::support::{TestEngine, advance, assert_sound};

fn bucket(key: &str, capacity: f64, refill_per_s: f64) -> Bucket {
    Bucket { key: key.to_owned(), capacity: Some(capacity), refill_per_s }
}

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Takes one token from each of these.
async fn take(pool: &PgPool, names: &[&str]) -> Admission {
    rate::take(pool, &keys(names), &vec![1.0; names.len()]).await.unwrap().expect("every bucket exists")
}

/// How many calls of sixteen callers, five each, are admitted.
async fn passed(test: &TestEngine, name: &str) -> usize {
    let takers = (0..16).map(async |_| {
        let mut passed = 0;
        for _ in 0..5 {
            passed += usize::from(take(test.pool(), &[name]).await == Admission::Go);
        }
        passed
    });
    join_all(takers).await.into_iter().sum()
}

/// The wait until a bucket admits the next call.
async fn wait(test: &TestEngine, name: &str) -> (Duration, String) {
    match take(test.pool(), &[name]).await {
        Admission::Wait(wait) => (wait.wait, wait.why),
        Admission::Go => panic!("`{name}` is open"),
    }
}

/// The limit that holds back the job of a run, and why it is closed.
async fn held_back(test: &TestEngine, run: uuid::Uuid) -> Option<(String, Option<String>)> {
    job::standing(test.pool(), run).await.unwrap().unwrap().held_back
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[tokio::test]
async fn sixteen_callers_at_once_never_take_more_than_the_bucket_holds() {
    let test = TestEngine::new().await;
    // The refill is so slow that only the clock moved by the test fills the bucket.
    rate::declare(test.pool(), &[bucket("b", 10.0, 0.001)]).await.unwrap();
    assert_eq!(passed(&test, "b").await, 10);
    advance(test.pool(), seconds(5_000)).await;
    assert_eq!(passed(&test, "b").await, 5);
    advance(test.pool(), seconds(1_000_000)).await;
    assert_eq!(passed(&test, "b").await, 10, "a bucket holds no more than it can");
}

#[tokio::test]
async fn tokens_are_taken_from_all_buckets_or_from_none() {
    let test = TestEngine::new().await;
    rate::declare(test.pool(), &[bucket("a", 5.0, 0.001), bucket("b", 2.0, 0.001)]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(take(test.pool(), &["b", "a"]).await, Admission::Go);
    }
    let Admission::Wait(held) = take(test.pool(), &["a", "b"]).await else { panic!("b is empty") };
    assert_eq!((held.key.as_str(), held.why.as_str()), ("b", "the limit is used up"));
    assert_eq!(passed(&test, "a").await, 3, "the refused call cost nothing");
    assert_eq!(rate::take(test.pool(), &keys(&["a", "unknown"]), &[1.0, 1.0]).await.unwrap(), None);
}

#[tokio::test]
async fn a_call_that_costs_more_than_a_bucket_holds_takes_a_full_bucket() {
    let test = TestEngine::new().await;
    rate::declare(test.pool(), &[bucket("b", 10.0, 0.001)]).await.unwrap();
    let large = async || rate::take(test.pool(), &keys(&["b"]), &[5_000.0]).await.unwrap().unwrap();
    assert_eq!(large().await, Admission::Go);
    assert_ne!(large().await, Admission::Go);
    advance(test.pool(), seconds(20_000)).await;
    assert_eq!(large().await, Admission::Go);
}

#[tokio::test]
async fn a_penalty_closes_a_bucket_for_all_callers_and_is_never_shortened() {
    let test = TestEngine::new().await;
    rate::declare(test.pool(), &[Bucket { capacity: None, ..bucket("b", 1.0, 0.0) }]).await.unwrap();
    assert_eq!(take(test.pool(), &["b"]).await, Admission::Go);
    rate::penalise(test.pool(), "b", seconds(1_000), "first").await.unwrap();
    rate::penalise(test.pool(), "b", seconds(10), "second").await.unwrap();
    assert_eq!(passed(&test, "b").await, 0);
    let (left, why) = wait(&test, "b").await;
    assert!(left > seconds(100) && left <= seconds(1_000), "{left:?}");
    assert_eq!(why, "first");
    advance(test.pool(), seconds(1_001)).await;
    assert_eq!(take(test.pool(), &["b"]).await, Admission::Go);
    rate::penalise(test.pool(), "b", seconds(1_000_000_000), "absurd").await.unwrap();
    let (left, _) = wait(&test, "b").await;
    assert!(left <= seconds(3_600), "{left:?}");
}

#[tokio::test]
async fn an_observed_budget_counts_down_in_its_window_and_is_full_after_it() {
    let test = TestEngine::new().await;
    let observe = async |remaining, full_in| {
        let budget = RateWindow { limit: 10, remaining, full_in: seconds(full_in), is_gradual: false };
        rate::observe(test.pool(), "b", &budget).await.unwrap();
    };
    observe(7, 1_000).await;
    // A late response reports more than is left.
    observe(9, 1_000).await;
    assert_eq!(passed(&test, "b").await, 7);
    assert!(wait(&test, "b").await.0 <= seconds(1_000));
    advance(test.pool(), seconds(500)).await;
    assert_eq!(passed(&test, "b").await, 0, "nothing comes back before the window ends");
    advance(test.pool(), seconds(501)).await;
    assert_eq!(passed(&test, "b").await, 10);
    observe(4, 3_000).await;
    assert_eq!(passed(&test, "b").await, 4, "a new window starts from what was observed");
}

#[tokio::test]
async fn at_github_changes_are_a_second_apart() {
    let test = TestEngine::new().await;
    let pace = || {
        let url = "http://127.0.0.1:1/".parse().unwrap();
        ForgeThrottle::new(test.pool().clone(), &url).as_at_github()
    };
    pace().pass("account/1", Effort::Create).await.unwrap();
    let bucket = async |name: &str| {
        let sql = format!(
            "select tokens || ' of ' || capacity || ' and ' || refill_per_s * 3600 from rate where key = '{}/{name}'",
            pace().key("account/1")
        );
        test.query::<String>(&sql).await
    };
    assert_eq!(bucket("changes").await, "0 of 1 and 3600");
    assert_eq!(bucket("points").await, "295 of 300 and 36000", "a change costs five points");
    assert_eq!(bucket("creations").await, "99 of 100 and 400");
    pace().pass("account/1", Effort::Read).await.unwrap();
    assert_eq!(bucket("changes").await, "0 of 1 and 3600", "a read is no change");
    assert_eq!(bucket("creations").await, "99 of 100 and 400");
}

#[tokio::test]
async fn a_penalty_observed_by_one_worker_holds_back_another() {
    let test = TestEngine::new().await;
    let url = "https://ghe.example/api/v3".parse().unwrap();
    let forge = || ForgeThrottle::new(test.pool().clone(), &url);
    let one = "installation/1";
    let observed =
        Observed { penalty: Some((seconds(60), "rate limited (429)".to_owned())), ..Observed::default() };
    forge().pass(one, Effort::Read).await.unwrap();
    forge().observe(one, observed.clone()).await;
    let held = forge().pass(one, Effort::Read).await.unwrap_err();
    assert_eq!(
        (held.key().as_str(), held.sentence().contains("rate limited (429)")),
        ("github:ghe.example:installation/1", true)
    );
    forge().pass("installation/2", Effort::Read).await.unwrap();

    let model = || ModelThrottle::new(test.pool().clone(), "https://api.example/v1");
    model().observe("large", observed).await;
    assert_eq!(model().pass("large", 10).await.unwrap_err().key(), "model:api.example/large");
    model().pass("small", 10).await.unwrap();
    let spent = RateWindow { limit: 1_000, remaining: 0, full_in: seconds(600), is_gradual: true };
    model().observe("small", Observed { tokens: Some(spent), ..Observed::default() }).await;
    assert_eq!(model().pass("small", 100).await.unwrap_err().key(), "model:api.example/small/tokens");
    advance(test.pool(), seconds(300)).await;
    model().pass("small", 400).await.unwrap();
}

#[tokio::test]
async fn a_snoozed_job_uses_up_no_attempt_and_adds_no_event() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    rate::penalise(test.pool(), "github:x", seconds(600), "rate limited (403)").await.unwrap();
    for _ in 0..7 {
        let lease = test.claim(Queue::Llm).await;
        assert_eq!((lease.attempt, lease.most), (1, 5));
        assert_eq!(test.engine.snooze(&lease, seconds(600), "github:x").await.unwrap(), Ack::Committed);
        assert_eq!(test.engine.snooze(&lease, seconds(600), "github:x").await.unwrap(), Ack::Fenced);
        assert!(test.claim_all(Queue::Llm, 10).await.is_empty(), "it is not due");
        let (key, why) = held_back(&test, run).await.unwrap();
        assert_eq!(key, "github:x");
        assert!(why.is_none_or(|why| why == "rate limited (403)"), "while the penalty lasts");
        advance(test.pool(), seconds(603)).await;
    }
    assert_eq!(test.event_kinds(run).await, ["started"]);
    assert!(attempt::of_run(test.pool(), run).await.unwrap().is_empty());
    assert_eq!(held_back(&test, run).await, None, "the wait is over");
    let lease = test.claim(Queue::Llm).await;
    test.engine.fail(&lease, "tester", "the model is away", None).await.unwrap();
    assert_eq!(held_back(&test, run).await, None, "this wait is for a failure");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn jobs_that_wait_for_one_window_are_spread() {
    let test = TestEngine::new().await;
    for _ in 0..12 {
        test.accept().await;
    }
    let before: DateTime<Utc> = test.query("select clock_timestamp()").await;
    for lease in test.claim_all(Queue::Llm, 12).await {
        test.engine.snooze(&lease, seconds(60), "github:x").await.unwrap();
    }
    let after: DateTime<Utc> = test.query("select clock_timestamp()").await;
    let first: DateTime<Utc> = test.query("select min(visible_at) from job").await;
    let last: DateTime<Utc> = test.query("select max(visible_at) from job").await;
    assert!(first >= before + TimeDelta::seconds(60), "never before the window ends");
    assert!(last <= after + TimeDelta::seconds(62), "and not long after it");
    let spread = "select stddev(extract(epoch from visible_at))::float8 from job";
    assert!(test.query::<f64>(spread).await > 0.1, "the moments are drawn");
}
