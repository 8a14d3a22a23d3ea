//! `aspora limit`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::{Client, Exit, Printer, plain};
use crate::{api::Limit, core::words::counted};

/// The subcommands of `aspora limit`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the limits, and how many jobs with each key are running.
    List,
    /// Set a limit.
    Set(Set),
    /// Remove a limit.
    Remove(Key),
}

/// A limit to set.
#[derive(Debug, Args)]
pub(crate) struct Set {
    #[command(flatten)]
    key: Key,
    /// Maximum number of jobs with the key that run concurrently.
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    most: i32,
}

/// A concurrency key, which several jobs can share.
#[derive(Debug, Args)]
pub(crate) struct Key {
    /// `product:<name>` or `model:<provider>`. (`merge:<owner>/<repo>:<base>` is always 1.)
    key: String,
}

/// Runs a subcommand.
///
/// # Errors
/// When the server refuses the request or cannot be reached.
pub(crate) async fn run(client: &Client, printer: &Printer, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::List => {
            let all = client.limits().await?;
            printer.say(&table(&all), &all)?;
        }
        Command::Set(Set { key: Key { key }, most }) => {
            let limit = client.set_limit(&key, most).await?;
            let text = format!("Limited `{key}` to {}.", counted(limit.most, "concurrent job"));
            printer.say(&text, &limit)?;
        }
        Command::Remove(Key { key }) => {
            client.remove_limit(&key).await?;
            let text = format!("Removed the limit of `{key}`.");
            printer.say(&text, &serde_json::json!({ "removed": key }))?;
        }
    }
    Ok(Exit::Success)
}

fn table(limits: &[Limit]) -> String {
    if limits.is_empty() {
        return "No limits, and no running jobs with a key.".to_owned();
    }
    let mut text = format!("{:>6} {:>6}  KEY\n", "HELD", "MOST");
    for limit in limits {
        let most = limit.most.map_or_else(|| "any".to_owned(), |most| most.to_string());
        let _ = writeln!(text, "{:>6} {most:>6}  {}", limit.held, plain(&limit.key));
    }
    text
}
