//! The words of `aspora schedule`.

use clap::{Args, Subcommand};

use super::Body;

/// What is asked for again and again.
#[derive(Debug, Subcommand)]
pub enum Schedule {
    /// List all schedules and when each ticks next.
    List,
    /// Show one, with what its last ticks came to.
    Show(ScheduleName),
    /// Set one, new or anew.
    Set(SetSchedule),
    /// Let it tick no more until it is resumed; what it misses is not made up for.
    Pause(HoldSchedule),
    /// Let it tick again.
    Resume(HoldSchedule),
    /// Remove it; what it has submitted stays.
    Remove(ScheduleName),
}

/// Which one.
#[derive(Debug, Args)]
pub struct ScheduleName {
    /// Its name.
    pub name: String,
}

/// Which one, and why.
#[derive(Debug, Args)]
pub struct HoldSchedule {
    /// Its name.
    pub name: String,
    /// Why.
    #[arg(short, long)]
    pub reason: String,
}

/// A schedule to set.
#[derive(Debug, Args)]
pub struct SetSchedule {
    /// Its name: 1 to 40 of a-z, 0-9 and -, beginning with a letter.
    pub name: String,
    /// When, in UTC: minute, hour, day of the month, month, day of the week, as `0 6 * * mon-fri`.
    #[arg(long)]
    pub cron: String,
    /// The product that shall have what is asked for.
    #[arg(short, long)]
    pub product: String,
    /// The title of each requirement.
    #[arg(short, long)]
    pub title: String,
    /// Where the body of each requirement is written.
    #[command(flatten)]
    pub body: Body,
    /// 1 (first) to 5 (last).
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=5))]
    pub priority: u8,
    /// Why.
    #[arg(short, long)]
    pub reason: String,
}
