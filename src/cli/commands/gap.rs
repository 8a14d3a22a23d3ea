//! `aspora gap`.

use std::{fmt::Write as _, path::PathBuf};

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{Client, Exit, Printer, options, plain};
use crate::{
    api::{DismissGap, Gap, NewGap},
    core::{gap::STATES, incident::BODY_LIMIT},
};

/// The subcommands of `aspora gap`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Open a harness gap: an incident that no case of the harness would have caught.
    Open(Open),
    /// List harness gaps with their clocks, newest first.
    List(List),
    /// Show a harness gap and what happened to it.
    Show(One),
    /// Say that there is no gap: the clock is stopped and the issue is closed.
    Dismiss(Dismiss),
}

/// A gap to open.
#[derive(Debug, Args)]
pub(crate) struct Open {
    /// The product that it happened to.
    #[arg(short, long)]
    product: String,
    /// What went wrong, in one line.
    #[arg(short, long)]
    title: String,
    /// What is known of it: how it shows, since when, what was expected.
    #[arg(short, long, conflicts_with = "body_file")]
    body: Option<String>,
    /// Read that from a file; `-` means stdin.
    #[arg(short = 'F', long, value_name = "FILE")]
    body_file: Option<PathBuf>,
    /// Where it is reported in full.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// When it happened, such as 2026-11-30T14:05:00Z; the clock begins then. Default: now.
    #[arg(long, value_name = "TIME")]
    happened_at: Option<DateTime<Utc>>,
    /// What it is known by elsewhere: the same key opens no second gap.
    #[arg(long)]
    key: Option<String>,
}

/// Which gaps to list.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this product.
    #[arg(short, long)]
    product: Option<String>,
    /// Only those that are open, overdue, converted or dismissed.
    #[arg(long, value_parser = STATES)]
    state: Option<String>,
    /// Gaps per page.
    #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=100))]
    limit: i32,
    /// The cursor that the page before ended with.
    #[arg(long)]
    cursor: Option<Uuid>,
}

/// Names a gap.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// The gap's id.
    id: Uuid,
}

/// A gap that is none.
#[derive(Debug, Args)]
pub(crate) struct Dismiss {
    /// The gap's id.
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
        Command::Open(Open { product, title, body, body_file, url, happened_at, key }) => {
            let body = match body_file {
                Some(file) => options::read(Some(&file), BODY_LIMIT, "the body")?,
                None => body.unwrap_or_default(),
            };
            let new = NewGap { product, title, body, url, happened_at, key };
            let opened = client.open_gap(&new).await?;
            let due = opened.due_at.format("%F at %R UTC");
            let what = if opened.is_new { "is open" } else { "is there already" };
            printer
                .say(&format!("Harness gap {} {what}; its case is due on {due}.", opened.gap_id), &opened)?;
        }
        Command::List(List { product, state, limit, cursor }) => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(product.map(|product| ("product", product)));
            query.extend(state.map(|state| ("state", state)));
            query.extend(cursor.map(|cursor| ("cursor", cursor.to_string())));
            let page = client.gaps(&query).await?;
            let mut text = table(&page.items);
            if let Some(next) = page.next_cursor {
                let _ = writeln!(text, "More: --cursor {next}");
            }
            printer.say(text.trim_end(), &page)?;
        }
        Command::Show(One { id }) => {
            let gap = client.gap(id).await?;
            printer.say(&page(&gap), &gap)?;
        }
        Command::Dismiss(Dismiss { id, reason }) => {
            let gap = client.dismiss_gap(id, &DismissGap { reason }).await?;
            printer.say(&format!("Harness gap {id} is dismissed; its clock is stopped."), &gap)?;
        }
    }
    Ok(Exit::Success)
}

/// What a clock shows, in a word or two.
fn clock(gap: &Gap) -> String {
    match (gap.state.as_str(), gap.clock.used_percent) {
        ("dismissed", _) => "dismissed".to_owned(),
        (_, Some(percent)) if gap.clock.reading == "running" => format!("{percent} % used"),
        _ => gap.clock.reading.replace('_', " "),
    }
}

fn table(gaps: &[Gap]) -> String {
    if gaps.is_empty() {
        return "No harness gaps; see `aspora gap open --help`.\n".to_owned();
    }
    let mut text =
        format!("{:<36} {:<11} {:<16} {:<16} {:<7} TITLE\n", "ID", "CLOCK", "DUE (UTC)", "PRODUCT", "ISSUE");
    for gap in gaps {
        let (due, issue) =
            (gap.clock.due_at.format("%F %R"), gap.issue.map_or("-".to_owned(), |it| format!("#{it}")));
        let (id, clock, title) = (gap.id, clock(gap), plain(&gap.title));
        let _ = writeln!(text, "{id:<36} {clock:<11} {due:<16} {:<16} {issue:<7} {title}", gap.product);
    }
    text
}

fn page(gap: &Gap) -> String {
    let mut text = format!("{}\n\n", plain(&gap.title));
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "{name:<12} {value}");
    };
    line("Clock", format!("{}; due on {}", clock(gap), gap.clock.due_at.format("%F at %R UTC")));
    line("Product", format!("{} ({})", gap.product, gap.repository));
    line("Happened", format!("{}, reported by {}", gap.happened_at.format("%F at %R UTC"), gap.source));
    line("Issue", gap.issue.map_or("not made yet".to_owned(), |issue| format!("#{issue}")));
    if let Some(run) = gap.run_id {
        line("Run", run.to_string());
    }
    if let Some(pull) = gap.case_pull {
        line("Case", format!("#{pull}: {}", gap.case_files.join(", ")));
    }
    if let Some(run) = gap.caused_by {
        line("Caused by", format!("run {run}"));
    }
    if let Some(url) = &gap.url {
        line("More", plain(url));
    }
    if let Some(body) = gap.body.as_deref().filter(|body| !body.is_empty()) {
        let _ = write!(text, "\n{}\n", body.lines().map(plain).collect::<Vec<_>>().join("\n"));
    }
    text.push('\n');
    for event in gap.events.iter().flatten() {
        let _ = writeln!(text, "{} {:<10} {}", event.at.format("%F %R"), event.actor, plain(&event.note));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use crate::cli::args::parses;

    #[test]
    fn a_gap_needs_a_product_and_a_title_and_nothing_more() {
        for (rest, good) in [
            (&["-p", "wealth", "-t", "T"][..], true),
            (
                &[
                    "-p",
                    "wealth",
                    "-t",
                    "T",
                    "-b",
                    "B",
                    "--key",
                    "INC-1",
                    "--happened-at",
                    "2026-11-30T14:05:00Z",
                ],
                true,
            ),
            (&["-p", "wealth", "-t", "T", "-F", "-"], true),
            (&["-p", "wealth", "-t", "T", "-b", "B", "-F", "-"], false),
            (&["-p", "wealth", "-t", "T", "--happened-at", "yesterday"], false),
            (&["-t", "T"], false),
        ] {
            assert_eq!(parses("gap open", rest), good, "{rest:?}");
        }
    }
}
