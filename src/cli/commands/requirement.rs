//! `aspora requirement`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{
    Client, Exit, Printer,
    amend::{self, AmendArgs, CancelArgs, ResubmitArgs},
    options::{Body, Id},
    plain,
};
use crate::{
    api::{NewBudget, NewRequester, NewRequirement, Requirement},
    core::words::counted,
};

/// The maximum page size of the server.
const PAGE: u32 = 100;

/// The subcommands of `aspora requirement`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Submit a requirement. Once this returns, it is stored and has a run.
    Submit(Submit),
    /// List requirements, newest first.
    List(List),
    /// Show one requirement.
    Show(Id),
    /// Follow its run to the end; exits with 3 unless the run succeeds.
    Watch(Id),
    /// Change the text while its run lives; the run goes on with the new one.
    Amend(AmendArgs),
    /// Cancel its run, whatever that waits for.
    Cancel(CancelArgs),
    /// Submit it again, edited or not, after its run ended without a merge.
    Resubmit(ResubmitArgs),
}

/// A requirement to submit.
#[derive(Debug, Args)]
pub(crate) struct Submit {
    /// The product.
    #[arg(short, long)]
    product: String,
    /// The title, one line; it becomes the title of the pull request.
    #[arg(short, long)]
    title: String,
    #[command(flatten)]
    body: Body,
    /// Priority, from 1 (highest) to 5 (lowest).
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=5))]
    priority: u8,
    /// Maximum number of tokens for the model calls of the run.
    #[arg(long, value_name = "TOKENS")]
    budget_tokens: Option<u64>,
    /// Maximum cost of these calls, in millionths of a dollar.
    #[arg(long, value_name = "MICRO-DOLLARS")]
    budget_micro_dollars: Option<u64>,
    /// Name of the person who asks for it.
    #[arg(long, value_name = "NAME")]
    requested_by: Option<String>,
    /// Login of that person on the forge; they cannot approve their own critical change.
    #[arg(long, value_name = "LOGIN")]
    forge_login: Option<String>,
    /// Follow the run to its end; exits with 3 unless the run succeeds.
    #[arg(short, long)]
    watch: bool,
}

/// Which requirements to list.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this product.
    #[arg(short, long)]
    product: Option<String>,
    /// Only runs in this state: active, waiting, paused, ended, succeeded, failed, blocked or cancelled; or unjudged: those
    /// whose pull request was merged although no verdict had cleared it.
    #[arg(short, long)]
    state: Option<String>,
    /// Only a view: needs-me, mine, stuck, over-budget or waiting.
    #[arg(short, long)]
    view: Option<String>,
    /// Only titles that contain this text.
    #[arg(short, long, value_name = "TEXT")]
    query: Option<String>,
    /// Maximum number of requirements.
    #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Runs a subcommand.
///
/// # Errors
/// When the server refuses the request or cannot be reached.
pub(crate) async fn run(client: &Client, printer: &Printer, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Submit(command) => submit(client, printer, command).await,
        Command::List(command) => list(client, printer, &command).await,
        Command::Show(Id { id }) => {
            let requirement = client.requirement(id).await?;
            printer.say(&page(&requirement), &requirement)?;
            Ok(Exit::Success)
        }
        Command::Watch(Id { id }) => {
            let requirement = client.requirement(id).await?;
            watch(client, printer, requirement.run_id).await
        }
        Command::Amend(command) => amend::amend(client, printer, command).await.map(|()| Exit::Success),
        Command::Cancel(command) => amend::cancel(client, printer, command).await.map(|()| Exit::Success),
        Command::Resubmit(command) => amend::resubmit(client, printer, command).await.map(|()| Exit::Success),
    }
}

async fn submit(client: &Client, printer: &Printer, command: Submit) -> anyhow::Result<Exit> {
    let body = command.body.read()?;
    let budget = NewBudget { tokens: command.budget_tokens, micro_dollars: command.budget_micro_dollars };
    let budget = (budget != NewBudget::default()).then_some(budget);
    let (product, title, priority) = (command.product, command.title, command.priority);
    let by = NewRequester { name: command.requested_by, forge_login: command.forge_login };
    let requested_by = (by != NewRequester::default()).then_some(by);
    let new = NewRequirement { product, title, body, priority, budget, requested_by, supersedes: None };
    let accepted = client.submit(&new).await?;
    printer.say(&amend::accepted_text(&accepted), &accepted)?;
    if command.watch { watch(client, printer, accepted.run_id).await } else { Ok(Exit::Success) }
}

/// Follows a run to its end and prints each event as it happens.
async fn watch(client: &Client, printer: &Printer, run: Uuid) -> anyhow::Result<Exit> {
    let ended = client.follow(run, |event| printer.event(event)).await?;
    printer.end(&ended)?;
    let succeeded = ended.ended_as.as_deref() == Some("succeeded");
    Ok(if succeeded { Exit::Success } else { Exit::RunNotSucceeded })
}

async fn list(client: &Client, printer: &Printer, command: &List) -> anyhow::Result<Exit> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let left = command.limit.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX));
        let mut query = vec![("limit", left.min(PAGE).to_string())];
        let given = [
            ("product", &command.product),
            ("state", &command.state),
            ("view", &command.view),
            ("q", &command.query),
            ("cursor", &cursor),
        ];
        query.extend(given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        let page = client.requirements(&query).await?;
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() || all.len() >= usize::try_from(command.limit).unwrap_or(usize::MAX) {
            break;
        }
    }
    printer.say(&table(&all), &all)?;
    Ok(Exit::Success)
}

fn state(requirement: &Requirement) -> String {
    match (&requirement.ended_as, &requirement.step) {
        (Some(end), _) => end.clone(),
        (None, Some(step)) => format!("{} in {step}", requirement.state),
        (None, None) => requirement.state.clone(),
    }
}

fn table(requirements: &[Requirement]) -> String {
    if requirements.is_empty() {
        return "No requirements.".to_owned();
    }
    let mut text = format!("{:<36}  {:<20} {:<6} {:<16} TITLE\n", "ID", "STATE", "PULL", "PRODUCT");
    for requirement in requirements {
        let pull = requirement.pull.map(|number| format!("#{number}")).unwrap_or_default();
        let (state, product) = (state(requirement), plain(&requirement.product));
        let title = plain(&requirement.title);
        let _ = writeln!(text, "{}  {state:<20} {pull:<6} {product:<16} {title}", requirement.id);
        if let Some(why) = &requirement.why {
            let _ = writeln!(text, "{:38}{}", "", plain(why));
        }
    }
    text
}

fn page(requirement: &Requirement) -> String {
    let body = requirement.body.as_deref().unwrap_or_default();
    let body: Vec<String> = body.lines().map(plain).collect();
    let mut beside = String::new();
    if let Some(edition) = requirement.edition.filter(|edition| *edition > 0) {
        let _ = writeln!(beside, "amended   {}", counted(edition.unsigned_abs(), "time"));
    }
    for (name, other) in [("replaces", requirement.supersedes), ("replaced", requirement.superseded_by)] {
        if let Some(other) = other {
            let _ = writeln!(beside, "{name}  {}{other}", if name == "replaced" { "by " } else { "" });
        }
    }
    format!(
        "{}\n\nid        {}\nproduct   {}\npriority  {}\ncreated   {}\nstate     {}\nrun       {}\n{beside}\n{}",
        plain(&requirement.title),
        requirement.id,
        plain(&requirement.product),
        requirement.priority,
        requirement.created_at.format("%Y-%m-%d %H:%M:%SZ"),
        state(requirement),
        requirement.run_id,
        body.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use crate::cli::args::parses;

    #[test]
    fn a_body_is_given_in_exactly_one_way() {
        let check = |rest: &[&str], good: bool| {
            assert_eq!(parses("requirement submit -p wealth -t T", rest), good, "{rest:?}");
        };
        check(&["--body", "B"], true);
        check(&["--body-file", "F"], true);
        check(&["-"], true);
        check(&[], false);
        check(&["--body", "B", "-"], false);
        check(&["--body", "B", "--body-file", "F"], false);
        check(&["file"], false);
        check(&["--body", "B", "--priority", "6"], false);
    }
}
