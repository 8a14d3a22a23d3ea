//! `aspora worker`: runs jobs until it is stopped.

use clap::Args;

use super::Exit;
use crate::{
    cli::{
        app::{process_name, stop_on_signal},
        settings::Settings,
    },
    store::hold,
    workspace::Sandbox,
};

/// The arguments of `aspora worker`.
#[derive(Debug, Args)]
pub(crate) struct Worker {
    /// Name of this worker in attempts and events [default: the host's name and the process id].
    #[arg(long)]
    name: Option<String>,
    /// Start on hold: no job is claimed until `aspora release --worker NAME`.
    #[arg(long)]
    held: bool,
}

/// Runs jobs until SIGTERM or Ctrl-C, with the database, GitHub and the model of the environment.
///
/// # Errors
/// When a setting is missing or invalid, or the database cannot be reached.
pub(crate) async fn run(options: Worker) -> anyhow::Result<Exit> {
    let app = Settings::from_env()?.app()?;
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
    tracing::info!(worker = %name, "worker {name} started");
    app.work(engine, name, sandbox, stop).await?;
    Ok(Exit::Success)
}
