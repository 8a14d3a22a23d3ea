//! The words of the command line.

use std::{net::SocketAddr, path::PathBuf, str::FromStr};

use chrono::NaiveDate;
use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;
use uuid::Uuid;

use crate::{core::requirement::ProductName, store::retention::Class};

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
    /// Bring the database in DATABASE_URL to this release's schema.
    Migrate(Database),
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
    /// Only runs in this state: active, waiting, ended, succeeded, failed, blocked or cancelled.
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
    /// Print everything that is known of it, a fact a line, as JSON.
    Export(One),
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
