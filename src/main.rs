//! The `aspora` program.

use std::{io, process::ExitCode};

use aspora::cli::{self, args::Arguments};
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Logs go to the standard error; what a command prints is for pipes.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,aspora=info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    Box::pin(cli::execute(arguments)).await
}
