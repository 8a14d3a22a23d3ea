//! The words of `aspora product` and `aspora limit`.

use clap::{Args, Subcommand};

/// Say what can be asked for, and how much of it at once.
#[derive(Debug, Subcommand)]
pub enum Product {
    /// List the products with their limits.
    List,
    /// Add a product or bring one to these values; a limit that is left out is no limit.
    Put(PutProduct),
}

/// A product's values.
#[derive(Debug, Args)]
pub struct PutProduct {
    /// Its name.
    pub name: String,
    /// Its repository on the forge, `owner/name`.
    pub repository: String,
    /// The branch that changes are merged into.
    #[arg(long, default_value = "main")]
    pub base_branch: String,
    /// The most runs that may be open at once.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    pub backlog: Option<i32>,
    /// The most jobs that are worked on at once.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    pub concurrency: Option<i32>,
    /// The command that runs its tests in the sandbox.
    #[arg(last = true, value_name = "TEST_COMMAND")]
    pub test_command: Vec<String>,
}

/// Limit how many jobs are worked on at once.
#[derive(Debug, Subcommand)]
pub enum Limit {
    /// List the limits and how many jobs each key holds now.
    List,
    /// Set a limit.
    Set(SetLimit),
    /// Remove a limit.
    Remove(LimitKey),
}

/// A limit to set.
#[derive(Debug, Args)]
pub struct SetLimit {
    /// The key.
    #[command(flatten)]
    pub key: LimitKey,
    /// The most jobs held at once.
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    pub most: i32,
}

/// What jobs share.
#[derive(Debug, Args)]
pub struct LimitKey {
    /// `product:<name>` or `model:<provider>`; `merge:<owner>/<repo>:<base>` is always 1.
    pub key: String,
}
