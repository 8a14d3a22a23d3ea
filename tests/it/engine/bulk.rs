//! Many runs that begin at once.

use aspora::{
    core::{requirement::Requirement, workflow::Workflow},
    engine::Error,
    store::limit,
};
use sqlx::{AssertSqlSafe, Row as _};

use super::support::{TestEngine, assert_folds, assert_sound};

/// The claim, as a worker prepares it.
const CLAIM: &str = include_str!("../../../src/store/queue/job_claim.sql");

fn shipped() -> Workflow {
    Workflow::parse(include_str!("../../../workflows/requirement.toml")).unwrap()
}

fn asked_of(product: &str) -> Requirement {
    Requirement::new(product, "Add a risk checker", "For portfolios.", 3).unwrap()
}

#[tokio::test]
async fn runs_that_begin_together_are_like_one_that_begins_alone() {
    let test = TestEngine::new().await;
    test.accept().await;
    let runs = test.engine.accept_bulk(&shipped(), &asked_of("wealth"), 3).await.unwrap();
    assert_eq!(runs.len(), 3);
    assert_sound(&test.engine).await;
    let kinds = "select count(distinct (step, turn, queue, priority, max_attempts, keys)) from job";
    assert_eq!(test.query::<i64>(kinds).await, 1, "a job differs from the one of a run that began alone");
    let kinds =
        "select count(distinct (product, repository, base_branch, status, step, version, state->'turn',
                 state->'visits', state->'progress', branch = 'aspora/wealth/' || id)) from run";
    assert_eq!(test.query::<i64>(kinds).await, 1, "a run differs from the one that began alone");
}

#[tokio::test]
async fn more_runs_than_fit_one_transaction_all_begin_once() {
    let test = TestEngine::new().await;
    let runs = test.engine.accept_bulk(&shipped(), &asked_of("wealth"), 1_001).await.unwrap();
    let counted = "select count(distinct run.id) from run join requirement on requirement.id = requirement_id
                   join job on job.run_id = run.id join event on event.run_id = run.id";
    assert_eq!(test.query::<i64>(counted).await, 1_001);
    for run in [runs[0], runs[1_000]] {
        assert_folds(&test.engine, run).await;
    }
}

#[tokio::test]
async fn runs_of_an_unknown_product_do_not_begin() {
    let test = TestEngine::new().await;
    let refused = test.engine.accept_bulk(&shipped(), &asked_of("health"), 2).await;
    assert!(matches!(refused, Err(Error::NoProduct(name)) if name == "health"));
    assert_eq!(test.query::<i64>("select count(*) from run").await, 0);
}

/// The number that follows a name in a line of a plan; 0 if it is not there.
fn number(line: &str, name: &str) -> u64 {
    let digits = line.split_once(name).and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

async fn claims_by_what_it_takes(test: &TestEngine, guarded: bool) {
    let mut line = test.pool().acquire().await.unwrap();
    let prepared = format!(
        "set plan_cache_mode = force_generic_plan;
         prepare claim (text[], bigint[], float8, text, boolean, boolean) as {CLAIM}"
    );
    sqlx::raw_sql(AssertSqlSafe(prepared)).execute(&mut *line).await.unwrap();
    let explained = format!(
        "explain (analyze, costs off, timing off) execute claim ('{{llm}}', '{{64}}', 30, 'tester', true, {guarded})"
    );
    let plan: Vec<String> = sqlx::raw_sql(AssertSqlSafe(explained))
        .fetch_all(&mut *line)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    let table = |line: &str| line.contains(" on job") || line.contains(" on run");
    let of_all = |lines: &&[String]| {
        let removed = lines[1..].iter().take_while(|line| !line.contains("->"));
        let removed =
            removed.filter(|line| line.contains("Rows Removed")).any(|line| number(line, ": ") > 1_000);
        table(&lines[0])
            && (removed || number(&lines[0], "actual rows=") * number(&lines[0], "loops=") > 1_000)
    };
    let nodes = (0..plan.len()).map(|place| &plan[place..]);
    let read: Vec<&String> = nodes.filter(of_all).map(|lines| &lines[0]).collect();
    assert!(read.is_empty(), "{read:?} in\n{}", plan.join("\n"));
    sqlx::raw_sql("deallocate claim").execute(&mut *line).await.unwrap();
}

#[tokio::test]
async fn a_claim_reads_no_table_from_end_to_end_however_much_is_queued() {
    let test = TestEngine::new().await;
    test.engine.accept_bulk(&shipped(), &asked_of("wealth"), 5_000).await.unwrap();
    let analyzed = async || {
        for table in ["job", "run", "key_hold"] {
            test.execute(&format!("analyze {table}")).await;
        }
    };
    analyzed().await;
    let held = "select count(*) from job where lease_token is not null";
    claims_by_what_it_takes(&test, false).await;
    assert_eq!(test.query::<i64>(held).await, 64);
    let product = "product:wealth".parse().unwrap();
    limit::put(&mut test.pool().acquire().await.unwrap(), &product, 1_000).await.unwrap();
    // Of jobs that are gone.
    test.execute("insert into key_hold select 'product:wealth', -n from generate_series(1, 500) n").await;
    analyzed().await;
    claims_by_what_it_takes(&test, true).await;
    assert_eq!(test.query::<i64>(held).await, 128);
    assert_eq!(test.query::<i64>("select count(*) from key_hold where job < 0").await, 0, "they are swept");
}
