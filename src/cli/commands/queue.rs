//! `aspora queue`. A paused queue is one that is held: no job of it begins.

use std::fmt::Write as _;

use clap::Subcommand;

use super::{Client, Exit, Printer, hold, plain};
use crate::{api::Queue, core::workflow};

/// The subcommands of `aspora queue`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the queues: what is due, runs and waits in each, and who serves it.
    List,
    /// Hold a queue: no job of it begins until it is resumed. As `aspora hold --queue`.
    Pause {
        /// default, llm or github.
        queue: workflow::Queue,
        /// Why.
        #[arg(long)]
        reason: String,
    },
    /// Release a queue that is held. As `aspora release --queue`.
    Resume {
        /// default, llm or github.
        queue: workflow::Queue,
        /// How many of the jobs that are due may begin in a minute [default: all at once].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        per_minute: Option<u32>,
    },
}

/// Runs a subcommand.
///
/// # Errors
/// When the server refuses the request or cannot be reached.
pub(crate) async fn run(client: &Client, printer: &Printer, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::List => {
            let all = client.queues().await?;
            printer.say(&table(&all), &all)?;
            Ok(Exit::Success)
        }
        Command::Pause { queue, reason } => {
            hold::place(client, printer, hold::Place::of_queue(queue.to_string(), reason)).await
        }
        Command::Resume { queue, per_minute } => {
            hold::release(client, printer, hold::Free::of_queue(queue.to_string(), per_minute)).await
        }
    }
}

fn table(queues: &[Queue]) -> String {
    let mut text = format!(
        "{:<8} {:>6} {:>7} {:>9} {:>6} {:>7}  {:<20} HELD\n",
        "QUEUE", "DUE", "RUNNING", "SCHEDULED", "PAUSED", "WORKERS", "OLDEST DUE (UTC)"
    );
    for queue in queues {
        let Queue { due, running, scheduled, paused, workers, .. } = queue;
        let oldest =
            queue.oldest_due.map_or_else(|| "–".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S").to_string());
        let held = queue.held.as_ref().map_or_else(
            || "no".to_owned(),
            |hold| format!("by {}: {}", plain(&hold.by), plain(&hold.reason)),
        );
        let name = plain(&queue.name);
        let _ = writeln!(
            text,
            "{name:<8} {due:>6} {running:>7} {scheduled:>9} {paused:>6} {workers:>7}  {oldest:<20} {held}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::cli::args::parses;

    #[test]
    fn a_queue_is_paused_with_a_reason_and_resumed_at_a_pace() {
        assert!(parses("queue pause llm --reason r", &[]));
        assert!(parses("queue resume llm --per-minute 5", &[]));
        assert!(!parses("queue pause llm", &[]) && !parses("queue pause fast --reason r", &[]));
        assert!(!parses("queue resume llm --per-minute 0", &[]));
    }

    #[test]
    fn a_worker_is_run_or_asked_about() {
        assert!(parses("worker --name a --held", &[]) && parses("worker list", &[]));
        assert!(parses("worker drain a --reason r", &[]));
        assert!(!parses("worker drain a", &[]) && !parses("worker --held list", &[]));
    }
}
