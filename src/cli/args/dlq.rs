//! The words of `aspora dlq`.

use clap::{Args, Subcommand};

/// Look at jobs that used up their attempts, and give them another chance.
#[derive(Debug, Subcommand)]
pub enum Dlq {
    /// List them, newest first.
    List(Letters),
    /// Let their runs begin again at the steps that died, each once.
    Redrive(Redrive),
}

/// Which dead letters to list.
#[derive(Debug, Args)]
pub struct Letters {
    /// What they have in common.
    #[command(flatten)]
    pub shared: Shared,
    /// At most this many.
    #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: u32,
}

/// What dead letters have in common.
#[derive(Debug, Clone, Default, Args)]
pub struct Shared {
    /// Only this product.
    #[arg(short, long)]
    pub product: Option<String>,
    /// Only this step.
    #[arg(short, long)]
    pub step: Option<String>,
    /// Only errors that hold this text.
    #[arg(long, value_name = "TEXT")]
    pub error_contains: Option<String>,
}

/// Which dead letters get another chance: named ones, those that have something in common, or all.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true)
    .args(["ids", "product", "step", "error_contains", "all"]))]
pub struct Redrive {
    /// Their numbers.
    #[arg(value_name = "ID", conflicts_with_all = ["product", "step", "error_contains", "all"])]
    pub ids: Vec<i64>,
    /// What they have in common.
    #[command(flatten)]
    pub shared: Shared,
    /// Every one there is.
    #[arg(long, conflicts_with_all = ["product", "step", "error_contains"])]
    pub all: bool,
    /// Why, for those who read the history.
    #[arg(short, long)]
    pub reason: String,
}
