//! `aspora bench`: measures this machine, and prints a line of JSON for each workload.

use std::time::Duration;

use anyhow::Context as _;

use super::{
    app::stop_on_signal,
    args::{Bench, BenchWorker},
    print::Printer,
};
use crate::{
    bench::{self, Plan, ScriptedActivities, Sizes, Workload},
    queue::Timing,
};

/// Measures until all is done, SIGTERM or Ctrl-C; then everything that it made is gone.
///
/// # Errors
/// When something was lost or done twice, or a workload could not be measured.
pub(super) async fn run(options: Bench, printer: &Printer) -> anyhow::Result<()> {
    let plan = plan(options)?;
    let stop = stop_on_signal()?;
    bench::measure(&plan, &stop, |line| printer.raw(&format!("{line}\n"))).await
}

/// Works as a process of its own whose activities are stand-ins, for `recover` and for tests.
///
/// # Errors
/// When the database cannot be reached.
pub(super) async fn run_worker(options: BenchWorker) -> anyhow::Result<()> {
    let stop = stop_on_signal()?;
    let milliseconds = Duration::from_millis;
    // A worker that nobody waits for looks as often as a real one.
    let timing = Timing { lease: milliseconds(options.lease_ms), ..Timing::default() };
    let activities = ScriptedActivities {
        answers_within: options.answers_within_ms.map(milliseconds),
        deadly: options.deadly,
        slots: options.slots,
    };
    let (url, drain) = (&options.database.database_url, milliseconds(options.drain_ms));
    bench::run_worker(url, timing, drain, activities, stop).await
}

fn plan(options: Bench) -> anyhow::Result<Plan> {
    let mut sizes = if options.quick { Sizes::quick() } else { Sizes::full() };
    let told = |size: Option<u32>, usual: usize| size.map_or(usual, |size| size as usize);
    (sizes.drain, sizes.chain) = (told(options.runs, sizes.drain), told(options.runs, sizes.chain));
    sizes.past = options.past.unwrap_or(sizes.past);
    sizes.events = told(options.events, sizes.events);
    sizes.repeats = told(options.repeats, sizes.repeats);
    sizes.slots = told(options.slots, sizes.slots);
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
