//! `aspora worker`: runs jobs until it is stopped; lists and drains the workers of a server.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::{Client, Exit, Printer, plain};
use crate::{
    api,
    cli::{
        app::{process_name, stop_on_signal},
        settings::Settings,
    },
    core::words::counted,
    store::hold,
    workspace::Sandbox,
};

/// The arguments of `aspora worker`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Worker {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

/// What to do about the workers of a server, in place of being one.
#[derive(Debug, Subcommand)]
enum Command {
    /// List the workers, what each does and when it was last seen.
    List,
    /// Let the workers of a name end their jobs, claim no more, and stop.
    Drain {
        /// The worker's name, as `worker list` prints it.
        name: String,
        /// Why.
        #[arg(long)]
        reason: String,
    },
}

/// The worker to be.
#[derive(Debug, Args)]
struct Options {
    /// Name of this worker in attempts and events [default: the host's name and the process id].
    #[arg(long)]
    name: Option<String>,
    /// Start on hold: no job is claimed until `aspora release --worker NAME`.
    #[arg(long)]
    held: bool,
}

/// Asks a server about its workers, or is one.
///
/// # Errors
/// When the server refuses the request or cannot be reached; for a worker, when a setting is missing or invalid, or the
/// database cannot be reached.
pub(crate) async fn run(
    client: impl FnOnce() -> anyhow::Result<Client>,
    printer: &Printer,
    worker: Worker,
) -> anyhow::Result<Exit> {
    match worker.command {
        None => return work(worker.options).await,
        Some(Command::List) => {
            let all = client()?.workers().await?;
            printer.say(&table(&all), &all)?;
        }
        Some(Command::Drain { name, reason }) => {
            let drained = client()?.drain(&name, reason).await?;
            let (asked, before) =
                (counted(drained.asked, "process"), counted(drained.asked_before, "process"));
            let text = match drained.asked {
                0 => format!("{before} of `{}` drain already.", plain(&name)),
                _ => format!(
                    "Asked {asked} of `{}`: within seconds no more jobs are claimed, and those that run may end.",
                    plain(&name)
                ),
            };
            printer.say(&text, &drained)?;
        }
    }
    Ok(Exit::Success)
}

fn table(workers: &[api::Worker]) -> String {
    if workers.is_empty() {
        return "No worker runs. Start one with `aspora worker`.".to_owned();
    }
    let mut text = format!(
        "{:<28} {:<9} {:>7} {:<20} {:<20} {:<9} SLOTS\n",
        "NAME", "STATE", "RUNNING", "STARTED (UTC)", "SEEN (UTC)", "RELEASE"
    );
    for worker in workers {
        let [started, seen] = [worker.started_at, worker.seen_at].map(|at| at.format("%Y-%m-%d %H:%M:%S"));
        let slots: Vec<String> =
            worker.slots.iter().map(|it| format!("{} {}", plain(&it.queue), it.slots)).collect();
        let (name, state, version) = (plain(&worker.name), worker.state.as_str(), plain(&worker.version));
        let (running, slots) = (worker.running, slots.join(", "));
        let _ =
            write!(text, "{name:<28} {state:<9} {running:>7} {started:<20} {seen:<20} {version:<9} {slots}");
        if let (Some(by), Some(reason)) = (&worker.drained_by, &worker.drain_reason) {
            let _ = write!(text, "; drained by {}: {}", plain(by), plain(reason));
        }
        text.push('\n');
    }
    text
}

/// Runs jobs until SIGTERM, Ctrl-C or a drain, with the database, GitHub and the model of the environment.
async fn work(options: Options) -> anyhow::Result<Exit> {
    let app = Settings::from_env()?.worker()?;
    let stop = stop_on_signal()?;
    let engine = app.engine().await?;
    let sandbox = Sandbox::find().await;
    if let Err(unavailable) = &sandbox {
        tracing::warn!("{unavailable}; products' tests run only in their own CI");
    }
    let name = options.name.unwrap_or_else(process_name);
    if options.held {
        let (scope, mut connection) = (format!("worker:{name}").parse()?, engine.pool().acquire().await?);
        hold::put(&mut connection, &scope, "the worker was started with --held", &name).await?;
    }
    app.report(None, stop.clone()).await?;
    tracing::info!(worker = %name, "worker {name} started");
    app.work(engine, name, sandbox, stop).await?;
    Ok(Exit::Success)
}
