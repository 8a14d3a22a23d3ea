//! The words of the command line.

mod bench;
mod budget;
mod database;
mod dlq;
mod product;
mod requirement;
mod run;
pub mod schedule;
mod serve;

use clap::{Parser, Subcommand, ValueEnum};
use url::Url;

pub use self::{
    bench::{Bench, BenchWorker},
    budget::{Budget, BudgetOf, Cap, ReleaseBudget, SetBudget},
    database::{Archive, Database, Doctor, Keep, Retention},
    dlq::{Dlq, Letters, Redrive, Shared},
    product::{Limit, LimitKey, Product, PutProduct, SetLimit},
    requirement::{Body, List, One, Requirement, Submit},
    run::{Control, Events, Fork, Retry, Run, Skip},
    serve::{Demo, Dev, LocalProduct, Serve, Worker},
};

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
