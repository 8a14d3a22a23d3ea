//! What retention deletes stays counted, and a rebuild comes to the same.

use aspora::{
    bench::fill::{Fill, fill},
    core::workflow::Workflow,
    store::{
        invariant,
        measure::{self, Rebuilt},
        retention::{self, Class},
        upkeep,
    },
};

use super::{
    fold::{declined, fold, sum},
    support::{TestEngine, assert_sound},
};

/// A test engine with sixty ended runs of the last 150 days, counted.
pub(super) async fn with_old_runs() -> TestEngine {
    let test = TestEngine::new().await;
    let workflow = Workflow::parse(include_str!("../../../workflows/requirement.toml")).unwrap();
    fill(test.pool(), &workflow, &Fill { runs: 60, days: 150, ..Fill::default() }).await.unwrap();
    let rebuilt = measure::rebuild(test.pool()).await.unwrap();
    assert_eq!((rebuilt.counted, rebuilt.corrected, rebuilt.deleted), (60, 0, 0));
    test
}

/// All sums and spreads.
async fn all(test: &TestEngine) -> String {
    let rows = |table: &str| {
        format!(
            "select coalesce(string_agg(t::text, chr(10) order by t::text), '') from {table} t where runs <> 0"
        )
    };
    test.query::<String>(&rows("measure_sum")).await + &test.query::<String>(&rows("measure_spread")).await
}

async fn sweep(test: &TestEngine, class: Class) {
    retention::set(test.pool(), class, Some(30)).await.unwrap();
    assert!(!upkeep::sweep(test.pool(), false).await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn what_deleted_runs_count_stays_and_a_rebuild_says_so() {
    let test = with_old_runs().await;
    let before = all(&test).await;
    sweep(&test, Class::Runs).await;
    let left: i64 = test.query("select count(*) from run").await;
    assert!(left < 60);
    assert_eq!(all(&test).await, before);
    test.execute("update measure_sum set runs = runs + 1 where figure = 'ended'").await;
    let rebuilt = measure::rebuild(test.pool()).await.unwrap();
    assert_eq!(all(&test).await, before);
    assert_eq!((i64::try_from(rebuilt.counted).unwrap(), rebuilt.deleted), (left, 60 - left));
    assert!(rebuilt.corrected > 0);
    let (first, last) = rebuilt.deleted_days.unwrap();
    assert!(first < last);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn what_rests_on_a_deleted_history_stays_when_the_run_is_counted_again() {
    let test = with_old_runs().await;
    let oldest: uuid::Uuid = test.query("select id from run order by id limit 1").await;
    test.execute(&format!(
        "update run_measure set figures = figures || '{{\"rounds\": 2, \"opened\": 1, \"step.review\": 5}}' where run = '{oldest}'"
    ))
    .await;
    measure::rebuild(test.pool()).await.unwrap();
    assert_eq!(sum(&test, "rounds").await, (0, 0), "its history says that there was none");
    sweep(&test, Class::History).await;
    test.execute(&format!(
        "update run_measure set figures = figures || '{{\"rounds\": 2, \"opened\": 1, \"step.review\": 5}}' where run = '{oldest}'"
    ))
    .await;
    let rebuilt = measure::rebuild(test.pool()).await.unwrap();
    assert!(rebuilt.without_history > 0);
    assert_eq!((sum(&test, "rounds").await, sum(&test, "step.review").await), ((1, 2), (1, 5)));
    let checks = invariant::check(&mut test.pool().acquire().await.unwrap(), 5).await.unwrap();
    let measured = checks.into_iter().find(|check| check.name == "measured").unwrap();
    assert_eq!(measured.count, 0, "{measured:?}");
}

#[tokio::test]
async fn a_rebuild_gives_what_the_events_gave() {
    let test = TestEngine::new().await;
    for _ in 0..3 {
        declined(&test).await;
    }
    fold(&test).await;
    let before = all(&test).await;
    let expected = Rebuilt { counted: 3, ..Rebuilt::default() };
    assert_eq!(measure::rebuild(test.pool()).await.unwrap(), expected);
    assert_eq!(all(&test).await, before);
    // An open run that counts, which no path of the code leaves behind.
    test.execute("alter table run disable trigger run_is_measured").await;
    let run: uuid::Uuid = test.query("select id from run order by id limit 1").await;
    let reason = "once more".parse().unwrap();
    test.engine.retry(run, None, "asha", &reason).await.unwrap();
    measure::rebuild(test.pool()).await.unwrap();
    assert_eq!(sum(&test, "ended").await, (2, 2));
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn an_objective_holds_for_the_runs_that_are_counted_after_it_was_set() {
    let test = TestEngine::new().await;
    declined(&test).await;
    fold(&test).await;
    test.execute("update product set loop_minutes = 5, first_pull_minutes = 1").await;
    declined(&test).await;
    fold(&test).await;
    measure::rebuild(test.pool()).await.unwrap();
    let minutes: Vec<i32> =
        test.query("select array_agg(loop_minutes order by loop_minutes) from run_measure").await;
    assert_eq!(minutes, [5, 1440]);
}
