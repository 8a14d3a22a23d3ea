//! `aspora worker`: does jobs until it is told to stop.

use super::{
    app::{process_name, stop_on_signal},
    args::Worker,
    settings::Settings,
};
use crate::workspace::Sandbox;

/// Works on the database, forge and model of the environment until SIGTERM or Ctrl-C.
///
/// # Errors
/// When a setting is missing or wrong, or the database cannot be reached.
pub(super) async fn run(arguments: Worker) -> anyhow::Result<()> {
    let house = Settings::from_env()?.house()?;
    let stop = stop_on_signal()?;
    let engine = house.engine().await?;
    let sandbox = Sandbox::find().await;
    if let Err(unavailable) = &sandbox {
        tracing::warn!("{unavailable}; products' tests run only on their forge");
    }
    let name = arguments.name.unwrap_or_else(process_name);
    tracing::info!(worker = %name, "worker {name} works");
    house.work(engine, name, sandbox, stop).await
}
