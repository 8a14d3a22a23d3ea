//! `aspora dlq`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::{Client, Exit, Printer, plain};
use crate::{
    api::{self, DeadLetter, DeadLetters, RedriveFilter, Redriven},
    core::words::counted,
};

/// The maximum page size of the server.
const PAGE: usize = 100;

/// The subcommands of `aspora dlq`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List dead letters, newest first.
    List(List),
    /// Retry their runs at the steps that failed; each dead letter can be redriven once.
    Redrive(Redrive),
}

/// Which dead letters to list.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    filter: Filter,
    /// Maximum number of dead letters.
    #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Which dead letters to redrive: by id, by filter, or all.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true)
    .args(["ids", "product", "step", "error_contains", "all"]))]
pub(crate) struct Redrive {
    /// Ids of the dead letters.
    #[arg(value_name = "ID", conflicts_with_all = ["product", "step", "error_contains", "all"])]
    ids: Vec<i64>,
    #[command(flatten)]
    filter: Filter,
    /// All dead letters.
    #[arg(long, conflicts_with_all = ["product", "step", "error_contains"])]
    all: bool,
    /// The reason, recorded in the history.
    #[arg(short, long)]
    reason: String,
}

/// Selects dead letters by what they have in common.
#[derive(Debug, Clone, Default, Args)]
struct Filter {
    /// Only this product.
    #[arg(short, long)]
    product: Option<String>,
    /// Only this step.
    #[arg(short, long)]
    step: Option<String>,
    /// Only errors that contain this text.
    #[arg(long, value_name = "TEXT")]
    error_contains: Option<String>,
}

/// Runs a subcommand.
///
/// # Errors
/// When the server refuses the request or cannot be reached.
pub(crate) async fn run(client: &Client, printer: &Printer, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(List { filter, limit }) => {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let items = dead_letters(client, &filter, limit).await?;
            printer.say(&table(&items), &DeadLetters { items, next_cursor: None })?;
        }
        Command::Redrive(command) => redrive(client, printer, command).await?,
    }
    Ok(Exit::Success)
}

/// Fails if the server refuses one of them; it redrives the others nevertheless.
async fn redrive(client: &Client, printer: &Printer, command: Redrive) -> anyhow::Result<()> {
    let mut body = api::Redrive { reason: command.reason, ..api::Redrive::default() };
    if command.ids.is_empty() {
        let seen = dead_letters(client, &command.filter, usize::MAX).await?.len();
        let Filter { product, step, error_contains } = command.filter;
        body.filter = Some(RedriveFilter { product, step, error_contains, died_before: None });
        body.expect = Some(u32::try_from(seen)?);
        body.all = command.all;
    } else {
        body.ids = Some(command.ids);
    }
    let redriven = client.redrive(&body).await?;
    printer.say(&results(&redriven), &redriven)?;
    let refused = redriven.items.iter().filter(|letter| letter.done == "refused").count();
    anyhow::ensure!(
        refused == 0,
        "the server refused {refused} of {}",
        counted(redriven.items.len(), "dead letter")
    );
    Ok(())
}

async fn dead_letters(client: &Client, filter: &Filter, limit: usize) -> anyhow::Result<Vec<DeadLetter>> {
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let size = PAGE.min(limit.saturating_sub(items.len()));
        let mut query = vec![("limit", size.to_string())];
        let pairs = [
            ("product", &filter.product),
            ("step", &filter.step),
            ("error_contains", &filter.error_contains),
        ];
        query.extend(pairs.iter().filter_map(|(name, value)| Some((*name, (*value).clone()?))));
        query.extend(cursor.map(|cursor: i64| ("cursor", cursor.to_string())));
        let page = client.dead_letters(&query).await?;
        items.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() || items.len() >= limit {
            return Ok(items);
        }
    }
}

fn table(items: &[DeadLetter]) -> String {
    let mut text = String::new();
    for letter in items {
        let DeadLetter { id, run_id, product, step, attempts, error, died_at, .. } = letter;
        let at = died_at.format("%Y-%m-%d %H:%M:%S");
        let _ = writeln!(text, "{id:>6}  {at}  {run_id}  {product} {step} x{attempts}: {}", plain(error));
    }
    if text.is_empty() { "No dead letters.".to_owned() } else { text }
}

fn results(redriven: &Redriven) -> String {
    let mut text = String::new();
    for letter in &redriven.items {
        let detail = letter.detail.as_deref().map(|detail| format!(": {}", plain(detail)));
        let _ = writeln!(text, "{:>6}  {}{}", letter.id, letter.done, detail.unwrap_or_default());
    }
    if text.is_empty() { "No dead letters to redrive.".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use crate::cli::args::parses;

    #[test]
    fn a_redrive_names_its_dead_letters() {
        let check = |rest: &[&str], good: bool| assert_eq!(parses("dlq redrive", rest), good, "{rest:?}");
        check(&["7", "8", "--reason", "R"], true);
        check(&["--all", "--reason", "R"], true);
        check(&["--product", "wealth", "--error-contains", "503", "--reason", "R"], true);
        check(&["--reason", "R"], false);
        check(&["--all"], false);
        check(&["7", "--all", "--reason", "R"], false);
        check(&["--all", "--step", "review", "--reason", "R"], false);
    }
}
