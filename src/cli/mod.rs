//! The command-line interface. Results go to stdout, errors and logs to stderr.

mod after_merge;
pub mod app;
mod args;
mod board;
mod client;
mod commands;
pub mod dev_server;
mod history;
mod keyring;
mod local_product;
mod oidc;
mod print;
pub mod settings;
mod text;

use std::{io, process::ExitCode};

use anyhow::Context as _;

pub use self::args::Arguments;
use self::{
    args::Command,
    client::{Client, Failure},
    commands::{
        archive, audit, bench, budget, demo, dev, dlq, doctor, evidence, fault, gap, hold, key, limit,
        metrics, migrate, outage, policy, product, proposal, queue, replay, requirement, retention, run,
        schedule, serve, subscription, worker,
    },
    print::Printer,
};
use crate::http::openapi;

/// The outcome of a command that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// The command succeeded.
    Success,
    /// The run that was followed did not succeed.
    RunNotSucceeded,
    /// A policy or evidence is refused, or one of a policy's cases or a recorded decision differs.
    Refused,
    /// The doctor found a problem.
    Unhealthy,
}

/// Runs a command; its exit code: 0 success, 1 error or unhealthy, 3 the run did not succeed, a policy or
/// evidence is refused or something differs, 4 not authorized. (Usage errors exit with 2, by clap.)
pub async fn execute(arguments: Arguments) -> ExitCode {
    match dispatch(arguments).await {
        Ok(Exit::Success) => ExitCode::SUCCESS,
        Ok(Exit::RunNotSucceeded | Exit::Refused) => ExitCode::from(3),
        Ok(Exit::Unhealthy) => ExitCode::FAILURE,
        // The reader of the pipe closed it, as `head` does in `aspora run events … | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", text::plain_lines(&chain(&error)));
            let forbidden = error.downcast_ref::<Failure>().is_some_and(Failure::is_forbidden);
            ExitCode::from(if forbidden { 4 } else { 1 })
        }
    }
}

async fn dispatch(arguments: Arguments) -> anyhow::Result<Exit> {
    let printer = Printer::new(arguments.output);
    let client = || Client::new(&arguments.server, keyring::key(&arguments.server)?.as_deref());
    match arguments.command {
        Command::Requirement(command) => requirement::run(&client()?, &printer, command).await,
        Command::Run(command) => run::run(&client()?, &printer, command).await,
        Command::Budget(command) => budget::run(&client()?, &printer, command).await,
        Command::Dlq(command) => dlq::run(&client()?, &printer, command).await,
        Command::Product(command) => product::run(&client()?, &printer, command).await,
        Command::Policy(command) => policy::run(client, &printer, command).await,
        Command::Evidence(command) => evidence::run(client, &printer, command).await,
        Command::Replay(options) => replay::run(&printer, options).await,
        Command::Hold(options) => hold::place(&client()?, &printer, options).await,
        Command::Release(options) => hold::release(&client()?, &printer, options).await,
        Command::Queue(command) => queue::run(&client()?, &printer, command).await,
        Command::Limit(command) => limit::run(&client()?, &printer, command).await,
        Command::Metrics(options) => metrics::run(client, &printer, options).await,
        Command::Outage(command) => outage::run(&client()?, &printer, command).await,
        Command::Gap(command) => gap::run(&client()?, &printer, command).await,
        Command::Proposal(command) => proposal::run(&client()?, &printer, command).await,
        Command::Schedule(command) => schedule::run(&client()?, &printer, command).await,
        Command::Subscription(command) => subscription::run(&client()?, &printer, command).await,
        Command::Key(command) => key::run(&client()?, &printer, command).await,
        Command::Audit(command) => audit::run(&client()?, &printer, command).await,
        Command::Migrate(database) => migrate::run(&printer, &database).await,
        Command::Doctor(doctor) => doctor::run(&printer, doctor).await,
        Command::Retention(command) => retention::run(&printer, command).await,
        Command::Archive(archive) => archive::run(&printer, archive).await,
        Command::Openapi => {
            printer.raw(&openapi::document().context("serialize the OpenAPI document")?)?;
            Ok(Exit::Success)
        }
        Command::Serve(serve) => serve::run(serve).await,
        Command::Worker(worker) => worker::run(client, &printer, worker).await,
        Command::Dev(dev) => dev::run(dev).await,
        Command::Fault(fault) => fault::run(fault, &printer).await,
        Command::Demo(demo) => Box::pin(demo::run(demo, &printer)).await,
        Command::Bench(bench) => Box::pin(bench::run(bench, &printer)).await,
        Command::BenchWorker(worker) => bench::run_worker(worker).await,
    }
}

/// The error and its causes on one line, without a cause that the message before it already quotes.
fn chain(error: &anyhow::Error) -> String {
    let mut messages: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if !messages.iter().any(|before| before.contains(&cause)) {
            messages.push(cause);
        }
    }
    messages.join(": ")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut io = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    io.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
