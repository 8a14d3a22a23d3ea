//! Workers of earlier releases may still use the same database.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::support::{TestEngine, database};

/// The statements that each release was built with.
const RELEASED: [(&str, &str); 1] = [("0.1.0", include_str!("released/0.1.0.json"))];

async fn execute(connection: &mut PgConnection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(|_| ())
}

/// Makes the generic plan of a statement; `prepare` alone only parses it.
async fn plan(connection: &mut PgConnection, sql: &str) -> Result<(), sqlx::Error> {
    execute(connection, format!("prepare old as {sql}")).await?;
    let count: i32 = sqlx::query_scalar(
        "select cardinality(parameter_types) from pg_prepared_statements where name = 'old'",
    )
    .fetch_one(&mut *connection)
    .await?;
    let nulls = vec!["null"; usize::try_from(count).unwrap()].join(", ");
    let values = if nulls.is_empty() { String::new() } else { format!("({nulls})") };
    execute(connection, format!("explain execute old{values}")).await?;
    execute(connection, "deallocate old".to_owned()).await
}

#[tokio::test]
async fn the_statements_of_earlier_releases_can_still_be_planned() {
    let database = database().await;
    let mut connection = PgConnection::connect(&database.url).await.unwrap();
    execute(&mut connection, "set plan_cache_mode = force_generic_plan".to_owned()).await.unwrap();
    for (release, statements) in RELEASED {
        let statements: Vec<String> = serde_json::from_str(statements).unwrap();
        assert!(statements.len() > 40, "{release} has {} statements", statements.len());
        for sql in statements {
            let planned = plan(&mut connection, &sql).await;
            assert!(planned.is_ok(), "{release}: {sql}\n{}", planned.unwrap_err());
        }
    }
}

#[tokio::test]
async fn a_database_of_the_previous_release_is_partitioned_with_all_its_rows() {
    let test = TestEngine::new().await;
    let mut connection = PgConnection::connect(&test.database.url).await.unwrap();
    let mut files: Vec<_> = std::fs::read_dir("migrations").unwrap().map(|it| it.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    let growth = files.iter().position(|file| file.ends_with("0006_growth.sql")).unwrap();
    let run = async |connection: &mut PgConnection, sql: String| {
        execute(connection, format!("begin; {sql}; commit")).await.unwrap();
    };
    execute(&mut connection, "create schema before; set search_path = before".to_owned()).await.unwrap();
    for file in &files[..growth] {
        run(&mut connection, std::fs::read_to_string(file).unwrap()).await;
    }
    run(&mut connection, ROWS.to_owned()).await;
    let picture = async |connection: &mut PgConnection| -> Vec<String> {
        let tables = ["run", "event", "attempt", "effect", "signal"].map(|table| {
            format!("select '{table}', (select string_agg(t::text, chr(10) order by t::text) from {table} t)")
        });
        let sql = format!("select row(t.*)::text from ({}) t", tables.join(" union all "));
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap()
    };
    let before = picture(&mut connection).await;
    run(&mut connection, std::fs::read_to_string(&files[growth]).unwrap()).await;
    assert_eq!(picture(&mut connection).await, before);
    let lie: Vec<String> = sqlx::query_scalar(
        "select tableoid::regclass || ' ' || count(*) from event group by tableoid order by 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert_eq!(lie, ["event_2025_02 1", "event_2026_03 2", "event_rest 1"]);
    let refused = execute(&mut connection, "delete from event".to_owned()).await.unwrap_err();
    assert!(refused.to_string().contains("append-only"), "{refused}");
    let twice = execute(&mut connection, "insert into run select * from run limit 1".to_owned()).await;
    assert!(twice.unwrap_err().to_string().contains("duplicate key"));
    let foreign = execute(&mut connection, "update run set product = 'nobody'".to_owned()).await;
    assert!(foreign.unwrap_err().to_string().contains("foreign key"));
}

/// Runs of two months, and one whose id is no UUIDv7, with their rows.
const ROWS: &str = "
    insert into product (name, repository) values ('wealth', 'acme/wealth');
    insert into workflow (hash, name, source) values (repeat('0', 64), 'w', 's');
    insert into requirement (id, product, title, body, priority)
        values ('01952d00-0000-7000-8000-000000000000', 'wealth', 't', 'b', 3);
    insert into run (id, requirement_id, workflow_hash, product, repository, base_branch, branch, version, status,
                     step, state, priority)
        select id::uuid, '01952d00-0000-7000-8000-000000000000', repeat('0', 64), 'wealth', 'acme/wealth', 'main',
               'b' || id, 1, 'active', 'generate', '{}', 3
        from unnest(array['01952d00-0000-7000-8000-000000000000', '019ce000-0000-7000-8000-000000000000',
                          'f0000000-0000-4000-8000-000000000000']) id;
    insert into event (run_id, seq, actor, kind, body) select id, 1, 'a', 'started', '{}' from run;
    insert into event (run_id, seq, actor, kind, body)
        values ('019ce000-0000-7000-8000-000000000000', 2, 'a', 'woken', '{}');
    insert into attempt (run_id, turn, attempt, step, worker) select id, 1, 1, 's', 'w' from run;
    insert into effect (run_id, key, kind, request) select id, 'k', 'push', '{}' from run;
    insert into signal (delivery, topic, repository, run_id) select 'd' || id, 'pull', 'r', id from run";
