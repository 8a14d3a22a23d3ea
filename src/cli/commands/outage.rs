//! `aspora outage`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::{Client, Exit, Printer, plain};
use crate::{api::Outage, core::words::counted};

/// The subcommands of `aspora outage`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the providers that do not answer, and how many jobs wait for each.
    List,
    /// Probe a provider now instead of at its next interval; the jobs that wait for it are due.
    Probe(Probe),
}

/// A probe by hand.
#[derive(Debug, Args)]
pub(crate) struct Probe {
    /// `forge <host>`, `git <host>` or `model <host>/<model>`, as `outage list` prints it.
    provider: String,
    /// Why, for those who read the logs.
    #[arg(long)]
    reason: String,
}

/// Runs a subcommand.
///
/// # Errors
/// When the server refuses the request or cannot be reached.
pub(crate) async fn run(client: &Client, printer: &Printer, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::List => {
            let all = client.outages().await?;
            printer.say(&table(&all), &all)?;
        }
        Command::Probe(Probe { provider, reason }) => {
            let probe = client.probe(&provider, reason).await?;
            let waiting = counted(probe.waiting, "waiting job");
            let text = format!("The next probe of `{}` is due, with {waiting}.", plain(&probe.provider));
            printer.say(&text, &probe)?;
        }
    }
    Ok(Exit::Success)
}

fn table(outages: &[Outage]) -> String {
    if outages.is_empty() {
        return "Every provider answers.".to_owned();
    }
    let mut text = format!(
        "{:<20} {:<20} {:>6} {:>7}  PROVIDER: LAST ERROR\n",
        "SINCE", "NEXT PROBE", "PROBES", "WAITING"
    );
    for one in outages {
        let Outage { probes, waiting, .. } = one;
        let [since, next] = [one.since, one.next_probe_at].map(|at| at.format("%Y-%m-%d %H:%M:%S"));
        let (provider, error) = (plain(&one.provider), plain(&one.last_error));
        let _ = writeln!(text, "{since:<20} {next:<20} {probes:>6} {waiting:>7}  {provider}: {error}");
    }
    text
}
