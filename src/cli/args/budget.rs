//! The words of `aspora budget`.

use std::str::FromStr;

use clap::{Args, Subcommand};
use uuid::Uuid;

/// See and set what model calls may use.
#[derive(Debug, Subcommand)]
pub enum Budget {
    /// Show limits, and what is used of them: of all products, of one, or of a run.
    Show(BudgetOf),
    /// Set limits; those that are not named stay. Runs that were paused for want of them go on.
    Set(SetBudget),
    /// Let go of what is held for a run's calls that were cut off, because they were not paid.
    Release(ReleaseBudget),
}

/// Whose budget.
#[derive(Debug, Args)]
pub struct BudgetOf {
    /// Only this product's.
    #[arg(short, long, conflicts_with = "run")]
    pub product: Option<String>,
    /// This run's.
    #[arg(short, long)]
    pub run: Option<Uuid>,
}

/// Which limits to set, and whose.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whose").required(true).args(["product", "run"]))]
#[command(group = clap::ArgGroup::new("limit").required(true).multiple(true)
    .args(["tokens", "micro_dollars", "daily_tokens", "daily_micro_dollars"]))]
pub struct SetBudget {
    /// The product's.
    #[arg(short, long)]
    pub product: Option<String>,
    /// The run's.
    #[arg(short, long)]
    pub run: Option<Uuid>,
    /// The most tokens, or `none`.
    #[arg(long)]
    pub tokens: Option<Cap>,
    /// The most millionths of a dollar, or `none`; needs ASPORA_PRICES where workers run.
    #[arg(long)]
    pub micro_dollars: Option<Cap>,
    /// The most tokens on each day in UTC, or `none`.
    #[arg(long, conflicts_with = "run")]
    pub daily_tokens: Option<Cap>,
    /// The most millionths of a dollar on each day in UTC, or `none`.
    #[arg(long, conflicts_with = "run")]
    pub daily_micro_dollars: Option<Cap>,
    /// Why.
    #[arg(long)]
    pub reason: String,
}

/// Which held calls to let go.
#[derive(Debug, Args)]
pub struct ReleaseBudget {
    /// The run.
    #[arg(short, long)]
    pub run: Uuid,
    /// Why.
    #[arg(long)]
    pub reason: String,
}

/// A limit that somebody names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cap {
    /// There shall be none.
    None,
    /// The most that may be used.
    Most(u64),
}

impl Cap {
    /// The limit that was named, or the one there is.
    #[must_use]
    pub fn or(named: Option<Self>, now: Option<u64>) -> Option<u64> {
        match named {
            Some(Self::None) => None,
            Some(Self::Most(most)) => Some(most),
            None => now,
        }
    }
}

impl FromStr for Cap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            _ => text
                .parse()
                .map(Self::Most)
                .map_err(|_| "a whole number of 0 or more, or `none`, is needed".to_owned()),
        }
    }
}
