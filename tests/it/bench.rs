//! The output of the bench: lines of JSON, and no run lost. Its figures are not checked here.

use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::process::Command;

use crate::support;

async fn bench(database: &support::TestDatabase, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aspora"));
    command.arg("bench").args(args).env("DATABASE_URL", &database.url).stdin(Stdio::null());
    command.output().await.unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect()
}

async fn left_behind(database: &support::TestDatabase) -> i64 {
    let sql = "select count(*) from pg_database where datname like 'aspora\\_bench\\_%'";
    sqlx::query_scalar(sql).fetch_one(&database.pool).await.unwrap()
}

#[tokio::test]
async fn a_small_bench_loses_nothing_and_leaves_nothing_behind() {
    let database = support::database().await;
    let before = left_behind(&database).await;
    let output = bench(&database, &["--quick", "--only", "drain,chain,policy", "--runs", "50"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = lines(&output);
    let workloads: Vec<&str> = lines.iter().map(|line| line["workload"].as_str().unwrap()).collect();
    assert_eq!(workloads, ["machine", "drain", "chain", "policy"]);
    assert_eq!((&lines[1]["answered"], &lines[1]["lost"]), (&50.into(), &0.into()));
    assert_eq!((&lines[2]["answered"], &lines[2]["lost"]), (&(2 * 50 * 8).into(), &0.into()));
    assert!(lines[1..].iter().all(|line| line["met"].is_boolean()), "{lines:?}");
    assert_eq!(left_behind(&database).await, before);
}

#[tokio::test]
async fn an_unknown_workload_is_refused_with_the_known_ones() {
    let database = support::database().await;
    let output = bench(&database, &["--only", "sprint"]).await;
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("no workload `sprint`") && stderr.contains("drain, chain"), "{stderr}");
}

#[tokio::test]
async fn a_database_without_durable_commits_is_not_measured() {
    let database = support::database().await;
    let alter = "do $$ begin
        execute format('alter database %I set synchronous_commit = off', current_database());
    end $$";
    sqlx::query(alter).execute(&database.pool).await.unwrap();
    let output = bench(&database, &["--only", "policy"]).await;
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("synchronous_commit = off") && output.stdout.is_empty(), "{stderr}");
}
