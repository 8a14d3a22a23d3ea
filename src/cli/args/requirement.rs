//! The words of `aspora requirement`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use uuid::Uuid;

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
