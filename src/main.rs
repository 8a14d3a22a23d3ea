//! The `aspora` program.

use std::{io, process::ExitCode};

use aspora::cli::{self, Arguments};
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(arguments.log_filter()));
    // Logs go to stderr, because the output of a command on stdout may be piped.
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    Box::pin(cli::execute(arguments)).await
}
