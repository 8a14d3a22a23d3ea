//! The `aspora` program.

use std::{io, process::ExitCode};

use aspora::cli::{
    self,
    args::{Arguments, Command},
};
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Logs go to the standard error; what a command prints is for pipes.
    // async_openai logs what it could not read, which is other people's text.
    let default = match arguments.command {
        Command::Demo(_) | Command::Dev(_) => "warn,async_openai=off",
        // It makes everything as busy as it can, and tells by itself what was lost.
        Command::Bench(_) | Command::BenchWorker(_) => "error",
        _ => "warn,aspora=info,async_openai=off",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    Box::pin(cli::execute(arguments)).await
}
