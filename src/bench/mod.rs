//! `aspora bench`: measures the real engine, queue, worker and server on this machine with activities that do
//! nothing, each figure beside what Postgres itself does in the same minute.
//!
//! One file a workload. Every database is created for the measurement and dropped after it; there is no network.
//! The SQL here is only for measuring: rows in bulk, baselines and databases that production code never needs.

mod baseline;
pub mod bulk;
mod chain;
mod drain;
mod environment;
mod figures;
pub mod fill;
mod graphs;
mod history;
mod idle;
mod limit;
mod metrics;
mod pickup;
mod policy;
mod process;
mod proxy;
mod recover;
mod rot;
mod server;
mod submit;
mod throwaway;
mod verify;
mod worker;

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use anyhow::bail;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub use self::process::{ScriptedActivities, run_worker};
use self::{environment::Environment, server::DatabaseServer, verify::Verification};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// What Postgres itself does: the baseline.
    Limit,
    /// Many runs of one step: steps a second.
    Drain,
    /// Runs of eight steps, each committed before the next begins: steps a second.
    Chain,
    /// From the commit of a run to the start of its first attempt.
    Pickup,
    /// `drain` and `chain` beside many finished runs, and with a snapshot held open.
    Rot,
    /// What an idle worker costs.
    Idle,
    /// From the death of a worker to the next attempt.
    Recover,
    /// Lists and pages beside many finished runs.
    History,
    /// Figures of many runs: counting them, and reading figures.
    Metrics,
    /// The tier of a large change.
    Policy,
    /// Requirements that are submitted at a steady rate.
    Submit,
}

/// What to measure, and how much of it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The workloads, in the order in which they are measured.
    pub only: Vec<Workload>,
    /// The sizes are the small ones.
    pub quick: bool,
    /// How much of each.
    pub sizes: Sizes,
    /// The connections of the measured worker's and server's pools.
    pub connections: u32,
    /// The cluster to measure on; without one a private cluster is started.
    pub database_url: Option<String>,
    /// This program, to start workers as processes of their own.
    pub program: PathBuf,
}

/// How much of each workload.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Runs of `drain`.
    pub drain: usize,
    /// Runs of `chain`.
    pub chain: usize,
    /// Jobs that the worker of `drain` and `chain` does at once.
    pub slots: usize,
    /// Finished runs in the tables of `rot`, `history` and `metrics`.
    pub past: i64,
    /// Events of the one long run of `history`.
    pub events: usize,
    /// How often `rot` measures each case; the median counts.
    pub repeats: usize,
    /// How often `history` and `metrics` request each page.
    pub requests: usize,
    /// How long `pickup` lasts.
    pub pickup: Duration,
    /// How long `idle` lasts.
    pub idle: Duration,
    /// How long `submit` lasts.
    pub submit: Duration,
    /// Requirements a second in `submit`.
    pub rate: u32,
    /// How long each baseline is measured.
    pub limit: Duration,
    /// The lease of the workers in `recover`.
    pub lease: Duration,
}

impl Sizes {
    /// The sizes that the goals are for; some 15 minutes in all.
    #[must_use]
    pub fn full() -> Self {
        Self {
            drain: 20_000,
            chain: 2_000,
            slots: 1_024,
            past: 1_000_000,
            events: 20_000,
            repeats: 3,
            requests: 200,
            pickup: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            submit: Duration::from_secs(60),
            rate: 200,
            limit: Duration::from_secs(3),
            lease: crate::queue::Timing::default().lease,
        }
    }

    /// Small sizes: all workloads in less than a minute.
    #[must_use]
    pub fn quick() -> Self {
        Self {
            drain: 2_000,
            chain: 200,
            past: 50_000,
            repeats: 1,
            requests: 40,
            pickup: Duration::from_secs(5),
            idle: Duration::from_secs(5),
            submit: Duration::from_secs(5),
            limit: Duration::from_millis(500),
            lease: Duration::from_secs(2),
            ..Self::full()
        }
    }
}

/// The result of a workload.
struct Report {
    /// Its line of JSON, without its name.
    line: Value,
    /// What was lost or done twice.
    fault: Option<String>,
}

impl Report {
    const fn of(line: Value) -> Self {
        Self { line, fault: None }
    }

    fn verified(line: Value, verification: &Verification) -> Self {
        Self { line, fault: (!verification.is_sound()).then(|| verification.sentence()) }
    }
}

/// Measures the workloads of a plan and passes each line to `print`; progress goes to the standard error.
///
/// # Errors
/// When something was lost or done twice, a workload could not be measured, or `stop` was cancelled. In any case
/// the databases and a private cluster are removed when this returns.
pub async fn measure(
    plan: &Plan,
    stop: &CancellationToken,
    mut print: impl FnMut(&Value) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    progress("starting the database");
    let server = DatabaseServer::open(plan.database_url.as_deref()).await?;
    let measured = stop.run_until_cancelled(all(plan, &server, &mut print)).await;
    let closed = server.close().await;
    match measured {
        Some(measured) => measured.and(closed),
        None => closed.and_then(|()| bail!("stopped before the end")),
    }
}

async fn all(
    plan: &Plan,
    server: &DatabaseServer,
    print: &mut impl FnMut(&Value) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    print(&server.describe())?;
    let env = Environment::new(plan, server);
    let mut faults = Vec::new();
    for workload in &plan.only {
        progress(&format!("{workload} …"));
        let measured = Box::pin(measure_one(*workload, &env)).await;
        let (line, fault) = match measured {
            Ok(report) => (report.line, report.fault),
            Err(error) => (json!({ "error": format!("{error:#}") }), Some(format!("{error:#}"))),
        };
        print(&with_name(*workload, line))?;
        faults.extend(fault.map(|fault| format!("{workload}: {fault}")));
    }
    if faults.is_empty() { Ok(()) } else { bail!("{}", faults.join("; ")) }
}

async fn measure_one(workload: Workload, env: &Environment<'_>) -> anyhow::Result<Report> {
    match workload {
        Workload::Limit => limit::measure(env).await,
        Workload::Drain => drain::measure(env).await,
        Workload::Chain => chain::measure(env).await,
        Workload::Pickup => pickup::measure(env).await,
        Workload::Rot => rot::measure(env).await,
        Workload::Idle => idle::measure(env).await,
        Workload::Recover => recover::measure(env).await,
        Workload::History => history::measure(env).await,
        Workload::Metrics => metrics::measure(env).await,
        // It computes without a pause, which would delay a stop.
        Workload::Policy => tokio::task::spawn_blocking(policy::measure).await?,
        Workload::Submit => submit::measure(env).await,
    }
}

/// The line with the workload's name in front.
fn with_name(workload: Workload, line: Value) -> Value {
    let mut all = serde_json::Map::new();
    all.insert("workload".to_owned(), workload.as_str().into());
    if let Value::Object(line) = line {
        all.extend(line);
    }
    Value::Object(all)
}

/// Reports progress to people, on the standard error.
fn progress(text: &str) {
    eprintln!("bench: {text}");
}

impl Workload {
    /// Every workload, in the order in which they are measured.
    pub const ALL: [Self; 11] = [
        Self::Limit,
        Self::Drain,
        Self::Chain,
        Self::Pickup,
        Self::Policy,
        Self::Submit,
        Self::Idle,
        Self::Recover,
        Self::Rot,
        Self::History,
        Self::Metrics,
    ];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Drain => "drain",
            Self::Chain => "chain",
            Self::Pickup => "pickup",
            Self::Rot => "rot",
            Self::Idle => "idle",
            Self::Recover => "recover",
            Self::History => "history",
            Self::Metrics => "metrics",
            Self::Policy => "policy",
            Self::Submit => "submit",
        }
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        Self::ALL
            .into_iter()
            .find(|workload| workload.as_str() == text)
            .ok_or_else(|| format!("no workload `{text}`; the workloads are {}", known()))
    }
}
