//! What `aspora …` does and prints. Text goes to the standard output, troubles to the standard error.

pub mod app;
mod archive;
pub mod args;
mod bench;
mod budget;
mod client;
mod demo;
mod dev;
mod dlq;
mod doctor;
pub mod home;
mod limit;
mod print;
mod product;
mod requirement;
mod retention;
mod run;
mod schedule;
mod serve;
pub mod settings;
pub mod story;
mod worker;

use std::{io, process::ExitCode};

use anyhow::Context as _;

pub use self::client::{Client, Failure};
use self::{
    args::{Arguments, Command, Database},
    print::Printer,
};
use crate::{http::openapi, store};

/// How a command ended, as the shell sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It is done.
    Done,
    /// The watched run ended, but not well.
    NotSucceeded,
    /// Something is wrong with what was looked at.
    Unhealthy,
}

/// Does what was asked and tells the shell how it went: 0 done, 1 error, 3 the watched run did not
/// succeed, 4 not allowed. (Wrong usage is 2, and clap's.)
pub async fn execute(arguments: Arguments) -> ExitCode {
    match obey(arguments).await {
        Ok(Exit::Done) => ExitCode::SUCCESS,
        Ok(Exit::NotSucceeded) => ExitCode::from(3),
        Ok(Exit::Unhealthy) => ExitCode::FAILURE,
        // Whoever reads our output has had enough, as in `aspora run events … | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", story::plain_lines(&chain(&error)));
            let forbidden = error.downcast_ref::<Failure>().is_some_and(Failure::is_forbidden);
            ExitCode::from(if forbidden { 4 } else { 1 })
        }
    }
}

async fn obey(arguments: Arguments) -> anyhow::Result<Exit> {
    let printer = Printer::new(arguments.output);
    let client = || Client::new(&arguments.server);
    match arguments.command {
        Command::Requirement(what) => requirement::obey(&client()?, &printer, what).await,
        Command::Budget(what) => budget::obey(&client()?, &printer, what).await,
        Command::Dlq(what) => dlq::obey(&client()?, &printer, what).await,
        Command::Run(what) => run::obey(&client()?, &printer, what).await,
        Command::Product(what) => product::obey(&client()?, &printer, what).await,
        Command::Schedule(what) => schedule::obey(&client()?, &printer, what).await,
        Command::Limit(what) => limit::obey(&client()?, &printer, what).await,
        Command::Migrate(database) => migrate(&printer, &database).await,
        Command::Doctor(what) => doctor::run(&printer, what).await,
        Command::Retention(what) => retention::obey(&printer, what).await,
        Command::Archive(what) => archive::run(&printer, what).await,
        Command::Openapi => {
            printer.raw(&openapi::document().context("write the description as JSON")?)?;
            Ok(Exit::Done)
        }
        Command::Serve(serve) => serve::run(serve).await.map(|()| Exit::Done),
        Command::Worker(worker) => worker::run(worker).await.map(|()| Exit::Done),
        Command::Dev(dev) => dev::run(dev).await.map(|()| Exit::Done),
        Command::Demo(demo) => demo::run(demo, &printer).await,
        Command::Bench(bench) => Box::pin(bench::run(bench, &printer)).await.map(|()| Exit::Done),
        Command::BenchWorker(worker) => bench::run_worker(worker).await.map(|()| Exit::Done),
    }
}

async fn migrate(printer: &Printer, database: &Database) -> anyhow::Result<Exit> {
    let pool =
        store::connect(&database.database_url, 1).await.context("connect to the database in DATABASE_URL")?;
    store::migrate(&pool).await.context("migrate the database")?;
    printer.say("the database has this release's schema", &serde_json::json!({ "migrated": true }))?;
    Ok(Exit::Done)
}

/// The error and its causes on one line; a cause that the one before it has quoted already is left out.
fn chain(error: &anyhow::Error) -> String {
    let mut told: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if !told.iter().any(|before| before.contains(&cause)) {
            told.push(cause);
        }
    }
    told.join(": ")
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    io.into_iter().any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
