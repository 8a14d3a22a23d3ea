//! The `aspora` program.

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use aspora::cli::{self, Arguments};
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log(arguments.log_filter());
    Box::pin(cli::execute(arguments)).await
}

/// Logs go to stderr, because the output of a command on stdout may be piped. Colours are for terminals alone.
fn log(filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    if std::env::var("ASPORA_LOG").is_ok_and(|format| format == "json") {
        lines.json().flatten_event(true).init();
    } else {
        lines.with_ansi(io::stderr().is_terminal()).init();
    }
}
