//! The pool of connections: what one caller leaves behind is no concern of the next.

use std::time::Duration;

use aspora::store::{self, Pool};
use futures::poll;
use sqlx::AssertSqlSafe;

use crate::support;

/// Where a begin was cancelled.
#[derive(Debug, PartialEq, Eq)]
enum Cancelled {
    /// Before Postgres had executed BEGIN.
    Early,
    /// Between BEGIN and its answer.
    Between,
    /// It was not: it had begun.
    TooLate,
}

/// Begins a transaction in `pool` and drops it after `polls` polls. `server` sees what Postgres made of it.
async fn cancel_begin(pool: &Pool, server: &Pool, polls: usize) -> Cancelled {
    let mut begin = Box::pin(pool.begin());
    for _ in 0..polls {
        if poll!(&mut begin).is_ready() {
            return Cancelled::TooLate;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let open: i64 = sqlx::query_scalar(
        "select count(*) from pg_stat_activity
         where datname = current_database() and state like 'idle in transaction%'",
    )
    .fetch_one(server)
    .await
    .unwrap();
    if open > 0 { Cancelled::Between } else { Cancelled::Early }
}

/// Whether what is executed in `pool` is in no open transaction: in one, the clock stands still. Statements of the
/// simple protocol, as BEGIN and COMMIT are, so that they share no transaction with each other.
async fn clock_moves(pool: &Pool) -> bool {
    let mut connection = pool.acquire().await.unwrap();
    let mut times: Vec<String> = Vec::new();
    for sql in ["select now()::text", "select pg_sleep(0.001)::text", "select now()::text"] {
        let row = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(&mut *connection).await.unwrap();
        times.push(sqlx::Row::get(&row, 0));
    }
    times[0] != times[2]
}

#[tokio::test]
async fn a_begin_that_is_cancelled_leaves_no_transaction_to_the_next_caller() {
    let database = support::database().await;
    let pool = store::connect(&database.url, 1).await.unwrap();
    let mut between = 0;
    // Where in its course a poll finds a begin is for the machine to say, so several rounds are made.
    for round in 0.. {
        assert!(round < 50, "no begin was cancelled between BEGIN and its answer");
        for polls in 1.. {
            let cancelled = cancel_begin(&pool, &database.pool, polls).await;
            between += usize::from(cancelled == Cancelled::Between);
            // The pool has one connection, so the next caller gets what the cancelled one released.
            assert!(clock_moves(&pool).await, "a transaction is open after {polls} polls of a begin");
            if cancelled == Cancelled::TooLate {
                break;
            }
        }
        if between > 0 {
            break;
        }
    }
}
