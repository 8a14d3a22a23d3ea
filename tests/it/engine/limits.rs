//! Concurrency limits: running jobs by key, and open runs by product.

use aspora::{
    core::{
        limit::Key,
        requirement::Requirement,
        workflow::{Outcome, Queue},
    },
    engine::Error,
    store::{
        limit::{self, Row},
        product,
    },
};
use futures::future::join_all;

use super::support::{Ground, answer, assert_sound};

fn row(key: &str, most: Option<i32>, held: i64) -> Row {
    Row { key: key.to_owned(), most, held }
}

#[tokio::test]
async fn the_list_shows_every_limit_and_every_running_job() {
    let ground = Ground::new().await;
    for _ in 0..3 {
        ground.accept().await;
    }
    let product: Key = "product:wealth".parse().unwrap();
    limit::put(&mut ground.pool().acquire().await.unwrap(), &product, 5).await.unwrap();
    limit::put(&mut ground.pool().acquire().await.unwrap(), &product, 2).await.unwrap();
    ground
        .execute("update job set keys = array['product:wealth', 'merge:acme/wealth-product:main', 'model:x']")
        .await;
    assert_eq!(limit::list(ground.pool()).await.unwrap(), [row("product:wealth", Some(2), 0)]);

    assert_eq!(ground.claim_all(Queue::Llm, 1).await.len(), 1);
    let expected = [
        row("merge:acme/wealth-product:main", Some(1), 1),
        row("model:x", None, 1),
        row("product:wealth", Some(2), 1),
    ];
    assert_eq!(limit::list(ground.pool()).await.unwrap(), expected);

    assert!(limit::remove(ground.pool(), &product).await.unwrap());
    assert!(!limit::remove(ground.pool(), &product).await.unwrap());
    assert!(limit::list(ground.pool()).await.unwrap().contains(&row("product:wealth", None, 1)));
}

/// Submits to `wealth`; whether it was accepted.
async fn submit(ground: &Ground) -> bool {
    let requirement = Requirement::new("wealth", "One more", "Please.", 3).unwrap();
    match ground.engine.accept(&requirement, "pm").await {
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
    let ground = Ground::new().await;
    let wealth = "wealth".parse().unwrap();
    product::cap(ground.pool(), &wealth, Some(5)).await.unwrap();
    let taken = join_all((0..16).map(|_| submit(&ground))).await.into_iter().filter(|taken| *taken).count();
    assert_eq!(taken, 5);
    for table in ["requirement", "run", "event", "job"] {
        let sql = format!("select count(*) from {table}");
        assert_eq!(ground.ask::<i64>(&sql).await, 5, "{table}: what is refused leaves nothing");
    }

    let lease = ground.claim_all(Queue::Llm, 1).await.remove(0);
    ground.engine.answer(&lease, "tester", answer(Outcome::Declined)).await.unwrap();
    assert!(submit(&ground).await, "a run that has ended makes room");
    assert!(!submit(&ground).await);
    product::cap(ground.pool(), &wealth, None).await.unwrap();
    for _ in 0..3 {
        assert!(submit(&ground).await);
    }
    assert_sound(&ground.engine).await;
}
