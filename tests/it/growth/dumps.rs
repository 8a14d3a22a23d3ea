//! The parked and running runs of every earlier release are finished by this one.
//!
//! A dump is of a release's own database, taken after its worker was killed at work: runs that wait, runs whose job was
//! held, runs that had ended. It is what `pg_dump --inserts --no-owner --no-privileges` wrote,
//! without its comments and its `\restrict`; each release adds one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aspora::{
    activities::{Assignment, Failure, Perform, Reply},
    core::workflow::{Activity, Outcome},
    engine::{Engine, decisions::Which},
    queue::Timing,
    store::invariant,
    worker::{self, Config},
};
use futures::{FutureExt as _, future::BoxFuture};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::support::{answer, assert_folds, blank, eventually, migrate};

/// The dump of each release, and the number of runs that had ended, were waiting, or were held by the killed worker.
const RELEASED: [(&str, &str, [usize; 3]); 1] = [("0.1.0", include_str!("released/0.1.0.sql"), [1, 1, 2])];

/// Answers each step with success.
struct Onwards;

impl Perform for Onwards {
    fn perform(&self, assignment: Assignment) -> BoxFuture<'_, Result<Reply, Failure>> {
        let outcome = match assignment.activity {
            Activity::Reproduce => Outcome::Reproduced,
            Activity::Close => Outcome::Converted,
            Activity::Generate => Outcome::Opened,
            Activity::Gate => Outcome::Passed,
            Activity::Review => Outcome::Clean,
            Activity::Verdict => Outcome::Cleared,
            Activity::Merge | Activity::Judge => Outcome::Merged,
            Activity::Test => Outcome::Tested,
            Activity::Remediate | Activity::Update => Outcome::Pushed,
        };
        async move { Ok(Reply::Answer(answer(outcome))) }.boxed()
    }
}

async fn histories(pool: &PgPool) -> BTreeMap<Uuid, Vec<(i32, String)>> {
    let rows: Vec<(Uuid, i32, String)> = sqlx::query_as(
        "select run_id, seq, at || actor || coalesce(step, '') || kind || body from event order by seq",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for (run, seq, text) in rows {
        all.entry(run).or_default().push((seq, text));
    }
    all
}

async fn count(pool: &PgPool, condition: &'static str) -> usize {
    let sql = format!("select count(*) from run left join job on job.run_id = run.id where {condition}");
    let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(pool).await.unwrap();
    usize::try_from(count).unwrap()
}

/// Runs a worker of this release until every run has ended.
async fn work(engine: &Engine) {
    let options = (*engine.pool().connect_options()).clone();
    let reserved =
        sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let timing = Timing { lease: Duration::from_secs(60), poll: Duration::from_millis(50) };
    let config = Config { timing, ..Config::named("head") };
    let stop = CancellationToken::new();
    let working =
        tokio::spawn(worker::work(engine.clone(), reserved, Arc::new(Onwards), config, stop.clone()));
    eventually("every run has ended", async || count(engine.pool(), "status <> 'ended'").await == 0).await;
    stop.cancel();
    working.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runs_of_every_release_are_finished_by_this_one() {
    for (release, dump, [ended, waiting, held]) in RELEASED {
        let database = blank().await;
        let mut loading = PgConnection::connect(&database.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(dump)).execute(&mut loading).await.unwrap();
        loading.close().await.unwrap();
        let pool = &database.pool;
        assert_eq!(count(pool, "status = 'ended'").await, ended, "{release}");
        assert_eq!(count(pool, "status = 'waiting'").await, waiting, "{release}");
        assert_eq!(count(pool, "lease_token is not null").await, held, "{release}");
        let before = histories(pool).await;

        migrate(pool).await;
        let engine = Engine::open(pool.clone()).await.unwrap();
        for &run in before.keys() {
            assert_folds(&engine, run).await;
        }
        let rejudged = engine.judge_again(&Which::default()).await.unwrap();
        assert!(rejudged.judged > 0, "{release} recorded no decision");
        let otherwise: Vec<_> = rejudged.differing.iter().filter(|one| one.decides()).collect();
        assert!(otherwise.is_empty(), "{release}: {otherwise:#?}");
        work(&engine).await;

        assert_eq!(count(pool, "ended_as = 'succeeded'").await, ended + waiting + held, "{release}");
        let after = histories(pool).await;
        for (run, history) in &before {
            assert_eq!(
                after[run][..history.len()],
                history[..],
                "{release}: the history of {run} was changed"
            );
            assert_folds(&engine, *run).await;
        }
        // The stand-in above does not observe the effects that the killed worker had begun.
        let checked = invariant::check(&mut pool.acquire().await.unwrap(), 3).await.unwrap();
        let violated: Vec<_> =
            checked.into_iter().filter(|it| it.count > 0 && it.name != "effects").collect();
        assert!(violated.is_empty(), "{release}: {violated:?}");
    }
}
