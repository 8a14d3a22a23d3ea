//! The course of the test: an undisturbed while, then faults, then the wait until every run has ended.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aspora::store::Pool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Args,
    env::{
        Dice, FaultEnv, LEASE, Proxy, StartedRun, StubRuns, TestPostgres, WorkerProcs, stub_runs::open_runs,
        stub_workers,
    },
    nemesis::{Nemesis, WORKERS},
    report::Report,
    support::wait::{until, until_or_timeout},
};

/// Stub runs that are open at any time.
const OPEN_STUB_RUNS: usize = 48;
/// Full runs that are open at any time.
const OPEN_FULL_RUNS: usize = 2;
/// The steps of a stub run.
pub(crate) const STEPS: usize = 8;
/// The longest duration of a stub step, in milliseconds.
const STEP_MS: &str = "60";
/// After the last fault, every run must end within this.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(180);
/// Until new workers have connected and claim at their full rate.
const WARM_UP: Duration = Duration::from_secs(2);

struct Setup {
    postgres: TestPostgres,
    proxy: Arc<Proxy>,
    env: FaultEnv,
    stub_runs: StubRuns,
    stub_workers: WorkerProcs,
    stub_url: String,
}

impl Setup {
    async fn new() -> Self {
        let postgres = TestPostgres::start();
        let (full_url, stub_url) = (postgres.create_database("full"), postgres.create_database("stub"));
        let proxy = Arc::new(Proxy::start(&full_url).await);
        let env = FaultEnv::with_workers_at(&full_url, &proxy.url(&full_url)).await;
        let stub_runs = StubRuns::open(&stub_url, STEPS).await;
        let args = ["--drain-ms", "5000", "--answers-within-ms", STEP_MS];
        let stub_workers = stub_workers(&proxy.url(&stub_url), LEASE, &args, env.folder.path());
        Self { postgres, proxy, env, stub_runs, stub_workers, stub_url }
    }
}

pub(crate) async fn everything_at_once(args: &Args) -> bool {
    let Setup { postgres, proxy, env, mut stub_runs, stub_workers, stub_url } = Setup::new().await;
    let workers = vec![env.workers.clone(), stub_workers];
    workers.iter().for_each(|workers| workers.top_up(WORKERS));
    let (pool, env) = (stub_runs.engine().pool().clone(), Arc::new(env));
    let stop = CancellationToken::new();
    let full = tokio::spawn(keep_full_runs_open(Arc::clone(&env), stop.clone()));
    let stub = tokio::spawn({
        let stop = stop.clone();
        async move {
            stub_runs.keep_open(OPEN_STUB_RUNS, &stop).await;
            stub_runs
        }
    });
    let calm_time = (args.duration / 4).clamp(Duration::from_secs(8), Duration::from_secs(60));
    let calm_rate = measure_rate(&pool, calm_time).await;
    let mut nemesis = Nemesis {
        workers: workers.clone(),
        postgres,
        proxy: Arc::clone(&proxy),
        url: stub_url,
        dice: Dice::new(args.seed),
        counts: BTreeMap::new(),
        last_crash: Instant::now(),
    };
    let (before, began) = (steps(&pool).await, Instant::now());
    nemesis.run(began + args.duration).await;
    let rate = (steps(&pool).await - before) as f64 / began.elapsed().as_secs_f64();
    stop.cancel();
    workers.iter().for_each(|workers| workers.top_up(WORKERS));
    let (started, stub_runs) = (full.await.unwrap(), stub.await.unwrap());
    let still_open = drain(&env, &pool, &started).await;
    let connections = proxy.open_connections();
    // The workers hold most of the connections that Postgres accepts, and the report needs some.
    workers.iter().for_each(WorkerProcs::kill_all);
    let report = Report { args, calm_rate, rate, counts: nemesis.counts, still_open, connections };
    report.check(&env, &stub_runs, &started).await
}

/// Keeps full runs open until cancelled.
async fn keep_full_runs_open(env: Arc<FaultEnv>, stop: CancellationToken) -> Vec<StartedRun> {
    // A start that was not acknowledged may have happened, so its name is not used again.
    let (mut started, mut names) = (Vec::new(), 0..);
    while !stop.is_cancelled() {
        if open_runs(env.pool()).await.is_ok_and(|open| open < OPEN_FULL_RUNS)
            && let Some(name) = names.next()
            && let Ok(run) = env.try_start_run(&format!("p{name}")).await
        {
            started.push(run);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    started
}

async fn steps(pool: &Pool) -> i64 {
    until("Postgres answers", async || StubRuns::steps(pool).await).await
}

/// Stub steps a second over a while.
async fn measure_rate(pool: &Pool, duration: Duration) -> f64 {
    tokio::time::sleep(WARM_UP).await;
    let (before, began) = (steps(pool).await, Instant::now());
    tokio::time::sleep(duration).await;
    (steps(pool).await - before) as f64 / began.elapsed().as_secs_f64()
}

/// Waits until every run has ended; how many have not after [`DRAIN_TIMEOUT`].
async fn drain(env: &FaultEnv, stub: &Pool, started: &[StartedRun]) -> usize {
    let open = async || match (open_runs(env.pool()).await, open_runs(stub).await) {
        (Ok(full), Ok(stub)) => full + stub,
        _ => usize::MAX,
    };
    let drained = until_or_timeout(DRAIN_TIMEOUT, async || (open().await == 0).then_some(())).await;
    // A database that does not answer counts as more than all runs.
    if drained.is_some() { 0 } else { open().await.min(started.len() + 1_000_000) }
}
