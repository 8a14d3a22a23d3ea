//! The words of the command line.

pub mod schedule;

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;
use uuid::Uuid;

use crate::{bench::Workload, core::requirement::ProductName, store::retention::Class};

/// The code factory: a requirement becomes a judged, reviewed and merged pull request.
#[derive(Debug, Parser)]
#[command(name = "aspora", version, propagate_version = true, after_help = EXITS)]
pub struct Arguments {
    /// How to print: for people, or JSON for programs.
    #[arg(short, long, global = true, value_enum, default_value = "text")]
    pub output: Format,
    /// The server to talk to.
    #[arg(
        long,
        global = true,
        env = "ASPORA_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub server: Url,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXITS: &str = "Exit codes: 0 done; 1 error, or the doctor has found something; 2 wrong usage; 3 the watched run did not succeed; 4 not allowed.";

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON value, or one a line where there are several over time.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask for something, and see what became of it.
    #[command(subcommand)]
    Requirement(Requirement),
    /// Look at one run.
    #[command(subcommand)]
    Run(Run),
    /// See and set what model calls may use.
    #[command(subcommand)]
    Budget(Budget),
    /// Look at jobs that used up their attempts, and give them another chance.
    #[command(subcommand)]
    Dlq(Dlq),
    /// Say what can be asked for, and how much of it at once.
    #[command(subcommand)]
    Product(Product),
    /// Limit how many jobs are worked on at once.
    #[command(subcommand)]
    Limit(Limit),
    /// Ask for something again and again, by a cron expression in UTC.
    #[command(subcommand)]
    Schedule(schedule::Schedule),
    /// Bring the database in DATABASE_URL to this release's schema.
    Migrate(Database),
    /// Say whether the database is fit to be worked on, and whether what must hold of every run holds.
    Doctor(Doctor),
    /// Say how long what is kept, and sweep what was kept long enough.
    #[command(subcommand)]
    Retention(Retention),
    /// Write what is known of old runs into files, a month each.
    Archive(Archive),
    /// Print the REST interface's description, OpenAPI 3.1.
    Openapi,
    /// Serve REST, webhooks and pages.
    Serve(Serve),
    /// Work on runs.
    Worker(Worker),
    /// Everything in one process on one machine: database, server, worker, stand-in forge and model.
    Dev(Dev),
    /// Show the whole way from a requirement to the merge, on this machine.
    Demo(Demo),
    /// Measure this machine: each workload is a line of JSON, beside what Postgres itself gives.
    Bench(Bench),
    /// A worker that `bench` starts as a process of its own.
    #[command(hide = true)]
    BenchWorker(BenchWorker),
}

/// Ask for something, and see what became of it.
#[derive(Debug, Subcommand)]
pub enum Requirement {
    /// Hand in a requirement; once this returns, it is stored and a run works on it.
    Submit(Submit),
    /// List requirements, newest first.
    List(List),
    /// Show one requirement.
    Show(One),
    /// Follow its run to the end; exits with 3 unless it succeeds.
    Watch(One),
}

/// A requirement to hand in.
#[derive(Debug, Args)]
pub struct Submit {
    /// The product that shall have it.
    #[arg(short, long)]
    pub product: String,
    /// One line; becomes the pull request's title.
    #[arg(short, long)]
    pub title: String,
    /// Where the rest is written.
    #[command(flatten)]
    pub body: Body,
    /// 1 (first) to 5 (last).
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub priority: u8,
    /// The most tokens that its run's model calls may use.
    #[arg(long, value_name = "TOKENS")]
    pub budget_tokens: Option<u64>,
    /// The most that they may cost, in millionths of a dollar.
    #[arg(long, value_name = "MICRO-DOLLARS")]
    pub budget_micro_dollars: Option<u64>,
    /// Follow its run to the end; exits with 3 unless it succeeds.
    #[arg(short, long)]
    pub watch: bool,
}

/// Where the body of a requirement is written: exactly one place.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Body {
    /// Everything else that the model must know.
    #[arg(short, long)]
    pub body: Option<String>,
    /// A file that holds it; `-` is the standard input.
    #[arg(short = 'F', long, value_name = "FILE")]
    pub body_file: Option<PathBuf>,
    /// Read it from the standard input.
    #[arg(value_name = "-", value_parser = ["-"])]
    pub stdin: Option<String>,
}

/// Which requirements to list.
#[derive(Debug, Args)]
pub struct List {
    /// Only this product.
    #[arg(short, long)]
    pub product: Option<String>,
    /// Only runs in this state: active, waiting, paused, ended, succeeded, failed, blocked or cancelled.
    #[arg(short, long)]
    pub state: Option<String>,
    /// Only titles that hold this text.
    #[arg(short, long, value_name = "TEXT")]
    pub query: Option<String>,
    /// At most this many.
    #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// One of them, by id.
#[derive(Debug, Args)]
pub struct One {
    /// The id.
    pub id: Uuid,
}

/// Look at one run.
#[derive(Debug, Subcommand)]
pub enum Run {
    /// Show how it stands.
    Show(One),
    /// Print its history, oldest first.
    Events(Events),
    /// Say the one reason why it is where it is.
    Why(One),
    /// Let nothing more begin until it is resumed; an attempt that has begun may finish.
    Pause(Control),
    /// Let a paused run go on.
    Resume(Control),
    /// End it; a worker that is at it is stopped.
    Cancel(Control),
    /// End its wait: its step is due now.
    RunNow(Control),
    /// Answer in the place of its step; what judges or merges cannot be skipped.
    Skip(Skip),
    /// Let it begin again where it ended, or at a step; what it has come to know is kept.
    Retry(Retry),
    /// Begin a new run from a step of one that has ended and is not merged.
    Fork(Fork),
    /// Print everything that is known of it, a fact a line, as JSON.
    Export(One),
}

/// A run, and why.
#[derive(Debug, Args)]
pub struct Control {
    /// The run's id.
    pub id: Uuid,
    /// Why, for those who read the history.
    #[arg(short, long)]
    pub reason: String,
}

/// What to answer in the place of a step.
#[derive(Debug, Args)]
pub struct Skip {
    /// The run, and why.
    #[command(flatten)]
    pub control: Control,
    /// The answer, one of those that the step can give.
    #[arg(long)]
    pub outcome: String,
}

/// Where to begin again.
#[derive(Debug, Args)]
pub struct Retry {
    /// The run, and why.
    #[command(flatten)]
    pub control: Control,
    /// The step; where the run ended unless said.
    #[arg(long)]
    pub step: Option<String>,
}

/// Where the new run begins.
#[derive(Debug, Args)]
pub struct Fork {
    /// The old run, and why.
    #[command(flatten)]
    pub control: Control,
    /// The step.
    #[arg(long)]
    pub step: String,
}

/// Look at jobs that used up their attempts, and give them another chance.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List them, newest first.
    List(Letters),
    /// Let their runs begin again at the steps that died, each once.
    Redrive(Redrive),
}

/// Which dead letters to list.
#[derive(Debug, Args)]
pub struct Letters {
    /// What they have in common.
    #[command(flatten)]
    pub shared: Shared,
    /// At most this many.
    #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// What dead letters have in common.
#[derive(Debug, Clone, Default, Args)]
pub struct Shared {
    /// Only this product.
    #[arg(short, long)]
    pub product: Option<String>,
    /// Only this step.
    #[arg(short, long)]
    pub step: Option<String>,
    /// Only errors that hold this text.
    #[arg(long, value_name = "TEXT")]
    pub error_contains: Option<String>,
}

/// Which dead letters get another chance: named ones, those that have something in common, or all.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true)
    .args(["ids", "product", "step", "error_contains", "all"]))]
pub struct Redrive {
    /// Their numbers.
    #[arg(value_name = "ID", conflicts_with_all = ["product", "step", "error_contains", "all"])]
    pub ids: Vec<i64>,
    /// What they have in common.
    #[command(flatten)]
    pub shared: Shared,
    /// Every one there is.
    #[arg(long, conflicts_with_all = ["product", "step", "error_contains"])]
    pub all: bool,
    /// Why, for those who read the history.
    #[arg(short, long)]
    pub reason: String,
}

/// Say what can be asked for, and how much of it at once.
#[derive(Debug, Subcommand)]
pub enum Product {
    /// List the products with their limits.
    List,
    /// Add a product or bring one to these values; a limit that is left out is no limit.
    Put(PutProduct),
}

/// A product's values.
#[derive(Debug, Args)]
pub struct PutProduct {
    /// Its name.
    pub name: String,
    /// Its repository on the forge, `owner/name`.
    pub repository: String,
    /// The branch that changes are merged into.
    #[arg(long, default_value = "main")]
    pub base_branch: String,
    /// The most runs that may be open at once.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    pub backlog: Option<i32>,
    /// The most jobs that are worked on at once.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    pub concurrency: Option<i32>,
    /// The command that runs its tests in the sandbox.
    #[arg(last = true, value_name = "TEST_COMMAND")]
    pub test_command: Vec<String>,
}

/// Limit how many jobs are worked on at once.
#[derive(Debug, Subcommand)]
pub enum Limit {
    /// List the limits and how many jobs each key holds now.
    List,
    /// Set a limit.
    Set(SetLimit),
    /// Remove a limit.
    Remove(LimitKey),
}

/// A limit to set.
#[derive(Debug, Args)]
pub struct SetLimit {
    /// The key.
    #[command(flatten)]
    pub key: LimitKey,
    /// The most jobs held at once.
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    pub most: i32,
}

/// What jobs share.
#[derive(Debug, Args)]
pub struct LimitKey {
    /// `product:<name>` or `model:<provider>`; `merge:<owner>/<repo>:<base>` is always 1.
    pub key: String,
}

/// Which history to print.
#[derive(Debug, Args)]
pub struct Events {
    /// The run's id.
    pub id: Uuid,
    /// Go on until the run ends.
    #[arg(short, long)]
    pub follow: bool,
}

/// See and set what model calls may use.
#[derive(Debug, Subcommand)]
pub enum Budget {
    /// Show limits, and what is used of them: of all products, of one, or of a run.
    Show(BudgetOf),
    /// Set limits; those that are not named stay. Runs that were paused for want of them go on.
    Set(SetBudget),
    /// Let go of what is held for a run's calls that were cut off, because they were not paid.
    Release(ReleaseBudget),
}

/// Whose budget.
#[derive(Debug, Args)]
pub struct BudgetOf {
    /// Only this product's.
    #[arg(short, long, conflicts_with = "run")]
    pub product: Option<String>,
    /// This run's.
    #[arg(short, long)]
    pub run: Option<Uuid>,
}

/// Which limits to set, and whose.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whose").required(true).args(["product", "run"]))]
#[command(group = clap::ArgGroup::new("limit").required(true).multiple(true)
    .args(["tokens", "micro_dollars", "daily_tokens", "daily_micro_dollars"]))]
pub struct SetBudget {
    /// The product's.
    #[arg(short, long)]
    pub product: Option<String>,
    /// The run's.
    #[arg(short, long)]
    pub run: Option<Uuid>,
    /// The most tokens, or `none`.
    #[arg(long)]
    pub tokens: Option<Cap>,
    /// The most millionths of a dollar, or `none`; needs ASPORA_PRICES where workers run.
    #[arg(long)]
    pub micro_dollars: Option<Cap>,
    /// The most tokens on each day in UTC, or `none`.
    #[arg(long, conflicts_with = "run")]
    pub daily_tokens: Option<Cap>,
    /// The most millionths of a dollar on each day in UTC, or `none`.
    #[arg(long, conflicts_with = "run")]
    pub daily_micro_dollars: Option<Cap>,
    /// Why.
    #[arg(long)]
    pub reason: String,
}

/// Which held calls to let go.
#[derive(Debug, Args)]
pub struct ReleaseBudget {
    /// The run.
    #[arg(short, long)]
    pub run: Uuid,
    /// Why.
    #[arg(long)]
    pub reason: String,
}

/// A limit that somebody names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// There shall be none.
    None,
    /// The most that may be used.
    Most(u64),
}

impl Cap {
    /// The limit that was named, or the one there is.
    #[must_use]
    pub fn or(named: Option<Self>, now: Option<u64>) -> Option<u64> {
        match named {
            Some(Self::None) => None,
            Some(Self::Most(most)) => Some(most),
            None => now,
        }
    }
}

impl FromStr for Cap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            _ => text
                .parse()
                .map(Self::Most)
                .map_err(|_| "a whole number of 0 or more, or `none`, is needed".to_owned()),
        }
    }
}

/// The database to work on.
#[derive(Debug, Args)]
pub struct Database {
    /// The database.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: String,
}

/// What to look at.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Also ask of every run whether what must hold does. Reads every event; nothing is changed.
    #[arg(long)]
    pub invariants: bool,
    /// The database.
    #[command(flatten)]
    pub database: Database,
}

/// How long what is kept.
#[derive(Debug, Subcommand)]
pub enum Retention {
    /// Show how long each class of rows is kept.
    Show(Database),
    /// Keep a class for so many days, or for ever.
    Set {
        /// answers, signals, history, effects, runs or blobs.
        class: Class,
        /// Days, at least 1, or `forever`.
        keep: Keep,
        /// The database.
        #[command(flatten)]
        database: Database,
    },
    /// Sweep now what was kept long enough; workers and servers do it once a day.
    Run {
        /// Only tell what would go.
        #[arg(long)]
        dry_run: bool,
        /// The database.
        #[command(flatten)]
        database: Database,
    },
}

/// For so many days, or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep(pub Option<u32>);

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse::<u32>()) {
            ("forever", _) => Ok(Self(None)),
            (_, Ok(days @ 1..=36_500)) => Ok(Self(Some(days))),
            _ => Err("1 to 36500 days or `forever` is needed".to_owned()),
        }
    }
}

/// What to archive, and where.
#[derive(Debug, Args)]
pub struct Archive {
    /// Only months that ended before this day, such as 2026-07-01.
    #[arg(long, value_name = "DATE")]
    pub before: NaiveDate,
    /// The folder for the files, `runs-2026_06.ndjson`; a file that is there stays as it is.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The database.
    #[command(flatten)]
    pub database: Database,
}

/// How to serve.
#[derive(Debug, Args)]
pub struct Serve {
    /// The address to listen on.
    #[arg(long, env = "ASPORA_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// The URL under which people reach this server; made of the address unless said.
    #[arg(long, env = "ASPORA_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<Url>,
}

/// How to work.
#[derive(Debug, Args)]
pub struct Worker {
    /// This worker's name in attempts and events; made of the host and the process unless said.
    #[arg(long)]
    pub name: Option<String>,
}

/// How to run everything on one machine.
#[derive(Debug, Args)]
pub struct Dev {
    /// The port of the server; 0 takes a free one.
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Where everything is kept.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A product and the folder of its repository; may be given several times.
    #[arg(long, value_name = "NAME=DIR")]
    pub product: Vec<LocalProduct>,
}

/// A product whose repository is a folder on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalProduct {
    /// The product's name.
    pub name: ProductName,
    /// The folder.
    pub folder: PathBuf,
}

impl FromStr for LocalProduct {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, folder)) if !folder.is_empty() => {
                let name = name.parse().map_err(|wrong: crate::core::requirement::Invalid| wrong.message)?;
                Ok(Self { name, folder: folder.into() })
            }
            _ => Err("NAME=DIR is needed, such as wealth=./wealth-product".to_owned()),
        }
    }
}

/// How to show the whole way.
#[derive(Debug, Args)]
pub struct Demo {
    /// Where everything is kept; below the temporary folder unless said. A demo that was cut off goes on.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The port of the server; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Go on serving the pages after the end, until interrupted.
    #[arg(long)]
    pub keep: bool,
}

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_body_comes_from_exactly_one_place() {
        let check = |rest: &[&str], good: bool| {
            let words = ["aspora", "requirement", "submit", "-p", "wealth", "-t", "T"];
            let parsed = Arguments::try_parse_from(words.iter().chain(rest));
            assert_eq!(parsed.is_ok(), good, "{rest:?}");
        };
        check(&["--body", "B"], true);
        check(&["--body-file", "F"], true);
        check(&["-"], true);
        check(&[], false);
        check(&["--body", "B", "-"], false);
        check(&["--body", "B", "--body-file", "F"], false);
        check(&["file"], false);
        check(&["--body", "B", "--priority", "6"], false);
    }

    #[test]
    fn a_budget_is_set_for_one_run_or_product_with_a_reason() {
        let check = |rest: &str, good: bool| {
            let words = ["aspora", "budget", "set"].into_iter().chain(rest.split_whitespace());
            assert_eq!(Arguments::try_parse_from(words).is_ok(), good, "{rest}");
        };
        let run = "--run 0190a5c4-7b1e-7c3a-9f00-2b8a1c4d5e6f";
        check("--product wealth --tokens 5 --daily-micro-dollars none --reason r", true);
        check(&format!("{run} --tokens 5 --micro-dollars 7 --reason r"), true);
        check(&format!("{run} --daily-tokens 5 --reason r"), false);
        check(&format!("{run} --product wealth --tokens 5 --reason r"), false);
        check("--tokens 5 --reason r", false);
        check("--product wealth --reason r", false);
        check("--product wealth --tokens 5", false);
        check("--product wealth --tokens=-1 --reason r", false);
    }

    #[test]
    fn a_redrive_says_which_letters_it_means() {
        let check = |rest: &[&str], good: bool| {
            let parsed = Arguments::try_parse_from(["aspora", "dlq", "redrive"].iter().chain(rest));
            assert_eq!(parsed.is_ok(), good, "{rest:?}");
        };
        check(&["7", "8", "--reason", "R"], true);
        check(&["--all", "--reason", "R"], true);
        check(&["--product", "wealth", "--error-contains", "503", "--reason", "R"], true);
        check(&["--reason", "R"], false);
        check(&["--all"], false);
        check(&["7", "--all", "--reason", "R"], false);
        check(&["--all", "--step", "review", "--reason", "R"], false);
    }

    #[test]
    fn a_class_is_kept_for_days_or_for_ever() {
        let check = |text: &str, keep: Option<Option<u32>>| {
            assert_eq!(text.parse::<Keep>().ok().map(|Keep(days)| days), keep, "{text}");
        };
        check("forever", Some(None));
        check("1", Some(Some(1)));
        check("36500", Some(Some(36_500)));
        for wrong in ["0", "36501", "-1", "", "30d"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_local_product_is_a_name_and_a_folder() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<LocalProduct>().is_ok(), good, "{text}");
        check("wealth=./a=b", true);
        check("wealth", false);
        check("wealth=", false);
        check("Wealth=x", false);
    }
}
