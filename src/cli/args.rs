//! The words of the command line.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;
use uuid::Uuid;

use crate::core::requirement::ProductName;

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

const EXITS: &str =
    "Exit codes: 0 done; 1 error; 2 wrong usage; 3 the watched run did not succeed; 4 not allowed.";

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
    /// Look at jobs that used up their attempts, and give them another chance.
    #[command(subcommand)]
    Dlq(Dlq),
    /// Bring the database in DATABASE_URL to this release's schema.
    Migrate(Database),
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

/// Which history to print.
#[derive(Debug, Args)]
pub struct Events {
    /// The run's id.
    pub id: Uuid,
    /// Go on until the run ends.
    #[arg(short, long)]
    pub follow: bool,
}

/// The database to work on.
#[derive(Debug, Args)]
pub struct Database {
    /// The database.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: String,
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
    fn a_local_product_is_a_name_and_a_folder() {
        let check = |text: &str, good: bool| assert_eq!(text.parse::<LocalProduct>().is_ok(), good, "{text}");
        check("wealth=./a=b", true);
        check("wealth", false);
        check("wealth=", false);
        check("Wealth=x", false);
    }
}
