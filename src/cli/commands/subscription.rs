//! `aspora subscription`.

use std::{fmt::Write as _, io::Read as _};

use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use uuid::Uuid;

use super::{Client, Exit, Printer, options::Id, plain};
use crate::{
    api::{Deliveries, NewSubscription, Replay, Subscription},
    core::words::counted,
};

/// The subcommands of `aspora subscription`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Have what concerns you sent somewhere: to a program, to Slack, by mail.
    Create(Create),
    /// List your subscriptions; an admin sees all of them.
    List,
    /// Remove a subscription.
    Remove(Id),
    /// Send a message that only tries a subscription; see its deliveries.
    Test(Id),
    /// List what was sent to a subscription, newest first.
    Deliveries(Sent),
    /// Send messages again that were given up.
    Replay(Again),
}

/// Where messages go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    /// To a program: JSON, signed as Standard Webhooks.
    Webhook,
    /// To an incoming webhook of Slack.
    Slack,
    /// By mail.
    Email,
}

/// A subscription to make.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What kind of place it is.
    #[arg(value_enum)]
    target: Target,
    /// The URL or the mail address; `-` reads it from standard input, so that no list of processes shows it.
    address: String,
    /// Only this product; may be repeated.
    #[arg(long = "product", value_name = "NAME")]
    products: Vec<String>,
    /// Only this kind of notice: needs_you, merged, failed, over_budget, sla or proposal; may be repeated.
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// Everything of the products, for a channel of a team; only admins may.
    #[arg(long)]
    everything: bool,
}

/// Which messages to list.
#[derive(Debug, Args)]
pub(crate) struct Sent {
    /// The subscription.
    id: Uuid,
    /// Only messages in this state: due, delivered or dead.
    #[arg(short, long)]
    state: Option<String>,
    /// Maximum number of messages.
    #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
}

/// Which messages to send again.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).args(["deliveries", "all"]))]
pub(crate) struct Again {
    /// The subscription.
    id: Uuid,
    /// This message; may be repeated.
    #[arg(long = "delivery", value_name = "ID")]
    deliveries: Vec<Uuid>,
    /// Every message that was given up.
    #[arg(long)]
    all: bool,
}

/// Runs a subcommand.
///
/// # Errors
/// When the server refuses the request or cannot be reached.
pub(crate) async fn run(client: &Client, printer: &Printer, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Create(command) => {
            let made = client.subscribe(&new(command)?).await?;
            printer.say(&created(&made), &made)?;
        }
        Command::List => {
            let all = client.subscriptions().await?;
            printer.say(&table(&all), &all)?;
        }
        Command::Remove(Id { id }) => {
            client.unsubscribe(id).await?;
            printer.say(&format!("Removed subscription {id}."), &serde_json::json!({ "removed": id }))?;
        }
        Command::Test(Id { id }) => {
            let tried = client.test_subscription(id).await?;
            let text = format!("A message is on its way; `aspora subscription deliveries {id}` shows it.");
            printer.say(&text, &tried)?;
        }
        Command::Deliveries(Sent { id, state, limit }) => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(state.map(|state| ("state", state)));
            let page = client.deliveries(id, &query).await?;
            printer.say(&messages(&page), &page.items)?;
        }
        Command::Replay(Again { id, deliveries, all }) => {
            let ids = Some(deliveries).filter(|ids| !ids.is_empty());
            let done = client.replay(id, &Replay { ids, all }).await?;
            let count = i64::try_from(done.deliveries).unwrap_or(i64::MAX);
            printer.say(&format!("{} sent again.", counted(count, "message")), &done)?;
        }
    }
    Ok(Exit::Success)
}

fn new(command: Create) -> anyhow::Result<NewSubscription> {
    let target = match command.target {
        Target::Webhook => "webhook",
        Target::Slack => "slack",
        Target::Email => "email",
    };
    let mut address = command.address;
    if address == "-" {
        address.clear();
        std::io::stdin().read_to_string(&mut address).context("read the address from standard input")?;
    }
    Ok(NewSubscription {
        target: target.to_owned(),
        address: address.trim().to_owned(),
        secret: None,
        everything: command.everything,
        products: Some(command.products).filter(|products| !products.is_empty()),
        kinds: Some(command.kinds).filter(|kinds| !kinds.is_empty()),
    })
}

fn created(made: &Subscription) -> String {
    let mut text = format!("Subscription {} sends to {}.", made.id, plain(&made.address));
    if let Some(secret) = &made.secret {
        let _ = write!(
            text,
            "\nIts webhooks are signed with this secret, which is not shown again:\n{}",
            plain(secret)
        );
    }
    text
}

fn table(all: &[Subscription]) -> String {
    if all.is_empty() {
        return "No subscriptions.".to_owned();
    }
    let mut text = format!("{:<36}  {:<8} {:<8} {:<30} OF\n", "ID", "STATE", "TO", "ADDRESS");
    for one in all {
        let whose = if one.everything { "everything" } else { one.owner.as_str() };
        let mut of = vec![plain(whose)];
        of.extend(one.products.as_ref().map(|products| plain(&products.join(","))));
        of.extend(one.kinds.as_ref().map(|kinds| plain(&kinds.join(","))));
        if one.dead > 0 {
            of.push(format!("({} given up)", one.dead));
        }
        of.extend(one.error.as_ref().map(|error| plain(error)));
        let (state, target) = (plain(&one.state), plain(&one.target));
        let address = plain(&one.address);
        let _ = writeln!(text, "{}  {state:<8} {target:<8} {address:<30} {}", one.id, of.join(" "));
    }
    text
}

fn messages(page: &Deliveries) -> String {
    if page.items.is_empty() {
        return "Nothing was sent.".to_owned();
    }
    let mut text = format!("{:<36}  {:<20} {:<9} {:>5}  MESSAGE\n", "ID", "SINCE (UTC)", "STATE", "TRIES");
    for one in &page.items {
        let since = one.owed_at.format("%Y-%m-%d %H:%M:%S");
        let error = one.error.as_ref().map(|error| format!(" [{}]", plain(error))).unwrap_or_default();
        let (state, headline) = (plain(&one.state), plain(&one.headline));
        let _ = writeln!(text, "{}  {since:<20} {state:<9} {:>5}  {headline}{error}", one.id, one.attempts);
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::cli::args::parses;

    #[test]
    fn what_is_sent_again_is_named() {
        let check = |rest: &[&str], good: bool| {
            let id = "0190a5c4-7b1e-7c3a-9f00-2b8a1c4d5e6f";
            let rest: Vec<&str> = [id].iter().chain(rest).copied().collect();
            assert_eq!(parses("subscription replay", &rest), good, "{rest:?}");
        };
        check(&["--all"], true);
        check(&["--delivery", "0190a5c4-7b1e-7c3a-9f00-2b8a1c4d5e6f"], true);
        check(&[], false);
        check(&["--all", "--delivery", "0190a5c4-7b1e-7c3a-9f00-2b8a1c4d5e6f"], false);
    }
}
