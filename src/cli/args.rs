//! The command line: global options and the top-level commands.
//!
//! The arguments of each command stand beside what it does, in `commands/`.

use clap::{Parser, Subcommand, ValueEnum};
use url::Url;

use super::commands::{
    archive, audit, bench, budget, demo, dev, dlq, doctor, evidence, fault, gap, hold, key, limit, metrics,
    options::Database, outage, policy, product, proposal, queue, replay, requirement, retention, run,
    schedule, serve, subscription, worker,
};

/// The code factory: turns a requirement into a reviewed and merged pull request.
#[derive(Debug, Parser)]
#[command(name = "aspora", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Arguments {
    /// Output format.
    #[arg(short, long, global = true, value_enum, default_value = "text")]
    pub(super) output: Format,
    /// The server to talk to.
    #[arg(
        long,
        global = true,
        env = "ASPORA_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub(super) server: Url,
    /// The command.
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 success; 1 error, or `doctor` found a problem; 2 usage error; 3 the run did not succeed, a policy or evidence is refused, or a case or decision differs; 4 not authorized.";

/// How to print results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// For programs: one value, or one value per line for streams.
    Json,
}

/// The top-level commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Submit requirements and follow their progress.
    #[command(subcommand)]
    Requirement(requirement::Command),
    /// Inspect and control a run.
    #[command(subcommand)]
    Run(run::Command),
    /// Open harness gaps for incidents, and follow their clocks.
    #[command(subcommand)]
    Gap(gap::Command),
    /// See what is proposed because it came in several runs; accept or dismiss it.
    #[command(subcommand)]
    Proposal(proposal::Command),
    /// Show and set spending limits for model calls.
    #[command(subcommand)]
    Budget(budget::Command),
    /// List and redrive dead letters: jobs that used up their attempts.
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// List and configure products.
    #[command(subcommand)]
    Product(product::Command),
    /// Check, explain and try a risk policy, and run its golden cases.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Verify browser evidence of a head, and send it.
    #[command(subcommand)]
    Evidence(evidence::Command),
    /// Judge every recorded decision again from its recorded facts, and name each that differs.
    Replay(replay::Replay),
    /// List and set concurrency limits of jobs.
    #[command(subcommand)]
    Limit(limit::Command),
    /// Stop everything, a product, a queue or a worker; without --reason, list what is held.
    Hold(hold::Place),
    /// Release what is held.
    Release(hold::Free),
    /// List the queues, and pause or resume one.
    #[command(subcommand)]
    Queue(queue::Command),
    /// Show what the factory did, and how well, or count it again.
    Metrics(metrics::Show),
    /// List outages of GitHub, git and models, and probe by hand.
    #[command(subcommand)]
    Outage(outage::Command),
    /// Submit a requirement repeatedly, by a cron expression in UTC.
    #[command(subcommand)]
    Schedule(schedule::Command),
    /// Be notified: by a webhook, in Slack, by mail.
    #[command(subcommand)]
    Subscription(subscription::Command),
    /// Issue, list and revoke API keys.
    #[command(subcommand)]
    Key(key::Command),
    /// List what people and keys did, and check that the list is as it was written.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Migrate the database to the schema of this release.
    Migrate(Database),
    /// Check the database, what GitHub lets us do for each product, and optionally the invariants of all runs.
    Doctor(doctor::Doctor),
    /// Show, set and apply the retention periods of stored data.
    #[command(subcommand)]
    Retention(retention::Command),
    /// Export old runs to files, one per month.
    Archive(archive::Archive),
    /// Print the OpenAPI 3.1 description of the REST API.
    Openapi,
    /// Run the server: REST API, webhooks and pages.
    Serve(serve::Serve),
    /// Run a worker; list or drain the workers of a server.
    Worker(worker::Worker),
    /// Run everything on this machine: database, server, worker, stand-ins for GitHub and the model.
    Dev(dev::Dev),
    /// Make the GitHub twin of a running `aspora dev` fail, lag or limit.
    Fault(fault::Fault),
    /// Run one requirement from its submission to the merge, on this machine.
    Demo(demo::Demo),
    /// Run benchmarks on this machine; prints one line of JSON per workload.
    Bench(bench::Bench),
    /// A worker process started by `bench`.
    #[command(hide = true)]
    BenchWorker(bench::BenchWorker),
}

impl Arguments {
    /// The log filter where `RUST_LOG` is not set.
    #[must_use]
    pub const fn log_filter(&self) -> &'static str {
        // async_openai logs responses that it cannot parse, and those are foreign text.
        match self.command {
            Command::Demo(_) | Command::Dev(_) => "warn,async_openai=off",
            // Benchmarks overload everything on purpose and report lost work themselves.
            Command::Bench(_) | Command::BenchWorker(_) => "error",
            _ => "warn,aspora=info,async_openai=off",
        }
    }
}

/// Whether `aspora`, followed by `command` and `rest`, parses.
#[cfg(test)]
pub(super) fn parses(command: &str, rest: &[&str]) -> bool {
    let words = ["aspora"].into_iter().chain(command.split_whitespace()).chain(rest.iter().copied());
    Arguments::try_parse_from(words).is_ok()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
