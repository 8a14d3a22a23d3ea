//! F15: two workers compete for the same jobs.

use crate::env::{TestPostgres, invariants};

const RUNS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f15_two_workers_on_six_runs_do_everything_once() {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("aspora").await;
    let long_lease = [("ASPORA_LEASE_MS", "30000".to_owned())];
    let workers = [env.workers.spawn_with(&long_lease), env.workers.spawn_with(&long_lease)];
    let mut runs = Vec::new();
    for number in 1..=RUNS {
        runs.push(env.start_run(&format!("p{number}")).await);
    }
    for started in &runs {
        invariants::assert_hold(&env, started, Some(0)).await;
    }
    invariants::assert_model_calls(&env, RUNS, 0);
    for worker in workers {
        let mut attempts = Vec::new();
        for started in &runs {
            attempts.extend(aspora::store::attempt::of_run(env.pool(), started.run).await.unwrap());
        }
        let own = format!("/{worker}");
        assert!(attempts.iter().any(|attempt| attempt.worker.ends_with(&own)), "{worker} did nothing");
    }
}
