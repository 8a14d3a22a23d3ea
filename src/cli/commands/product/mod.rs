//! `aspora product`.

mod add;
mod check;
mod dependencies;
mod put;

use std::fmt::Write as _;

use clap::Subcommand;

use self::{add::Add, check::Check, put::Put};
use super::{Client, Exit, Printer, init, plain};
use crate::{
    api::{Overview, PolicyOverview, Product, Reviewer, RunFigures},
    cli::text::short,
    core::words::counted,
};

/// The subcommands of `aspora product`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the products with their limits.
    List,
    /// Show a product's policy in words, its runs, its reviewers and its limits.
    Show {
        /// The product's name.
        name: String,
    },
    /// Add a product: look at its repository, and propose what it lacks by a pull request.
    Add(Add),
    /// Add a product, or change those of its settings that are given.
    Put(Box<Put>),
    /// Remove a product: no requirement is accepted for it any more; its runs and history stay.
    Remove {
        /// The product's name.
        name: String,
    },
    /// Write the repository of a new product: service, tests, policy and workflows, in one commit.
    Init(init::Init),
    /// Set up and test a folder of this machine as its product file says, in the sandbox of this machine.
    Check(Check),
}

/// Runs a subcommand.
///
/// # Errors
/// When the server refuses the request or cannot be reached.
pub(crate) async fn run(client: &Client, printer: &Printer, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::List => {
            let all = client.products().await?;
            printer.say(&table(&all), &all)?;
        }
        Command::Show { name } => {
            let overview = client.product(&name).await?;
            printer.say(&glance(&overview), &overview)?;
        }
        Command::Init(new) => return init::run(printer, &new),
        Command::Check(folder) => return check::run(printer, &folder).await,
        Command::Add(add) => add::run(client, printer, add).await?,
        Command::Put(put) => put::run(client, printer, *put).await?,
        Command::Remove { name } => {
            client.remove_product(&name).await?;
            let text = format!("Product `{}` is removed; its runs and history stay.", plain(&name));
            printer.say(&text, &serde_json::json!({ "removed": name }))?;
        }
    }
    Ok(Exit::Success)
}

fn reviewer(it: &Reviewer) -> String {
    let name = plain(it.name.as_ref().unwrap_or(&it.kind));
    match it.mode.as_deref() {
        Some("advisory") => format!("{name} (advisory)"),
        _ => name,
    }
}

/// A product at a glance.
fn glance(overview: &Overview) -> String {
    let Overview { product, policy, base: _, runs, reviewers, shadow } = overview;
    let mut text = format!(
        "{}: {}, branch {}\n",
        plain(&product.name),
        plain(&product.repository),
        plain(&product.base_branch)
    );
    let RunFigures { open, succeeded, blocked, failed, cancelled } = runs;
    let _ = writeln!(
        text,
        "Runs of 30 days: {open} open, {succeeded} succeeded, {blocked} need a person, {failed} failed, {cancelled} cancelled"
    );
    for reviewer in reviewers {
        let right = reviewer
            .precision
            .map_or_else(|| "not known yet".to_owned(), |share| format!("{:.0} %", share * 100.0));
        let _ = writeln!(
            text,
            "Reviews by {}: {} complete, {} failed; fixed or dismissed findings that were right: {right}",
            plain(&reviewer.name),
            reviewer.complete,
            reviewer.failed
        );
    }
    if let Some(shadow) = shadow {
        let (settled, right) = shadow.settled();
        let _ = writeln!(
            text,
            "Shadow mode: {right} of {settled} pull requests of others went as the verdict said; {} open",
            shadow.open
        );
    }
    match policy {
        None => text += "No change has been judged yet, so the policy has not been read.\n",
        Some(policy) => text += &demands(policy),
    }
    text
}

/// A policy in words, a paragraph a tier.
fn demands(policy: &PolicyOverview) -> String {
    let mut text = format!("Policy at {}:\n", short(&policy.commit));
    if let Some(fault) = &policy.fault {
        let _ = writeln!(text, "  {}", plain(fault));
    }
    for tier in &policy.tiers {
        let who = if tier.human { "people" } else { "people or a clean review" };
        let _ = writeln!(text, "  {}: {} by {who}", tier.tier, counted(tier.approvals, "approval"));
        let _ = writeln!(text, "    paths   {}", plain(&tier.patterns.join(" ")));
        let _ = writeln!(text, "    checks  {}", plain(&tier.checks.join(", ")));
    }
    text
}

fn table(products: &[Product]) -> String {
    if products.is_empty() {
        return "No products.".to_owned();
    }
    let mut text = format!("{:<20} {:>8} {:>8} {:>8}  REPOSITORY\n", "PRODUCT", "JOBS", "BACKLOG", "JUDGING");
    for product in products {
        let number = |limit: Option<i32>| limit.map_or_else(|| "any".to_owned(), |most| most.to_string());
        let (jobs, backlog) = (number(product.concurrency), number(product.backlog));
        let (name, repository, base) =
            (plain(&product.name), plain(&product.repository), plain(&product.base_branch));
        let judging = plain(&product.judging);
        let _ = write!(text, "{name:<20} {jobs:>8} {backlog:>8} {judging:>8}  {repository} ({base})");
        let reviewers: Vec<String> = product.reviewers.iter().map(reviewer).collect();
        let shown = if reviewers.is_empty() {
            String::new()
        } else {
            format!(", reviewed by {}", reviewers.join(", "))
        };
        let _ = writeln!(text, "{shown}");
    }
    text
}
