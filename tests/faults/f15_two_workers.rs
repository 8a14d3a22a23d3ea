//! F15: two workers and the same jobs.

use crate::{floor::Ground, invariants};

const RUNS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f15_two_workers_on_six_runs_do_everything_once() {
    let ground = Ground::new();
    let floor = ground.floor("aspora").await;
    let patient = [("ASPORA_LEASE_MS", "30000".to_owned())];
    let workers = [floor.crew.hire_with(&patient), floor.crew.hire_with(&patient)];
    let mut runs = Vec::new();
    for number in 1..=RUNS {
        runs.push(floor.begin(&format!("p{number}")).await);
    }
    for begun in &runs {
        invariants::hold(&floor, begun, Some(0)).await;
    }
    invariants::model_was_asked(&floor, RUNS, 0);
    for worker in workers {
        let mut attempts = Vec::new();
        for begun in &runs {
            attempts.extend(aspora::store::attempt::of_run(floor.pool(), begun.run).await.unwrap());
        }
        let own = format!("/{worker}");
        assert!(attempts.iter().any(|attempt| attempt.worker.ends_with(&own)), "{worker} did nothing");
    }
}
