//! `aspora schedule`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};

use super::{Client, Exit, Printer, options::Body, plain};
use crate::api::{NewSchedule, Schedule};

/// The subcommands of `aspora schedule`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List all schedules with their next ticks.
    List,
    /// Show a schedule and its latest ticks.
    Show(Name),
    /// Create or replace a schedule.
    Set(Set),
    /// Pause a schedule; ticks that it misses are not made up for.
    Pause(Control),
    /// Resume a paused schedule.
    Resume(Control),
    /// Remove a schedule; the requirements that it submitted stay.
    Remove(Name),
}

/// Names a schedule.
#[derive(Debug, Args)]
pub(crate) struct Name {
    /// The schedule's name.
    name: String,
}

/// A schedule, and the reason to control it.
#[derive(Debug, Args)]
pub(crate) struct Control {
    /// The schedule's name.
    name: String,
    /// The reason.
    #[arg(short, long)]
    reason: String,
}

/// A schedule to set.
#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The schedule's name: 1 to 40 of a-z, 0-9 and -, beginning with a letter.
    name: String,
    /// Cron expression in UTC: minute, hour, day of month, month, day of week, such as `0 6 * * mon-fri`.
    #[arg(long)]
    cron: String,
    /// The product.
    #[arg(short, long)]
    product: String,
    /// The title of each requirement.
    #[arg(short, long)]
    title: String,
    #[command(flatten)]
    body: Body,
    /// Priority, from 1 (highest) to 5 (lowest).
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=5))]
    priority: u8,
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
        Command::List => {
            let all = client.schedules().await?;
            printer.say(&table(&all), &all)?;
        }
        Command::Show(Name { name }) => {
            let schedule = client.schedule(&name).await?;
            printer.say(&page(&schedule), &schedule)?;
        }
        Command::Set(Set { name, cron, product, title, body, priority, reason }) => {
            let new = NewSchedule { cron, product, title, body: body.read()?, priority, reason };
            let schedule = client.set_schedule(&name, &new).await?;
            printer.say(&next(&schedule), &schedule)?;
        }
        Command::Pause(Control { name, reason }) => {
            let schedule = client.control_schedule(&name, "pause", reason).await?;
            printer.say(&next(&schedule), &schedule)?;
        }
        Command::Resume(Control { name, reason }) => {
            let schedule = client.control_schedule(&name, "resume", reason).await?;
            printer.say(&next(&schedule), &schedule)?;
        }
        Command::Remove(Name { name }) => {
            client.remove_schedule(&name).await?;
            let text = format!("Removed schedule `{name}`. The requirements that it submitted stay.");
            printer.say(&text, &serde_json::json!({ "removed": name }))?;
        }
    }
    Ok(Exit::Success)
}

fn next(schedule: &Schedule) -> String {
    match schedule.next_at {
        Some(at) => format!("Schedule `{}` ticks next on {}.", schedule.name, at.format("%F at %R UTC")),
        None => format!("Schedule `{}` is paused.", schedule.name),
    }
}

fn table(schedules: &[Schedule]) -> String {
    if schedules.is_empty() {
        return "No schedules; see `aspora schedule set --help`.".to_owned();
    }
    let mut text = format!("{:<24} {:<16} {:<20} {:<16} TITLE\n", "NAME", "NEXT (UTC)", "CRON", "PRODUCT");
    for schedule in schedules {
        let next = schedule.next_at.map_or_else(|| "paused".to_owned(), |at| at.format("%F %R").to_string());
        let Schedule { name, cron, product, title, .. } = schedule;
        let _ = writeln!(text, "{name:<24} {next:<16} {cron:<20} {product:<16} {}", plain(title));
    }
    text
}

fn page(schedule: &Schedule) -> String {
    let Schedule { cron, product, title, priority, updated_by, reason, updated_at, .. } = schedule;
    let mut text = format!(
        "{}\n{} (`{product}`, priority {priority}), by `{cron}` UTC\nset by {updated_by} on {}: {}\n",
        next(schedule),
        plain(title),
        updated_at.format("%F"),
        plain(reason)
    );
    for tick in schedule.ticks.iter().flatten() {
        let result = match (&tick.run_id, &tick.error) {
            (Some(run), _) => format!("run {run}"),
            (None, error) => format!("not submitted: {}", plain(error.as_deref().unwrap_or_default())),
        };
        let missed =
            if tick.missed > 0 { format!(" ({} missed before)", tick.missed) } else { String::new() };
        let _ = writeln!(text, "{}  {result}{missed}", tick.at.format("%F %R"));
    }
    text
}
