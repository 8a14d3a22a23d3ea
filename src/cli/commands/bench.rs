//! `aspora bench`: measures this machine and prints one line of JSON per workload.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use uuid::Uuid;

use super::{Exit, Printer, options::Database};
use crate::{
    bench::{self, Plan, ScriptedActivities, Sizes, Workload},
    cli::app::stop_on_signal,
    queue::Timing,
};

/// The arguments of `aspora bench`. By default, sizes are those for which the project states its goals.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Small sizes that take less than a minute in all: for a first look, not for figures to quote.
    #[arg(long)]
    quick: bool,
    /// Run only these workloads, in this order: limit, drain, chain, pickup, policy, submit, idle, recover, rot, history, metrics.
    #[arg(long, value_delimiter = ',', value_name = "WORKLOAD")]
    only: Vec<Workload>,
    /// Number of runs in drain [default: 20000; quick: 2000] and in chain [default: 2000; quick: 200].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Number of finished runs in the database for rot, history and metrics [default: 1000000; quick: 50000].
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    past: Option<i64>,
    /// Number of events of the one long run in history [default: 20000].
    #[arg(long, value_parser = clap::value_parser!(u32).range(4..=100_000))]
    events: Option<u32>,
    /// How often rot measures each case [default: 3; quick: 1].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: Option<u32>,
    /// Seconds of pickup and idle [default: 30] and of submit [default: 60] [quick: 5].
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
    /// Requirements per second in submit [default: 200].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: Option<u32>,
    /// Concurrent jobs of the worker in drain, chain and rot [default: 1024].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    slots: Option<u32>,
    /// Pool size of the measured worker and server.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100))]
    connections: u32,
    /// Postgres cluster to measure on, in temporary databases; by default a private cluster is started.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
}

/// The arguments of the worker process that `bench` starts.
#[derive(Debug, Args)]
pub(crate) struct BenchWorker {
    #[command(flatten)]
    database: Database,
    /// How long a lease lasts without a renewal, in milliseconds.
    #[arg(long)]
    lease_ms: u64,
    /// How long attempts may continue after SIGTERM, in milliseconds.
    #[arg(long)]
    drain_ms: u64,
    /// Answer each attempt after a random time up to this, in milliseconds; without it, attempts never end.
    #[arg(long)]
    answers_within_ms: Option<u64>,
    /// A run whose attempts kill this process.
    #[arg(long)]
    deadly: Option<Uuid>,
    /// Concurrent jobs per queue.
    #[arg(long, default_value_t = 8)]
    slots: usize,
}

/// Runs the workloads until all are measured, or until SIGTERM or Ctrl-C; then removes what it created.
///
/// # Errors
/// When something was lost or done twice, or a workload could not be measured.
pub(crate) async fn run(options: Bench, printer: &Printer) -> anyhow::Result<Exit> {
    let plan = plan(options)?;
    let stop = stop_on_signal()?;
    bench::measure(&plan, &stop, |line| printer.raw(&format!("{line}\n"))).await?;
    Ok(Exit::Success)
}

/// Runs a worker whose activities are stand-ins, for `recover` and for tests.
///
/// # Errors
/// When the database cannot be reached.
pub(crate) async fn run_worker(options: BenchWorker) -> anyhow::Result<Exit> {
    let stop = stop_on_signal()?;
    let milliseconds = Duration::from_millis;
    let timing = Timing { lease: milliseconds(options.lease_ms), ..Timing::default() };
    let activities = ScriptedActivities {
        answers_within: options.answers_within_ms.map(milliseconds),
        deadly: options.deadly,
        slots: options.slots,
    };
    let (url, drain) = (options.database.url()?, milliseconds(options.drain_ms));
    bench::run_worker(&url, timing, drain, activities, stop).await?;
    Ok(Exit::Success)
}

fn plan(options: Bench) -> anyhow::Result<Plan> {
    let mut sizes = if options.quick { Sizes::quick() } else { Sizes::full() };
    let or = |size: Option<u32>, default: usize| size.map_or(default, |size| size as usize);
    (sizes.drain, sizes.chain) = (or(options.runs, sizes.drain), or(options.runs, sizes.chain));
    sizes.past = options.past.unwrap_or(sizes.past);
    sizes.events = or(options.events, sizes.events);
    sizes.repeats = or(options.repeats, sizes.repeats);
    sizes.slots = or(options.slots, sizes.slots);
    sizes.rate = options.rate.unwrap_or(sizes.rate);
    if let Some(seconds) = options.seconds {
        let span = Duration::from_secs(seconds);
        (sizes.pickup, sizes.idle, sizes.submit) = (span, span, span);
    }
    let only = if options.only.is_empty() { Workload::ALL.to_vec() } else { options.only };
    let program = std::env::current_exe().context("find this program")?;
    Ok(Plan {
        only,
        quick: options.quick,
        sizes,
        connections: options.connections,
        database_url: options.database_url.filter(|url| !url.is_empty()),
        program,
    })
}
