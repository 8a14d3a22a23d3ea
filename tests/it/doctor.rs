//! The doctor: what it says of a sound database, and what of one in which something does not hold.

use std::process::Output;

use crate::support::{TestEngine, answer, blank, eventually};
use aspora::{
    core::workflow::{Outcome, Queue},
    store::{
        invariant::{self, Check},
        wake::Listener,
    },
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::process::Command;
use uuid::Uuid;

async fn doctor(url: &str, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aspora"));
    command.arg("doctor").args(words).env("DATABASE_URL", url).output().await.unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8([output.stdout.as_slice(), &output.stderr].concat()).unwrap()
}

/// Every invariant that does not hold, by its name.
async fn violated(test: &TestEngine) -> Vec<Check> {
    let mut checks = invariant::check(&mut test.pool().acquire().await.unwrap(), 3).await.unwrap();
    checks.push(test.engine.replay_all(3).await.unwrap());
    checks.into_iter().filter(|check| check.count > 0).collect()
}

/// What breaks each invariant, where `$run` is a run whose first job is held. Some break others too.
const BREAKS: [(&str, &str); 15] = [
    ("one-cause", "delete from job"),
    ("one-cause", "insert into timer values ('$run', now())"),
    ("columns", "update run set pull = 7"),
    ("gapless", "set session_replication_role = replica; delete from event"),
    ("gapless", "insert into event (run_id, seq, actor, kind, body) values ('$run', 3, 'x', 'woken', '{}')"),
    (
        "answered-once",
        "insert into event (run_id, seq, actor, kind, body)
         select '$run', n, 'x', 'answered', '{\"turn\": 1}' from generate_series(2, 3) n",
    ),
    (
        "open-attempts",
        "insert into attempt (run_id, turn, attempt, step, worker) values ('$run', 9, 1, 's', 'w')",
    ),
    (
        "attempts",
        "insert into dead_letter (run_id, step, turn, attempts, error) values ('$run', 's', 1, 5, 'x')",
    ),
    (
        "effects",
        "update run set status = 'ended', ended_as = 'succeeded', ended_at = now(), step = null;
         insert into effect (run_id, key, kind, request) values ('$run', 'push', 'push', '{}')",
    ),
    (
        "merged-as-judged",
        "insert into effect (run_id, key, kind, request, result, done_at)
         values ('$run', 'm', 'merge', '{\"sha\": \"abc\"}', '{}', now())",
    ),
    ("one-at-a-branch", "update run set branch = 'x'"),
    (
        "one-at-a-branch",
        "update job set keys = '{merge:acme/x:main}', lease_token = gen_random_uuid(),
                                        visible_at = now() + interval '1 minute'",
    ),
    (
        "nobodys-rows",
        "insert into effect (run_id, key, kind, request) values (gen_random_uuid(), 'push', 'push', '{}')",
    ),
    ("money", "insert into budget_use (scope, key, settled_tokens) values ('run', '$run', 7)"),
    ("folds", "update run set state = jsonb_set(state, '{visits,generate}', '7')"),
];

#[tokio::test]
async fn whatever_is_broken_is_found_and_nothing_else_of_a_sound_database() {
    for (name, sql) in BREAKS {
        let test = TestEngine::new().await;
        test.accept().await;
        let run = test.accept().await;
        test.claim_all(Queue::Llm, 2).await;
        let before = violated(&test).await;
        assert!(before.is_empty(), "{before:?}");
        let sql = sql.replace("$run", &run.to_string());
        sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(test.pool()).await.unwrap();
        let found = violated(&test).await;
        assert!(found.iter().any(|check| check.name == name), "`{sql}` is told as {found:?}");
    }
}

#[tokio::test]
async fn what_nobody_does_is_told_only_where_a_worker_is() {
    let test = TestEngine::new().await;
    test.accept().await;
    test.claim(Queue::Llm).await;
    test.execute("update job set visible_at = now() - interval '3 minutes'").await;
    test.execute("insert into timer select id, now() - interval '3 minutes' from run").await;
    let late = async || {
        let names = violated(&test).await.into_iter().map(|check| check.name);
        names.filter(|name| ["leases", "timers"].contains(name)).collect::<Vec<_>>()
    };
    assert!(late().await.is_empty());
    let ear = Listener::open(test.pool(), &[Queue::Llm]).await.unwrap();
    assert_eq!(late().await, ["leases", "timers"]);
    drop(ear);
}

#[tokio::test]
async fn a_transaction_that_is_left_open_is_told() {
    let test = TestEngine::new().await;
    let options: PgConnectOptions = test.database.url.parse().unwrap();
    let mut idle = PgConnection::connect_with(&options.application_name("aspora")).await.unwrap();
    sqlx::raw_sql("begin; select 1").execute(&mut idle).await.unwrap();
    eventually("it is told", async || {
        violated(&test).await.iter().any(|check| check.name == "idle-transactions")
    })
    .await;
}

#[tokio::test]
async fn it_says_what_holds_what_does_not_and_by_its_exit_code_which() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "tester", answer(Outcome::Opened)).await.unwrap();
    let url = &test.database.url;
    let well = doctor(url, &["--invariants"]).await;
    assert_eq!(well.status.code(), Some(0), "{}", text(&well));
    assert!(text(&well).contains("ok   folds: ") && text(&well).contains("no worker is connected"));

    test.execute("delete from job").await;
    let ill = doctor(url, &["--invariants", "-o", "json"]).await;
    assert_eq!(ill.status.code(), Some(1), "{}", text(&ill));
    let told: Value = serde_json::from_slice(&ill.stdout).unwrap();
    let checks = told["invariants"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == "one-cause").unwrap();
    assert_eq!((&check["count"], &check["broken"][0]["run"]), (&1.into(), &run.to_string().into()));
    assert_eq!(doctor(url, &[]).await.status.code(), Some(0), "nobody asked for the invariants");
}

#[tokio::test]
async fn a_database_that_is_not_fit_is_told_with_what_to_do() {
    let database = blank().await;
    let new = doctor(&database.url, &[]).await;
    assert_eq!(new.status.code(), Some(1));
    assert!(text(&new).contains("run `aspora migrate`"), "{}", text(&new));
    let early = doctor(&database.url, &["--invariants"]).await;
    assert_eq!(early.status.code(), Some(1));
    assert!(text(&early).contains("run `aspora migrate` first"), "{}", text(&early));
    let nobody = doctor("postgres://127.0.0.1:1/none", &[]).await;
    assert_eq!(nobody.status.code(), Some(1));
    assert!(text(&nobody).starts_with("error: connect to the database in DATABASE_URL"), "{}", text(&nobody));

    let set = "alter database {} set default_transaction_read_only = on; alter database {} set synchronous_commit = off";
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&database.pool).await.unwrap();
    let set = set.replace("{}", &format!("{name:?}"));
    sqlx::raw_sql(AssertSqlSafe(set)).execute(&database.pool).await.unwrap();
    let ill = text(&doctor(&database.url, &[]).await);
    assert!(ill.contains("BAD  default_transaction_read_only is on"), "{ill}");
    assert!(ill.contains("BAD  synchronous_commit is off"), "{ill}");
    let mut worker = Command::new(env!("CARGO_BIN_EXE_aspora"));
    worker
        .arg("worker")
        .env("DATABASE_URL", &database.url)
        .env("GITHUB_TOKEN", "x")
        .env("OPENAI_API_KEY", "x");
    let refused = worker.env("ASPORA_DATA", std::env::temp_dir().join(Uuid::new_v4().to_string())).output();
    let refused = refused.await.unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused));
    assert!(text(&refused).contains("default_transaction_read_only is on"), "{}", text(&refused));
}
