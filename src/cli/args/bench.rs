//! The words of `aspora bench`.

use clap::Args;
use uuid::Uuid;

use super::Database;
use crate::bench::Workload;

/// What to measure, and how much of it. The sizes are those that the goals are for, unless said.
#[derive(Debug, Args)]
pub struct Bench {
    /// Small sizes, all in less than a minute: a look, not a figure to quote.
    #[arg(long)]
    pub quick: bool,
    /// Only these, in this order: limit, drain, chain, pickup, policy, submit, idle, recover, rot, history.
    #[arg(long, value_delimiter = ',', value_name = "WORKLOAD")]
    pub only: Vec<Workload>,
    /// Runs of drain (else 20,000; quick 2,000) and of chain (else 2,000; quick 200).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: Option<u32>,
    /// Finished runs beside which rot and history are measured (else 1,000,000; quick 50,000).
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..))]
    pub past: Option<i64>,
    /// Events of the one long run of history (else 20,000).
    #[arg(long, value_parser = clap::value_parser!(u32).range(4..=100_000))]
    pub events: Option<u32>,
    /// How often rot measures each case (else 3; quick 1).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeats: Option<u32>,
    /// Seconds of pickup and idle (else 30) and of submit (else 60); quick 5.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: Option<u64>,
    /// Requirements a second in submit (else 200).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rate: Option<u32>,
    /// Jobs that the worker of drain, chain and rot does at once (else 1,024).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub slots: Option<u32>,
    /// Connections of the measured worker's and server's pools.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub connections: u32,
    /// The cluster to measure on, in databases of its own; without one a private cluster is started.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: Option<String>,
}

/// How a worker that `bench` starts shall work.
#[derive(Debug, Args)]
pub struct BenchWorker {
    /// The database.
    #[command(flatten)]
    pub database: Database,
    /// How long a claim holds without a renewal, in milliseconds.
    #[arg(long)]
    pub lease_ms: u64,
    /// How long attempts may go on after SIGTERM, in milliseconds.
    #[arg(long)]
    pub drain_ms: u64,
    /// Each attempt answers after a drawn time up to this, in milliseconds; without it, none ever ends.
    #[arg(long)]
    pub answers_within_ms: Option<u64>,
    /// A run whose attempts end this process at once.
    #[arg(long)]
    pub deadly: Option<Uuid>,
    /// How many jobs of each queue it does at once.
    #[arg(long, default_value_t = 8)]
    pub slots: usize,
}
