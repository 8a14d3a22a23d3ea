//! The pool of connections: what one caller leaves behind is no concern of the next.

use std::time::Duration;

use aspora::store::{self, Pool};
use futures::poll;

use crate::support;

/// Begins a transaction and drops it after `polls` polls; whether that was before it had begun.
async fn cancel_begin(pool: &Pool, polls: usize) -> bool {
    let mut begin = Box::pin(pool.begin());
    for _ in 0..polls {
        if poll!(&mut begin).is_ready() {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    true
}

#[tokio::test]
async fn a_begin_that_is_cancelled_leaves_no_transaction_to_the_next_caller() {
    let database = support::database().await;
    let pool = store::connect(&database.url, 1).await.unwrap();
    let mut polls = 1;
    while cancel_begin(&pool, polls).await {
        // The pool has one connection, so this waits until it is released.
        sqlx::query("select 1").execute(&pool).await.unwrap();
        let open: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and state like 'idle in transaction%'",
        )
        .fetch_one(&database.pool)
        .await
        .unwrap();
        assert_eq!(open, 0, "a transaction is open after {polls} polls of a begin");
        polls += 1;
    }
    assert!(polls > 2, "no begin was cancelled between BEGIN and its answer");
}
