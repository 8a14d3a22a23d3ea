//! `aspora doctor` on a healthy database, and on one with violated invariants or unsafe settings.

use std::process::Output;

use crate::support::{TestEngine, answer, blank, eventually};
use aspora::{
    core::workflow::{Outcome, Queue},
    store::{
        invariant::{self, Check},
        notify::Listener,
    },
};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::process::Command;
use uuid::Uuid;

async fn doctor(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aspora"));
    command.arg("doctor").args(arguments).env("DATABASE_URL", url).output().await.unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8([output.stdout.as_slice(), &output.stderr].concat()).unwrap()
}

/// The invariants that are violated.
async fn violated(test: &TestEngine) -> Vec<Check> {
    let mut checks = invariant::check(&mut test.pool().acquire().await.unwrap(), 3).await.unwrap();
    checks.push(test.engine.replay_all(3).await.unwrap());
    checks.into_iter().filter(|check| check.count > 0).collect()
}

/// Statements that violate each invariant; `$run` is a run whose first job is leased. Some violate others too.
const VIOLATIONS: [(&str, &str); 15] = [
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
async fn each_violation_is_found_and_none_in_a_healthy_database() {
    for (name, sql) in VIOLATIONS {
        let test = TestEngine::new().await;
        test.accept().await;
        let run = test.accept().await;
        test.claim_all(Queue::Llm, 2).await;
        let before = violated(&test).await;
        assert!(before.is_empty(), "{before:?}");
        let sql = sql.replace("$run", &run.to_string());
        sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(test.pool()).await.unwrap();
        let found = violated(&test).await;
        assert!(found.iter().any(|check| check.name == name), "`{sql}` is reported as {found:?}");
    }
}

#[tokio::test]
async fn overdue_work_is_a_violation_only_while_a_worker_is_connected() {
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
    let listener = Listener::open(test.pool(), &[Queue::Llm]).await.unwrap();
    assert_eq!(late().await, ["leases", "timers"]);
    drop(listener);
}

#[tokio::test]
async fn an_idle_transaction_is_reported() {
    let test = TestEngine::new().await;
    let options: PgConnectOptions = test.database.url.parse().unwrap();
    let mut idle = PgConnection::connect_with(&options.application_name("aspora")).await.unwrap();
    sqlx::raw_sql("begin; select 1").execute(&mut idle).await.unwrap();
    eventually("it is reported", async || {
        violated(&test).await.iter().any(|check| check.name == "idle-transactions")
    })
    .await;
}

#[tokio::test]
async fn the_output_and_the_exit_code_tell_healthy_from_unhealthy() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "tester", answer(Outcome::Opened)).await.unwrap();
    let url = &test.database.url;
    let healthy = doctor(url, &["--invariants"]).await;
    assert_eq!(healthy.status.code(), Some(0), "{}", text(&healthy));
    assert!(text(&healthy).contains("ok   folds: ") && text(&healthy).contains("no worker is connected"));

    test.execute("delete from job").await;
    let unhealthy = doctor(url, &["--invariants", "-o", "json"]).await;
    assert_eq!(unhealthy.status.code(), Some(1), "{}", text(&unhealthy));
    let found: Value = serde_json::from_slice(&unhealthy.stdout).unwrap();
    let checks = found["invariants"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == "one-cause").unwrap();
    assert_eq!((&check["count"], &check["broken"][0]["run"]), (&1.into(), &run.to_string().into()));
    assert_eq!(doctor(url, &[]).await.status.code(), Some(0), "invariants are checked only on request");
}

#[tokio::test]
async fn an_unsuitable_database_is_reported_with_what_to_do() {
    let database = blank().await;
    let new = doctor(&database.url, &[]).await;
    assert_eq!(new.status.code(), Some(1));
    assert!(text(&new).contains("run `aspora migrate`"), "{}", text(&new));
    let early = doctor(&database.url, &["--invariants"]).await;
    assert_eq!(early.status.code(), Some(1));
    assert!(text(&early).contains("run `aspora migrate` first"), "{}", text(&early));
    let unreachable = doctor("postgres://127.0.0.1:1/none", &[]).await;
    assert_eq!(unreachable.status.code(), Some(1));
    assert!(
        text(&unreachable).starts_with("error: connect to the database in DATABASE_URL"),
        "{}",
        text(&unreachable)
    );

    let set = "alter database {} set default_transaction_read_only = on; alter database {} set synchronous_commit = off";
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&database.pool).await.unwrap();
    let set = set.replace("{}", &format!("{name:?}"));
    sqlx::raw_sql(AssertSqlSafe(set)).execute(&database.pool).await.unwrap();
    let unhealthy = text(&doctor(&database.url, &[]).await);
    assert!(unhealthy.contains("BAD  default_transaction_read_only is on"), "{unhealthy}");
    assert!(unhealthy.contains("BAD  synchronous_commit is off"), "{unhealthy}");
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

/// Runs a command of the command line on this database.
async fn run(url: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aspora"));
    for (name, value) in [("GITHUB_TOKEN", "t"), ("OPENAI_API_KEY", "k"), ("DATABASE_URL", url)] {
        command.env(name, value);
    }
    let output = command.args(arguments).output().await.unwrap();
    (output.status.success(), text(&output))
}

#[tokio::test]
async fn a_database_in_latin1_is_refused_at_every_start_with_what_to_do() {
    let blank = blank().await;
    let name = format!("latin_{}", Uuid::new_v4().simple());
    let create =
        format!("create database {name} encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&blank.pool).await.unwrap();
    let mut url = url::Url::parse(&blank.url).unwrap();
    url.set_path(&name);
    for command in ["migrate", "serve", "worker", "doctor"] {
        let (is_well, text) = run(url.as_str(), &[command]).await;
        assert!(!is_well, "{command}: {text}");
        for part in ["the database is encoded in LATIN1", "encoding 'UTF8' template template0"] {
            assert!(text.contains(part), "{command}: {text}");
        }
    }
    sqlx::raw_sql(AssertSqlSafe(format!("drop database {name}"))).execute(&blank.pool).await.unwrap();
}

#[tokio::test]
async fn a_role_that_may_not_create_tables_is_named_with_the_schema_and_the_grant() {
    let blank = blank().await;
    let role = format!("poor_{}", Uuid::new_v4().simple());
    let mut url = url::Url::parse(&blank.url).unwrap();
    let password = url.password().unwrap_or_default().to_owned();
    let create =
        format!("create role {role} login password '{password}'; revoke create on schema public from public");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&blank.pool).await.unwrap();
    url.set_username(&role).unwrap();
    let (is_well, text) = run(url.as_str(), &["migrate"]).await;
    assert!(!is_well, "{text}");
    let expected = format!("the role {role} may not create tables in the schema public");
    assert!(
        text.contains(&expected) && text.contains(&format!("grant create on schema public to {role}")),
        "{text}"
    );
    sqlx::raw_sql(AssertSqlSafe(format!("drop role {role}"))).execute(&blank.pool).await.unwrap();
}

#[tokio::test]
async fn our_transactions_are_read_committed_whatever_the_default_of_the_database() {
    let test = TestEngine::new().await;
    let name: String = test.query("select current_database()::text").await;
    let set = format!("alter database \"{name}\" set default_transaction_isolation to serializable");
    test.execute(&set).await;
    let pool = aspora::store::connect(&test.database.url, 1).await.unwrap();
    let level = sqlx::query_scalar::<_, String>("select current_setting('transaction_isolation')");
    assert_eq!(level.fetch_one(&pool).await.unwrap(), "read committed");
}

#[tokio::test]
async fn merges_that_no_verdict_cleared_are_counted_and_are_no_ailment() {
    let test = TestEngine::new().await;
    test.accept().await;
    let before = doctor(&test.database.url, &["-o", "json"]).await;
    let before: Value = serde_json::from_slice(&before.stdout).unwrap();
    assert_eq!(before["unjudged"], 0);
    test.execute("update run set state = jsonb_set(state, '{progress,unjudged}', '\"asha\"')").await;
    let output = doctor(&test.database.url, &[]).await;
    let text = text(&output);
    assert!(text.contains("note 1 pull request merged unjudged: `aspora requirement list"), "{text}");
    assert!(output.status.success(), "{text}");
}

#[tokio::test]
async fn a_provider_that_is_down_is_reported_and_is_no_ailment() {
    let test = TestEngine::new().await;
    let down = "insert into outage (provider, failures, error, since, opened_at, probes, next_probe_at)
                values ('model api.example.com/m', 3, '503', now(), now(), 2, now())";
    test.execute(down).await;
    let output = doctor(&test.database.url, &[]).await;
    let text = text(&output);
    assert!(text.contains("note the model m at api.example.com is down since "), "{text}");
    assert!(text.contains("2 failed probes: 503"), "{text}");
    assert!(output.status.success(), "{text}");
}
