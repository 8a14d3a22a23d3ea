//! Counting: once, again after each later fact, and never by half.

use aspora::{
    core::{
        finding::{Finding, Severity},
        run::Progress,
        sha::Sha,
        workflow::{
            Outcome::{Closed, Declined, Findings, Opened, Passed, Pushed},
            Queue,
        },
    },
    store::{incident, measure, review},
};
use serde_json::json;
use uuid::Uuid;

use super::support::{TestEngine, answer, assert_sound};

const HEAD: &str = "0123456789abcdef0123456789abcdef01234567";

/// A run that ended because the model declined.
pub(super) async fn declined(test: &TestEngine) -> Uuid {
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "tester", answer(Declined)).await.unwrap();
    run
}

/// Counts until nothing is due.
pub(super) async fn fold(test: &TestEngine) {
    while measure::fold(test.pool()).await.unwrap() > 0 {}
}

/// How many runs add to a figure, and what they add.
pub(super) async fn sum(test: &TestEngine, figure: &str) -> (i64, i64) {
    let read = |what: &str| {
        format!(
            "select coalesce(sum({what}), 0)::bigint from measure_sum where span = 'day' and figure = '{figure}'"
        )
    };
    (test.query(&read("runs")).await, test.query(&read("amount")).await)
}

async fn due(test: &TestEngine) -> i64 {
    test.query("select count(*) from measure_due").await
}

#[tokio::test]
async fn a_run_counts_once_when_it_ends_however_often_it_is_counted() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(due(&test).await, 0, "a run that goes on is not counted");
    test.engine.answer(&lease, "tester", answer(Declined)).await.unwrap();
    assert_eq!(due(&test).await, 1);
    for _ in 0..3 {
        fold(&test).await;
        assert_eq!((sum(&test, "ended").await, sum(&test, "ended.failed").await), ((1, 1), (1, 1)));
        assert_eq!(sum(&test, "merged").await, (0, 0));
        test.execute(&format!("insert into measure_due (run_id) values ('{run}'), ('{run}')")).await;
    }
    fold(&test).await;
    assert_eq!((due(&test).await, measure::count_due(test.pool()).await.unwrap()), (0, 0));
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_run_that_is_retried_counts_for_nothing_until_it_ends_again() {
    let test = TestEngine::new().await;
    let run = declined(&test).await;
    fold(&test).await;
    let reason = "once more".parse().unwrap();
    test.engine.retry(run, None, "asha", &reason).await.unwrap();
    fold(&test).await;
    assert_eq!(sum(&test, "ended").await, (0, 0));
    assert_eq!(test.query::<i64>("select count(*) from run_measure").await, 0);
    let lease = test.claim(Queue::Llm).await;
    let progress = Progress { pull: Some(7), head: Some(HEAD.parse().unwrap()), ..Progress::default() };
    let opened = aspora::engine::Answer { progress, ..answer(Opened) };
    test.engine.answer(&lease, "tester", opened).await.unwrap();
    let lease = test.claim(Queue::Github).await;
    test.engine.answer(&lease, "tester", answer(Closed)).await.unwrap();
    fold(&test).await;
    assert_eq!((sum(&test, "ended.failed").await, sum(&test, "ended.cancelled").await), ((0, 0), (1, 1)));
    assert_eq!((sum(&test, "opened").await.0, sum(&test, "first_pull").await.0), (1, 1));
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_count_that_is_killed_before_its_commit_has_changed_nothing_and_one_at_a_time_counts() {
    let test = TestEngine::new().await;
    declined(&test).await;
    let mut killed = test.pool().begin().await.unwrap();
    assert_eq!(measure::fold_in(&mut killed, 10).await.unwrap(), 1);
    assert_eq!(measure::fold(test.pool()).await.unwrap(), 0, "another process counts");
    killed.rollback().await.unwrap();
    assert_eq!((due(&test).await, sum(&test, "ended").await), (1, (0, 0)));
    fold(&test).await;
    assert_eq!((due(&test).await, sum(&test, "ended").await), (0, (1, 1)));
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_run_that_moves_while_it_is_counted_neither_waits_nor_is_missed() {
    let test = TestEngine::new().await;
    let run = declined(&test).await;
    let mut counting = test.pool().begin().await.unwrap();
    measure::fold_in(&mut counting, 10).await.unwrap();
    let reason = "once more".parse().unwrap();
    test.engine.retry(run, None, "asha", &reason).await.unwrap();
    counting.commit().await.unwrap();
    assert_eq!((due(&test).await, sum(&test, "ended").await), (1, (1, 1)));
    fold(&test).await;
    assert_eq!(sum(&test, "ended").await, (0, 0));
}

#[tokio::test]
async fn what_comes_after_the_end_is_counted_too() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let (head, finding): (Sha, _) =
        (HEAD.parse().unwrap(), Finding::new(Severity::High, "a.py", Some(3), "Division by zero", "x / y"));
    review::record(
        test.pool(),
        &lease,
        &review::New::complete(&head, "One flaw.", std::slice::from_ref(&finding)),
    )
    .await
    .unwrap();
    test.engine.answer(&lease, "tester", answer(Declined)).await.unwrap();
    fold(&test).await;
    assert_eq!((sum(&test, "finding.high.open").await, sum(&test, "wrong.builtin").await), ((1, 1), (0, 0)));
    let mut connection = test.pool().acquire().await.unwrap();
    review::dismiss(&mut connection, run, &finding.fingerprint, "asha", "it cannot be zero").await.unwrap();
    let (blame, key) = (json!({"by": "a person"}), "1");
    let new = incident::New {
        product: "wealth",
        source: "person",
        key,
        title: "It broke",
        body: "",
        url: None,
        happened_at: None,
        blame: Some((run, &blame)),
    };
    incident::record(&mut connection, new).await.unwrap();
    incident::record(&mut connection, new).await.unwrap();
    fold(&test).await;
    assert_eq!(
        (sum(&test, "finding.high.open").await, sum(&test, "finding.high.dismissed").await),
        ((0, 0), (1, 1))
    );
    assert_eq!((sum(&test, "wrong.builtin").await, sum(&test, "incident").await), ((1, 1), (1, 1)));
    test.execute("update incident set run_id = null").await;
    fold(&test).await;
    assert_eq!(sum(&test, "incident").await, (0, 0));
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn rounds_and_the_time_of_a_run_are_read_from_its_history() {
    let test = TestEngine::new().await;
    test.accept().await;
    let progress = Progress { pull: Some(7), head: Some(HEAD.parse().unwrap()), ..Progress::default() };
    for (queue, outcome, progress) in [
        (Queue::Llm, Opened, progress),
        (Queue::Github, Passed, Progress::default()),
        (Queue::Llm, Findings, Progress::default()),
        (Queue::Llm, Pushed, Progress::default()),
        (Queue::Github, Closed, Progress::default()),
    ] {
        let lease = test.claim(queue).await;
        let answered = aspora::engine::Answer { progress, ..answer(outcome) };
        test.engine.answer(&lease, "tester", answered).await.unwrap();
    }
    fold(&test).await;
    assert_eq!((sum(&test, "rounds").await, sum(&test, "cleared").await), ((1, 1), (0, 0)));
    assert_eq!(sum(&test, "first_pull.met").await, (1, 1), "the default objective is half an hour");
    assert_eq!(sum(&test, "cycle").await, (0, 0), "it was not merged");
    assert_sound(&test.engine).await;
}
