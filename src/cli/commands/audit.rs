//! `aspora audit`: what people and keys did, and whether that is still as it was written.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{Client, Exit, Printer, key::Place, plain};
use crate::{
    api::{AuditEntry, AuditVerification},
    core::words::counted,
    store,
};

/// The subcommands of `aspora audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List what people and keys did, newest first.
    List(List),
    /// Check that every entry is as it was written; names the first that is not, and exits with 1.
    Verify(Verify),
}

/// Which acts to list.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only acts of this person.
    #[arg(long, value_name = "NAME")]
    person: Option<String>,
    /// Only acts on this run.
    #[arg(long, value_name = "ID")]
    run: Option<Uuid>,
    /// Maximum number of acts, 1 to 100.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
}

/// What to check.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The digest that an earlier check printed for its last entry: the log must still contain it.
    #[arg(long, value_name = "DIGEST")]
    contains: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Runs a subcommand.
///
/// # Errors
/// When the server or the database refuses it or cannot be reached.
pub(crate) async fn run(client: &Client, printer: &Printer, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(List { person, run, limit }) => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(person.map(|person| ("person", person)));
            query.extend(run.map(|run| ("run", run.to_string())));
            let page = client.audit(&query).await?;
            printer.say(&table(&page.items), &page)?;
            Ok(Exit::Success)
        }
        Command::Verify(verify) => self::verify(client, printer, verify).await,
    }
}

async fn verify(client: &Client, printer: &Printer, options: Verify) -> anyhow::Result<Exit> {
    let found: AuditVerification = match options.place.database().await? {
        Some(pool) => {
            let contained = match &options.contains {
                Some(digest) => store::audit::has_digest(&pool, digest).await?,
                None => true,
            };
            anyhow::ensure!(contained, "the log has no entry with this digest: it was cut off or replaced");
            store::audit::verify(&pool).await?.into()
        }
        None => {
            anyhow::ensure!(options.contains.is_none(), "--contains needs the database: set DATABASE_URL");
            client.verify_audit().await?
        }
    };
    let text = match (&found.head, found.first_bad) {
        (Some(head), _) => {
            let acts = counted(found.entries.unwrap_or_default(), "act");
            format!("The audit log is as it was written: {acts}; the last one has the digest {head}.")
        }
        (None, bad) => {
            let why = found.why.as_deref().unwrap_or_default();
            format!("The audit log is not as it was written: entry {}: {why}.", bad.unwrap_or_default())
        }
    };
    printer.say(&text, &found)?;
    Ok(if found.sound { Exit::Success } else { Exit::Unhealthy })
}

fn table(entries: &[AuditEntry]) -> String {
    if entries.is_empty() {
        return "No acts.".to_owned();
    }
    let mut text = String::new();
    for entry in entries {
        let reason = entry.reason.as_ref().map(|reason| format!(": {}", plain(reason))).unwrap_or_default();
        let _ = writeln!(
            text,
            "{:>6}  {}  {}  {}  {}{reason}",
            entry.seq,
            entry.at.format("%Y-%m-%d %H:%M:%S"),
            plain(&entry.person),
            plain(&entry.act),
            plain(&entry.subject)
        );
    }
    text
}
