//! `aspora hold` and `aspora release`.

use std::fmt::Write as _;

use anyhow::bail;
use clap::Args;

use super::{Client, Exit, Printer, plain};
use crate::{
    api::{Hold, NewHold, Release},
    core::words::counted,
};

/// What to hold or release: everything, unless one of these is named.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct What {
    /// Only the runs of this product.
    #[arg(long, value_name = "NAME")]
    product: Option<String>,
    /// Only this queue: default, llm or github.
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Only this worker, by its name in attempts and events.
    #[arg(long, value_name = "NAME")]
    worker: Option<String>,
}

impl What {
    fn scope(&self) -> String {
        let kinds = [("product", &self.product), ("queue", &self.queue), ("worker", &self.worker)];
        let named = kinds.into_iter().find_map(|(kind, name)| Some(format!("{kind}:{}", name.as_ref()?)));
        named.unwrap_or_else(|| "all".to_owned())
    }
}

/// The arguments of `aspora hold`.
#[derive(Debug, Args)]
pub(crate) struct Place {
    #[command(flatten)]
    what: What,
    /// Why; without a reason the holds are listed.
    #[arg(long)]
    reason: Option<String>,
}

/// The arguments of `aspora release`.
#[derive(Debug, Args)]
pub(crate) struct Free {
    #[command(flatten)]
    what: What,
    /// How many of the jobs that are due may begin in a minute [default: all at once].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    per_minute: Option<u32>,
}

impl Place {
    /// A hold of a queue.
    pub(super) const fn of_queue(queue: String, reason: String) -> Self {
        Self { what: What { product: None, queue: Some(queue), worker: None }, reason: Some(reason) }
    }
}

impl Free {
    /// The release of a queue.
    pub(super) const fn of_queue(queue: String, per_minute: Option<u32>) -> Self {
        Self { what: What { product: None, queue: Some(queue), worker: None }, per_minute }
    }
}

/// Holds what the options name, or lists the holds.
///
/// # Errors
/// When the server refuses the request or cannot be reached.
pub(crate) async fn place(client: &Client, printer: &Printer, options: Place) -> anyhow::Result<Exit> {
    let Some(reason) = options.reason else {
        if options.what.scope() != "all" {
            bail!("say why with --reason; without an option, `aspora hold` lists what is held");
        }
        let all = client.holds().await?;
        printer.say(&table(&all), &all)?;
        return Ok(Exit::Success);
    };
    let hold = client.hold(&NewHold { scope: options.what.scope(), reason }).await?;
    let running = hold.running.unwrap_or(0);
    let text = format!(
        "Held `{}` since {}: {}. No job of it begins; {} may still end.",
        plain(&hold.scope),
        hold.since.format("%Y-%m-%d %H:%M:%S UTC"),
        plain(&hold.reason),
        counted(running, "running attempt")
    );
    printer.say(&text, &hold)?;
    Ok(Exit::Success)
}

/// Releases what the options name.
///
/// # Errors
/// As [`place`].
pub(crate) async fn release(client: &Client, printer: &Printer, options: Free) -> anyhow::Result<Exit> {
    let release = Release { scope: options.what.scope(), per_minute: options.per_minute };
    let released = client.release_hold(&release).await?;
    let due = i64::try_from(released.due).unwrap_or(i64::MAX);
    let pace = options.per_minute.map(|many| format!(", {many} a minute")).unwrap_or_default();
    let text = format!("Released `{}`: {} due{pace}.", plain(&released.scope), counted(due, "job"));
    printer.say(&text, &released)?;
    Ok(Exit::Success)
}

fn table(holds: &[Hold]) -> String {
    if holds.is_empty() {
        return "Nothing is held.".to_owned();
    }
    let mut text = format!("{:<24} {:<20} {:<16} REASON\n", "SCOPE", "SINCE (UTC)", "BY");
    for hold in holds {
        let since = hold.since.format("%Y-%m-%d %H:%M:%S");
        let (scope, by, reason) = (plain(&hold.scope), plain(&hold.by), plain(&hold.reason));
        let _ = writeln!(text, "{scope:<24} {since:<20} {by:<16} {reason}");
    }
    text
}
