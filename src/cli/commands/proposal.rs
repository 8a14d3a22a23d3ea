//! `aspora proposal`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{Client, Exit, Printer, plain};
use crate::api::{AcceptProposal, DismissProposal, FiledProposal};

/// The subcommands of `aspora proposal`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List what is proposed because it came in several runs, newest first.
    List(List),
    /// Show a proposal and the runs behind it.
    Show(One),
    /// Accept a proposal; as a prompt_note, models are shown its text.
    Accept(Accept),
    /// Dismiss a proposal; one that was accepted is shown no more.
    Dismiss(Dismiss),
}

/// Which proposals to list.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this product.
    #[arg(short, long)]
    product: Option<String>,
    /// Only those that are open, accepted or dismissed.
    #[arg(long, value_parser = ["open", "accepted", "dismissed"])]
    state: Option<String>,
    /// Proposals per page.
    #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=100))]
    limit: i32,
    /// The cursor that the page before ended with.
    #[arg(long)]
    cursor: Option<Uuid>,
}

/// Names a proposal.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// The proposal's id.
    id: Uuid,
}

/// A proposal to accept.
#[derive(Debug, Args)]
pub(crate) struct Accept {
    /// The proposal's id.
    id: Uuid,
    /// The reason.
    #[arg(short, long)]
    reason: String,
    /// Another text than its own, in one line.
    #[arg(short, long)]
    text: Option<String>,
    /// Another kind than its own.
    #[arg(long = "as", value_name = "KIND", value_parser = ["policy_pattern", "harness_case", "prompt_note"])]
    kind: Option<String>,
}

/// A proposal that is not wanted.
#[derive(Debug, Args)]
pub(crate) struct Dismiss {
    /// The proposal's id.
    id: Uuid,
    /// The reason.
    #[arg(short, long)]
    reason: String,
}

/// Runs a subcommand.
///
/// # Errors
/// When the server refuses the request or cannot be reached.
pub(crate) async fn run(client: &Client, printer: &Printer, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(List { product, state, limit, cursor }) => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(product.map(|product| ("product", product)));
            query.extend(state.map(|state| ("state", state)));
            query.extend(cursor.map(|cursor| ("cursor", cursor.to_string())));
            let page = client.proposals(&query).await?;
            let mut text = table(&page.items);
            if let Some(next) = page.next_cursor {
                let _ = writeln!(text, "More: --cursor {next}");
            }
            printer.say(text.trim_end(), &page)?;
        }
        Command::Show(One { id }) => {
            let proposal = client.proposal(id).await?;
            printer.say(page(&proposal).trim_end(), &proposal)?;
        }
        Command::Accept(Accept { id, reason, text, kind }) => {
            let accepted = client.accept_proposal(id, &AcceptProposal { reason, text, kind }).await?;
            let kind = accepted.accepted_as.as_deref().unwrap_or(&accepted.kind);
            printer.say(&format!("Proposal {id} is accepted as {kind}."), &accepted)?;
        }
        Command::Dismiss(Dismiss { id, reason }) => {
            let dismissed = client.dismiss_proposal(id, &DismissProposal { reason }).await?;
            printer.say(&format!("Proposal {id} is dismissed."), &dismissed)?;
        }
    }
    Ok(Exit::Success)
}

fn table(proposals: &[FiledProposal]) -> String {
    if proposals.is_empty() {
        return "No proposals: nothing came in three runs of a product within thirty days.\n".to_owned();
    }
    let mut text = format!("{:<36} {:<9} {:<16} {:<14} TITLE\n", "ID", "STATE", "PRODUCT", "KIND");
    for it in proposals {
        let (id, state, title) = (it.id, &it.state, plain(&it.title));
        let _ = writeln!(text, "{id:<36} {state:<9} {:<16} {:<14} {title}", it.product, it.kind);
    }
    text
}

fn page(it: &FiledProposal) -> String {
    let mut text = format!("{}\n\n", plain(&it.title));
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12} {}", plain(value));
    };
    line("Product", &it.product);
    line("Cause", &it.cause);
    line("Kind", &it.kind);
    line("Text", &it.body);
    line("State", &it.state);
    line("Filed", &it.filed_at.format("%F at %R UTC").to_string());
    for run in &it.runs {
        line("Run", &run.to_string());
    }
    if let Some(kind) = &it.accepted_as {
        line("Accepted as", kind);
    }
    if let Some(note) = it.note.as_ref().filter(|note| **note != it.body) {
        line("With", note);
    }
    if let (Some(by), Some(why)) = (&it.decided_by, &it.reason) {
        line("Decided", &format!("by {by}: {why}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::cli::args::parses;

    #[test]
    fn a_decision_needs_an_id_and_a_reason() {
        const ID: &str = "019335d0-0000-7000-8000-000000000001";
        for (rest, good) in [
            (&["accept", ID, "-r", "R"][..], true),
            (&["accept", ID, "-r", "R", "--as", "prompt_note", "-t", "Round to cents."], true),
            (&["accept", ID, "-r", "R", "--as", "poem"], false),
            (&["accept", ID], false),
            (&["dismiss", ID, "-r", "R"], true),
            (&["dismiss", "x", "-r", "R"], false),
            (&["list", "--state", "open"], true),
            (&["list", "--state", "late"], false),
        ] {
            assert_eq!(parses("proposal", rest), good, "{rest:?}");
        }
    }
}
