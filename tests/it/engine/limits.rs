//! Concurrency limits: running jobs by key, and open runs by product.

use aspora::{
    core::{
        limit::Key,
        requirement::Requirement,
        workflow::{Outcome, Queue},
    },
    engine::Error,
    store::{
        job_control,
        limit::{self, Row},
        product, repository,
    },
};
use futures::future::join_all;

use super::support::{TestEngine, answer, assert_sound};

fn row(key: &str, most: Option<i32>, held: i64) -> Row {
    Row { key: key.to_owned(), most, held }
}

#[tokio::test]
async fn the_list_shows_every_limit_and_every_running_job() {
    let test = TestEngine::new().await;
    for _ in 0..3 {
        test.accept().await;
    }
    let product: Key = "product:wealth".parse().unwrap();
    limit::put(&mut test.pool().acquire().await.unwrap(), &product, 5).await.unwrap();
    limit::put(&mut test.pool().acquire().await.unwrap(), &product, 2).await.unwrap();
    test.execute(
        "update job set keys = array['product:wealth', 'merge:acme/wealth-product:main', 'model:x']",
    )
    .await;
    assert_eq!(limit::list(test.pool()).await.unwrap(), [row("product:wealth", Some(2), 0)]);

    assert_eq!(test.claim_all(Queue::Llm, 1).await.len(), 1);
    let expected = [
        row("merge:acme/wealth-product:main", Some(1), 1),
        row("model:x", None, 1),
        row("product:wealth", Some(2), 1),
    ];
    assert_eq!(limit::list(test.pool()).await.unwrap(), expected);

    assert!(limit::remove(test.pool(), &product).await.unwrap());
    assert!(!limit::remove(test.pool(), &product).await.unwrap());
    assert!(limit::list(test.pool()).await.unwrap().contains(&row("product:wealth", None, 1)));
}

/// Submits to `wealth`; whether it was accepted.
async fn submit(test: &TestEngine) -> bool {
    let requirement = Requirement::new("wealth", "One more", "Please.", 3).unwrap();
    match test.engine.accept(&requirement, "pm").await {
        Ok(_) => true,
        Err(Error::BacklogFull { product, most, open }) => {
            assert_eq!((product.as_str(), most, open), ("wealth", 5, 5));
            false
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn sixteen_callers_at_once_open_no_more_runs_than_the_backlog_allows() {
    let test = TestEngine::new().await;
    let wealth = "wealth".parse().unwrap();
    product::cap(test.pool(), &wealth, Some(5)).await.unwrap();
    let taken = join_all((0..16).map(|_| submit(&test))).await.into_iter().filter(|taken| *taken).count();
    assert_eq!(taken, 5);
    for table in ["requirement", "run", "event", "job"] {
        let sql = format!("select count(*) from {table}");
        assert_eq!(test.query::<i64>(&sql).await, 5, "{table}: what is refused leaves nothing");
    }

    let lease = test.claim_all(Queue::Llm, 1).await.remove(0);
    test.engine.answer(&lease, "tester", answer(Outcome::Declined)).await.unwrap();
    assert!(submit(&test).await, "a run that has ended makes room");
    assert!(!submit(&test).await);
    product::cap(test.pool(), &wealth, None).await.unwrap();
    for _ in 0..3 {
        assert!(submit(&test).await);
    }
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn merges_take_turns_under_the_new_name_of_a_renamed_repository() {
    let test = TestEngine::new().await;
    test.accept().await;
    test.accept().await;
    let old: String = test.query("select distinct repository from run").await;
    let merge = |name: &str| format!("merge:{name}:main");
    let give = async |name: &str| {
        let key = merge(name);
        test.execute(&format!("update job set guarded = true, keys = array['{key}', 'product:wealth']"))
            .await;
    };
    give(&old).await;
    let mut tx = test.pool().begin().await.unwrap();
    repository::rename(&mut tx, &old, "acme/new").await.unwrap();
    tx.commit().await.unwrap();
    let keys: Vec<String> = test.query("select array_agg(distinct key) from job, unnest(keys) as key").await;
    assert_eq!(keys, [merge("acme/new"), "product:wealth".to_owned()]);
    // One that was enqueued while the repository was being renamed finds out itself.
    let lease = test.claim(Queue::Llm).await;
    give(&old).await;
    for rekeyed in [true, false] {
        assert_eq!(job_control::rekey_merge(test.pool(), &lease).await.unwrap(), rekeyed);
    }
    let now: String = test.query("select keys[1] from job where lease_token is not null").await;
    assert_eq!(now, merge("acme/new"));
}
