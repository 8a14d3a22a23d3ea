//! F24: a worker dies between the evidence that came and the check that is published.

use std::collections::BTreeMap;

use aspora::{
    core::{
        evidence::{Demand, Manifest, Upload, verify},
        policy::EVIDENCE_CHECK,
        run::State,
        sha::Sha,
    },
    engine::EvidenceSent,
    store::{self, audit::Author},
};
use sha2::{Digest as _, Sha256};

use crate::{
    env::{Dice, FaultEnv, StartedRun, TestPostgres, invariants, product, seed},
    support::{
        captured::{manifest, picture},
        eventually,
    },
};

const FLOW: &str = "mean";

/// A run of a product whose every change needs evidence, which waits for it.
async fn waiting(env: &FaultEnv, name: &str) -> StartedRun {
    let mut policy: serde_json::Value = serde_json::from_str(&product::policy(name)).unwrap();
    policy["products"][name]["evidenceRequirements"]["ui_changes"] =
        serde_json::json!({ "paths": ["formatters/**"], "requiredFlows": [FLOW] });
    let started = env.start_run_under(name, &policy.to_string()).await;
    env.workers.spawn();
    eventually("the run waits for evidence", async || {
        let state = env.read(started.run).await.run.state;
        matches!(state, State::Waiting { park, .. } if park.reason.contains("not captured here"))
    })
    .await;
    started
}

/// Stores evidence of the run's head, as the server does.
async fn send(env: &FaultEnv, started: &StartedRun) -> String {
    let head: Sha = env.read(started.run).await.run.progress.head.unwrap();
    let bytes = picture(1, 1);
    let written = manifest(FLOW, head.as_str(), &bytes).to_string();
    let manifests = [Manifest::parse(written.as_bytes()).unwrap()];
    let files = BTreeMap::from([(format!("{FLOW}-1.png"), bytes.clone())]);
    let arrived_at = store::now(&mut env.pool().acquire().await.unwrap()).await.unwrap();
    let found = verify(&Upload { head: &head, arrived_at, manifests: &manifests, files: &files });
    let (verified, hash) = (found.under(&Demand::default()), Sha256::digest(&bytes).into());
    let sent = EvidenceSent {
        head: &head,
        digest: &"0".repeat(64),
        manifests: &manifests,
        found: &found,
        verified: &verified,
        pictures: &BTreeMap::from([(hash, bytes.as_slice())]),
        arrived_at,
    };
    let by = Author { person: "ci", key: None, request: None };
    let mut tx = env.pool().begin().await.unwrap();
    assert!(env.engine.record_evidence_in(&mut tx, started.run, sent, by).await.unwrap().is_none());
    tx.commit().await.unwrap();
    head.to_string()
}

/// Kills the worker at a point between the evidence and the merge; the check is published once nevertheless.
async fn killed_at(env: &FaultEnv, name: &str, point: &str) {
    let started = waiting(env, name).await;
    env.workers.kill_all();
    let head = send(env, &started).await;
    env.workers.spawn_with(&[("ASPORA_FAILPOINTS", format!("{point}:abort"))]);
    env.keep_a_worker_to_the_end(&started).await;
    invariants::assert_hold(env, &started, None).await;
    assert!(env.workers.logs().iter().any(|log| log.contains("failpoint ")), "{point} was not reached");
    let runs = env.twin.check_runs(&started.repository);
    let published: Vec<_> =
        runs.iter().filter(|it| it.name == EVIDENCE_CHECK && it.head_sha == head).collect();
    assert_eq!(published.len(), 1, "{point}: {published:?}");
    assert_eq!(published[0].conclusion.as_deref(), Some("success"), "{point}");
    let updates = format!("check/{EVIDENCE_CHECK}/{}/", &head[..7]);
    let effects = store::effect::of_run(env.pool(), started.run).await.unwrap();
    let of_check = effects.iter().filter(|it| it.key.starts_with(&updates));
    assert_eq!(of_check.count(), 2, "{point}: one report that it is awaited, one that it is verified");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f24_a_worker_killed_between_evidence_and_check_publishes_it_once() {
    let postgres = TestPostgres::start();
    // The second intent of the verdict is that of this check, after that of the gate.
    let mut points = vec!["claim.after:1", "intent.after:2", "observe.before:2", "observe.after:2"];
    // With `ASPORA_POINTS=all` all of them, otherwise two of them at random.
    if std::env::var("ASPORA_POINTS").is_err() {
        let mut dice = Dice::new(seed());
        while points.len() > 2 {
            points.remove(dice.below(points.len() as u64) as usize);
        }
    }
    for (at, point) in points.into_iter().enumerate() {
        let env = postgres.fault_env(&format!("evidence_{at}")).await;
        killed_at(&env, "p", point).await;
    }
}
