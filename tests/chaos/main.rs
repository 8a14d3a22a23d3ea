//! The chaos test: workers are killed, suspended and terminated, Postgres is killed, its sessions are ended, its
//! connections are cut, blocked or lose responses, while full runs go to their merge beside a stream of stub runs.
//! Every accepted run must end, and nothing may be done twice.
//!
//! `cargo test --test chaos -- --minutes 20 --seed 7` prints one line of JSON. Without arguments it takes half a
//! minute. The program has no libtest harness, as libtest would refuse these arguments; it answers a test runner
//! itself.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "../support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the chaos test needs a part of it")]
mod support;

#[path = "../faults/env/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the chaos test needs a part of it")]
mod env;

mod nemesis;
mod report;
mod scenario;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

const TEST: &str = "everything_at_once";

struct Args {
    /// How long faults are injected.
    duration: Duration,
    seed: u64,
}

impl Args {
    /// Reads `--minutes` and `--seed`; other arguments are the test runner's.
    fn read() -> Self {
        let args: Vec<String> = std::env::args().collect();
        let value = |name: &str| args.iter().position(|arg| arg == name).and_then(|at| args.get(at + 1));
        let number = |name: &str| {
            value(name).map(|text| text.parse::<f64>().unwrap_or_else(|_| panic!("{name} {text}")))
        };
        let random = uuid::Uuid::new_v4().as_u128() as u64 % 1_000_000;
        Self {
            duration: Duration::from_secs_f64(number("--minutes").unwrap_or(0.5) * 60.0),
            seed: number("--seed").map_or(random, |seed| seed as u64),
        }
    }
}

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--list") {
        println!("{TEST}: test");
        return ExitCode::SUCCESS;
    }
    if is_filtered_out() {
        println!(
            "\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out; finished in 0.00s\n"
        );
        return ExitCode::SUCCESS;
    }
    let (args, began) = (Args::read(), Instant::now());
    println!("\nrunning 1 test\nchaos: seed {}, {:?} of faults", args.seed, args.duration);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let has_passed = runtime.block_on(Box::pin(scenario::everything_at_once(&args)));
    let (result, passed) = if has_passed { ("ok", 1) } else { ("FAILED", 0) };
    println!(
        "\ntest result: {result}. {passed} passed; {} failed; 0 ignored; 0 measured; 0 filtered out; finished in {:.2}s\n",
        1 - passed,
        began.elapsed().as_secs_f64()
    );
    if has_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether the test runner asked for tests of other names.
fn is_filtered_out() -> bool {
    let (mut filters, mut args) = (Vec::new(), std::env::args().skip(1));
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--minutes" | "--seed" => drop(args.next()),
            arg if arg.starts_with('-') => {}
            _ => filters.push(arg),
        }
    }
    !filters.is_empty() && !filters.iter().any(|filter| TEST.contains(filter.as_str()))
}
