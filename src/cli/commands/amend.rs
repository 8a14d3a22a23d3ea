//! `aspora requirement amend`, `cancel` and `resubmit`.

use std::path::PathBuf;

use clap::Args;
use uuid::Uuid;

use super::{Client, Printer, options, plain};
use crate::{
    api::{Accepted, Amend, Resubmit},
    core::requirement::BODY_LIMIT,
};

/// The new text of a requirement; what is left out stays as it is.
#[derive(Debug, Args)]
pub(crate) struct NewText {
    /// The new title.
    #[arg(short, long)]
    title: Option<String>,
    /// The new body.
    #[arg(short, long, conflicts_with = "file")]
    body: Option<String>,
    /// Read the new body from a file; `-` means stdin.
    #[arg(short = 'F', long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl NewText {
    fn read(self) -> anyhow::Result<(Option<String>, Option<String>)> {
        let body = match (self.body, self.file) {
            (None, Some(file)) => Some(options::read(Some(&file), BODY_LIMIT, "the body")?),
            (body, _) => body,
        };
        Ok((self.title, body))
    }
}

/// The arguments of `amend`.
#[derive(Debug, Args)]
pub(crate) struct AmendArgs {
    /// Id of the requirement.
    id: Uuid,
    #[command(flatten)]
    text: NewText,
    /// The reason, recorded in the history.
    #[arg(short, long)]
    reason: String,
}

/// The arguments of `cancel`.
#[derive(Debug, Args)]
pub(crate) struct CancelArgs {
    /// Id of the requirement.
    id: Uuid,
    /// The reason, recorded in the history.
    #[arg(short, long)]
    reason: String,
}

/// The arguments of `resubmit`.
#[derive(Debug, Args)]
pub(crate) struct ResubmitArgs {
    /// Id of the requirement.
    id: Uuid,
    #[command(flatten)]
    text: NewText,
    /// Priority, from 1 (highest) to 5 (lowest) [default: as before].
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=5))]
    priority: Option<u8>,
}

/// Gives a requirement another text while its run lives.
pub(super) async fn amend(client: &Client, printer: &Printer, command: AmendArgs) -> anyhow::Result<()> {
    let (title, body) = command.text.read()?;
    anyhow::ensure!(title.is_some() || body.is_some(), "give --title, --body or --file");
    let requirement = client.amend(command.id, &Amend { title, body, reason: command.reason }).await?;
    let edition = requirement.edition.unwrap_or_default();
    printer.say(&format!("Requirement {} is at edition {edition}.", requirement.id), &requirement)
}

/// Cancels the run of a requirement.
pub(super) async fn cancel(client: &Client, printer: &Printer, command: CancelArgs) -> anyhow::Result<()> {
    let requirement = client.cancel_requirement(command.id, command.reason).await?;
    let state = requirement.ended_as.as_deref().unwrap_or(&requirement.state);
    printer.say(&format!("Requirement {} is {}.", requirement.id, plain(state)), &requirement)
}

/// Submits a requirement again.
pub(super) async fn resubmit(
    client: &Client,
    printer: &Printer,
    command: ResubmitArgs,
) -> anyhow::Result<()> {
    let (title, body) = command.text.read()?;
    let accepted = client.resubmit(command.id, &Resubmit { title, body, priority: command.priority }).await?;
    printer.say(&accepted_text(&accepted), &accepted)
}

/// What was accepted, and what is worth knowing about it.
pub(super) fn accepted_text(accepted: &Accepted) -> String {
    let place = accepted.supersedes.map(|earlier| format!(" in place of {earlier}")).unwrap_or_default();
    let mut text = format!("Submitted requirement {}{place}; its run is {}.", accepted.id, accepted.run_id);
    for warning in &accepted.warnings {
        text += &format!("\nWarning: {}.", plain(&warning.detail));
    }
    text + "\n" + &plain(&accepted.page_url)
}
