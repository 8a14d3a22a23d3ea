//! The result: what was injected, what was lost, duplicated or stuck, and the rate beside the undisturbed one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use aspora::{
    core::{run::State, workflow::End},
    store,
};
use serde_json::json;

use crate::{
    Args,
    env::{FaultEnv, StartedRun, StubRuns, invariants},
    scenario::STEPS,
};

/// The minimum of the rate as a share of the undisturbed rate.
const MIN_RATE: f64 = 0.5;
/// With a shorter duration of faults the share means little and is not checked.
const RATE_CHECKED_FROM: Duration = Duration::from_secs(300);

pub(crate) struct Report<'a> {
    pub(crate) args: &'a Args,
    /// Stub steps a second without faults.
    pub(crate) calm_rate: f64,
    /// Stub steps a second with faults.
    pub(crate) rate: f64,
    /// How often each fault was injected.
    pub(crate) counts: BTreeMap<&'static str, usize>,
    pub(crate) still_open: usize,
    /// Connections through the proxy in the end.
    pub(crate) connections: usize,
}

/// How full runs ended.
#[derive(Default)]
struct FullRuns {
    merged: usize,
    /// A step used up its attempts, and a person is asked.
    given_up: usize,
    lost: usize,
    /// What the failed assertions of merged runs say.
    wrong: Vec<String>,
}

impl Report<'_> {
    /// Checks every run, prints the line of JSON, and returns whether the test has passed.
    pub(crate) async fn check(
        self,
        env: &Arc<FaultEnv>,
        stub_runs: &StubRuns,
        started: &[StartedRun],
    ) -> bool {
        let (tally, full) = (stub_runs.tally().await, FullRuns::of(env, started).await);
        let (full_store, stub_store) =
            (invariants::violated(&env.engine).await, invariants::violated(stub_runs.engine()).await);
        let violated = [full_store, stub_store].concat();
        let (lost, stuck) = (tally.lost + full.lost, self.still_open.max(tally.unfinished));
        let duplicated = tally.uneven + full.wrong.len() + violated.len();
        let share = self.rate / self.calm_rate.max(1.0);
        let is_slow = self.args.duration >= RATE_CHECKED_FROM && share < MIN_RATE;
        full.wrong.iter().for_each(|what| eprintln!("chaos: {what}"));
        violated.iter().for_each(|check| eprintln!("chaos: {check:?}"));
        let line = json!({
            "seed": self.args.seed, "minutes": self.args.duration.as_secs_f64() / 60.0, "faults": self.counts,
            "runs": stub_runs.accepted.len() + started.len(), "merged": full.merged,
            "steps": tally.steps, "steps_a_run": STEPS, "lost": lost, "duplicated": duplicated, "stuck": stuck,
            "given_up": { "heavy": full.given_up, "light": tally.given_up },
            "connections": self.connections,
            "steps_per_s": (self.rate * 10.0).round() / 10.0,
            "calm_steps_per_s": (self.calm_rate * 10.0).round() / 10.0,
            "rate": (share * 1000.0).round() / 1000.0,
        });
        println!("{line}");
        lost + duplicated + stuck == 0 && !is_slow && self.rate > 0.0
    }
}

impl FullRuns {
    async fn of(env: &Arc<FaultEnv>, started: &[StartedRun]) -> Self {
        let mut full = Self::default();
        for run in started {
            let stored = store::run::get(env.pool(), run.run).await.unwrap();
            match stored.map(|stored| stored.run.state) {
                None => full.lost += 1,
                Some(State::Ended { end: End::Succeeded, .. }) => match assert_merged(env, run).await {
                    Ok(()) => full.merged += 1,
                    Err(message) => full.wrong.push(message),
                },
                Some(State::Ended { .. }) => full.given_up += 1,
                Some(_) => {}
            }
        }
        full
    }
}

/// Asserts the invariants of a run that succeeded, among them that the forge has what the history says, once.
///
/// # Errors
/// With the message of the assertion that failed.
async fn assert_merged(env: &Arc<FaultEnv>, started: &StartedRun) -> Result<(), String> {
    let (env, started) = (Arc::clone(env), started.clone());
    let checked = tokio::spawn(async move { invariants::assert_hold(&env, &started, None).await });
    checked.await.map_err(|failed| {
        let message = failed.into_panic().downcast_ref::<String>().cloned();
        message.unwrap_or_else(|| "an invariant of the forge is violated".to_owned())
    })
}
