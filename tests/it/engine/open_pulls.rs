//! The places for pull requests of a repository.

use aspora::store::open_pull::take_place;
use futures::future::join_all;

use super::support::{TestEngine, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn of_many_runs_at_once_only_as_many_take_a_place_as_there_are() {
    let test = TestEngine::new().await;
    let mut runs = Vec::new();
    for _ in 0..12 {
        runs.push(test.accept().await);
    }
    let repository = test.run(runs[0]).await.spec.repository;
    let take = async |most| {
        let all = runs.iter().map(|run| take_place(test.pool(), *run, &repository, most, None));
        join_all(all).await.into_iter().map(Result::unwrap).collect::<Vec<bool>>()
    };
    let taken = take(5).await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 5);
    assert_eq!(take(5).await, taken, "who has a place keeps it, and nobody else gets one");
    let other = take_place(test.pool(), runs[0], "acme/another", 1, None).await.unwrap();
    assert!(other, "places are of one repository");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_of_one_repository_take_turns_for_the_last_place() {
    let test = TestEngine::new().await;
    let (one, other) = (test.accept().await, test.accept().await);
    let repository = test.run(one).await.spec.repository;
    let mut turn = test.pool().begin().await.unwrap();
    let lock = "select pg_advisory_xact_lock(hashtextextended('open pulls ' || $1, 0))";
    sqlx::query(lock).bind(&repository).execute(&mut *turn).await.unwrap();
    let taking = tokio::spawn({
        let (pool, repository) = (test.pool().clone(), repository.clone());
        async move { take_place(&pool, other, &repository, 1, None).await.unwrap() }
    });
    let waiting = "select exists (select from pg_locks where locktype = 'advisory' and not granted
                   and database = (select oid from pg_database where datname = current_database()))";
    eventually("the other run waits for its turn", async || test.query::<bool>(waiting).await).await;
    let place = "update run set may_open_pull = true where id = $1";
    sqlx::query(place).bind(one).execute(&mut *turn).await.unwrap();
    turn.commit().await.unwrap();
    assert!(!taking.await.unwrap(), "both took the last place");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_counts_until_it_is_merged_or_the_forge_says_that_it_is_not_open() {
    let test = TestEngine::new().await;
    let (one, other) = (test.accept().await, test.accept().await);
    let stored = test.run(one).await.spec;
    let take = async |open: Option<&[String]>| {
        take_place(test.pool(), other, &stored.repository, 1, open).await.unwrap()
    };
    test.execute(&format!("update run set pull = 1 where id = '{one}'")).await;
    assert!(!take(None).await);
    assert!(!take(Some(std::slice::from_ref(&stored.branch))).await);
    test.execute(&format!("update run set status = 'ended', step = null, ended_at = now(), ended_as = 'blocked' where id = '{one}'")).await;
    assert!(!take(None).await, "a run that has ended leaves its pull request open");
    assert!(take(Some(&["aspora/another".to_owned()])).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_pull_request_takes_no_place() {
    let test = TestEngine::new().await;
    let (one, other) = (test.accept().await, test.accept().await);
    let repository = test.run(one).await.spec.repository;
    let merged =
        "update run set pull = 1, status = 'ended', step = null, ended_at = now(), ended_as = 'succeeded'";
    test.execute(&format!("{merged} where id = '{one}'")).await;
    assert!(take_place(test.pool(), other, &repository, 1, None).await.unwrap());
}
