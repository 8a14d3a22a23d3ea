//! F8, F10: the model, then the forge with its git, does not answer for some seconds. The runs wait it out by
//! themselves: no attempt is used up, nothing is done or paid twice.

use aspora::{
    core::run::Event,
    dev::{
        github::{Fault, FaultRule},
        model,
    },
    store,
};

use crate::{
    env::{FaultEnv, StartedRun, TestPostgres, invariants, product::MODEL_CALLS},
    support::eventually,
};

/// Waits until a provider of one of these kinds was probed in vain so often, which takes 1 + 2 + 4 s and more.
async fn probed(env: &FaultEnv, services: &[&str], times: i32) {
    eventually("it is probed", async || {
        let down = store::outage::list(env.pool()).await.unwrap_or_default();
        down.iter().any(|one| {
            services.iter().any(|service| one.provider.starts_with(service)) && one.probes >= times
        })
    })
    .await;
}

/// How many attempts of the run failed; the outages that its history names.
async fn history(env: &FaultEnv, started: &StartedRun) -> (usize, Vec<String>) {
    let events = store::event::after(env.pool(), started.run, 0, 1000).await.unwrap();
    let failed =
        events.iter().filter(|row| matches!(row.body.0, Event::Failed { .. } | Event::Exhausted { .. }));
    let held = events.iter().filter_map(|row| match &row.body.0 {
        Event::Held { provider, .. } => provider.split(' ').next().map(str::to_owned),
        _ => None,
    });
    (failed.count(), held.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f8_f10_runs_wait_out_a_model_and_a_forge_that_are_away_for_some_seconds() {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("aspora").await;
    env.model.fail_all(Some(model::Fault::Status(503, None)));
    let runs = [env.start_run("p").await, env.start_run("q").await, env.start_run("r").await];
    env.workers.spawn();
    env.workers.spawn();
    probed(&env, &["model"], 3).await;
    let rule =
        FaultRule { method: "*".to_owned(), path: "/**".to_owned(), nth: 0, fault: Fault::ErrorBefore(503) };
    env.twin.inject(rule).unwrap();
    env.model.fail_all(None);
    // Which of the two is called first depends on where the runs are.
    probed(&env, &["forge", "git"], 3).await;
    env.twin.clear_faults();
    for started in &runs {
        invariants::assert_hold(&env, started, None).await;
        let (failed, held) = history(&env, started).await;
        assert_eq!(failed, 0, "an outage used up an attempt");
        assert!(held.iter().any(|service| service == "model"), "{held:?}");
        assert!(held.len() <= 6, "{held:?}");
    }
    invariants::assert_model_calls(&env, runs.len(), 0);
    let answered = env.model.ledger().iter().filter(|entry| entry.status == 200).count();
    assert_eq!(answered, runs.len() * MODEL_CALLS, "an answer was paid twice");
}
