//! Many runs that begin at once.

use aspora::{
    core::{requirement::Requirement, workflow::Workflow},
    engine::Error,
};
use sqlx::{AssertSqlSafe, Row as _};

use crate::support::{Ground, assert_folds, assert_sound};

/// The claim, as a worker prepares it.
const CLAIM: &str = include_str!("../../src/store/sql/job_claim.sql");

fn shipped() -> Workflow {
    Workflow::parse(include_str!("../../workflows/requirement.toml")).unwrap()
}

fn asked_of(product: &str) -> Requirement {
    Requirement::new(product, "Add a risk checker", "For portfolios.", 3).unwrap()
}

#[tokio::test]
async fn runs_that_begin_together_are_like_one_that_begins_alone() {
    let ground = Ground::new().await;
    ground.accept().await;
    let runs = ground.engine.accept_bulk(&shipped(), &asked_of("wealth"), 3).await.unwrap();
    assert_eq!(runs.len(), 3);
    assert_sound(&ground.engine).await;
    let kinds = "select count(distinct (step, turn, queue, priority, max_attempts, keys)) from job";
    assert_eq!(ground.ask::<i64>(kinds).await, 1, "a job differs from the one of a run that began alone");
    let kinds =
        "select count(distinct (product, repository, base_branch, status, step, version, state->'turn',
                 state->'visits', state->'progress', branch = 'aspora/wealth/' || id)) from run";
    assert_eq!(ground.ask::<i64>(kinds).await, 1, "a run differs from the one that began alone");
}

#[tokio::test]
async fn more_runs_than_fit_one_transaction_all_begin_once() {
    let ground = Ground::new().await;
    let runs = ground.engine.accept_bulk(&shipped(), &asked_of("wealth"), 1_001).await.unwrap();
    let counted = "select count(distinct run.id) from run join requirement on requirement.id = requirement_id
                   join job on job.run_id = run.id join event on event.run_id = run.id";
    assert_eq!(ground.ask::<i64>(counted).await, 1_001);
    for run in [runs[0], runs[1_000]] {
        assert_folds(&ground.engine, run).await;
    }
}

#[tokio::test]
async fn runs_of_an_unknown_product_do_not_begin() {
    let ground = Ground::new().await;
    let refused = ground.engine.accept_bulk(&shipped(), &asked_of("health"), 2).await;
    assert!(matches!(refused, Err(Error::NoProduct(name)) if name == "health"));
    assert_eq!(ground.ask::<i64>("select count(*) from run").await, 0);
}

#[tokio::test]
async fn a_claim_reads_no_table_from_end_to_end_however_much_is_queued() {
    let ground = Ground::new().await;
    ground.engine.accept_bulk(&shipped(), &asked_of("wealth"), 5_000).await.unwrap();
    ground.execute("analyze job").await;
    ground.execute("analyze run").await;
    let mut line = ground.pool().acquire().await.unwrap();
    let prepared = format!(
        "set plan_cache_mode = force_generic_plan;
         prepare claim (text[], bigint[], float8, text, boolean, boolean) as {CLAIM}"
    );
    sqlx::raw_sql(AssertSqlSafe(prepared)).execute(&mut *line).await.unwrap();
    let explained = "explain (analyze, costs off, timing off)
                     execute claim ('{llm}', '{64}', 30, 'tester', true, false)";
    let plan: Vec<String> =
        sqlx::raw_sql(explained).fetch_all(&mut *line).await.unwrap().iter().map(|row| row.get(0)).collect();
    assert_eq!(ground.ask::<i64>("select count(*) from job where lease_token is not null").await, 64);
    let whole = |line: &&String| {
        let reads = line.contains("Seq Scan on job") || line.contains("Seq Scan on run");
        reads && !line.contains("never executed")
    };
    let read: Vec<&String> = plan.iter().filter(whole).collect();
    assert!(read.is_empty(), "{read:?} in\n{}", plan.join("\n"));
}
