//! Monthly partitions: where the rows of a run are stored, and how partitions are created.

use aspora::store::partition;
use chrono::{TimeZone as _, Utc};
use sqlx::{Connection as _, PgConnection};

use super::support::{TestEngine, assert_folds, eventually};

#[tokio::test]
async fn a_run_and_its_rows_are_stored_in_the_month_in_which_it_started() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let month: String = test.query("select to_char(now() at time zone 'utc', 'YYYY_MM')").await;
    for (table, key) in [("run", "id"), ("event", "run_id")] {
        let sql = format!("select tableoid::regclass::text from {table} where {key} = '{run}'");
        assert_eq!(test.query::<String>(&sql).await, format!("{table}_{month}"));
    }
    let next: String =
        test.query("select to_char(now() at time zone 'utc' + interval '2 months', 'YYYY_MM')").await;
    assert!(test.query::<bool>(&format!("select to_regclass('event_{next}') is not null")).await);
}

#[tokio::test]
async fn a_run_without_a_partition_for_its_month_is_stored_and_moves_into_it_later() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let old = "018e0b00-0000-7000-8000-000000000001".parse().unwrap();
    test.execute(&format!("update run set id = '{old}' where id = '{run}'")).await;
    test.execute(&format!(
        "insert into event (run_id, seq, at, actor, step, kind, body)
             select '{old}', seq, at, actor, step, kind, body from event where run_id = '{run}'"
    ))
    .await;
    let lies =
        "select tableoid::regclass::text from event where run_id = '018e0b00-0000-7000-8000-000000000001'";
    assert_eq!(test.query::<String>(lies).await, "event_rest");
    assert_folds(&test.engine, old).await;

    let march = Utc.with_ymd_and_hms(2024, 3, 9, 0, 0, 0).unwrap();
    assert_eq!(partition::make(test.pool(), march, march).await.unwrap(), 4);
    assert_eq!(test.query::<String>(lies).await, "event_2024_03");
    assert_folds(&test.engine, old).await;
    let refused = sqlx::query("delete from event_2024_03").execute(test.pool()).await.unwrap_err();
    assert!(refused.to_string().contains("append-only"), "{refused}");
    let refused = sqlx::query("delete from event").execute(test.pool()).await.unwrap_err();
    assert!(refused.to_string().contains("append-only"), "{refused}");
    assert_eq!(partition::make(test.pool(), march, march).await.unwrap(), 0);
}

#[tokio::test]
async fn concurrent_calls_create_each_partition_once() {
    let test = TestEngine::new().await;
    let since = Utc.with_ymd_and_hms(2031, 1, 1, 0, 0, 0).unwrap();
    let until = Utc.with_ymd_and_hms(2031, 6, 30, 0, 0, 0).unwrap();
    let all = (0..6).map(|_| partition::make(test.pool(), since, until));
    let made: i32 = futures::future::try_join_all(all).await.unwrap().into_iter().sum();
    assert_eq!(made, 6 * 4);
    assert_eq!(
        partition::prepare(test.pool()).await.unwrap(),
        0,
        "the partitions were created when the engine opened"
    );
}

/// A session caches the catalog, and waiting for an advisory lock does not refresh the cache.
#[tokio::test]
async fn a_call_that_waited_while_another_created_the_partition_finds_it() {
    let test = TestEngine::new().await;
    let month = |month| Utc.with_ymd_and_hms(2031, month, 1, 0, 0, 0).unwrap();
    let mut second = PgConnection::connect(&test.database.url).await.unwrap();
    let make = "select make_months($1, $1)";
    // Now its plans are cached, so that planning does not refresh its view of the catalog.
    let warm: i32 = sqlx::query_scalar(make).bind(month(1)).fetch_one(&mut second).await.unwrap();
    assert_eq!(warm, 4);
    let mut first = test.pool().begin().await.unwrap();
    assert_eq!(sqlx::query_scalar::<_, i32>(make).bind(month(2)).fetch_one(&mut *first).await.unwrap(), 4);
    let waits = tokio::spawn(async move {
        sqlx::query_scalar::<_, i32>(make).bind(month(2)).fetch_one(&mut second).await
    });
    let waiting = "select count(*) from pg_locks join pg_database on pg_database.oid = database
                   where datname = current_database() and locktype = 'advisory' and not granted";
    eventually("the second session waits for the lock", async || test.query::<i64>(waiting).await > 0).await;
    first.commit().await.unwrap();
    assert_eq!(waits.await.unwrap().unwrap(), 0);
}

/// Postgres scans every referring row before it drops a partition that foreign keys refer to.
#[tokio::test]
async fn no_table_has_a_foreign_key_to_a_partitioned_one() {
    let test = TestEngine::new().await;
    let refers: Vec<String> = sqlx::query_scalar(
        "select conrelid::regclass || '.' || conname from pg_constraint c
         join pg_partitioned_table p on p.partrelid = c.confrelid where c.contype = 'f'",
    )
    .fetch_all(test.pool())
    .await
    .unwrap();
    assert!(refers.is_empty(), "drop these references in their migration: {refers:?}");
}
