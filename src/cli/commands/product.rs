//! `aspora product`.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{Args, Subcommand};

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
    /// Create or replace a product; a limit that is not given is removed.
    Put(Box<Put>),
    /// Write the repository of a new product: service, tests, policy and workflows, in one commit.
    Init(init::Init),
}

/// The configuration of a product.
#[derive(Debug, Args)]
pub(crate) struct Put {
    /// The product's name.
    name: String,
    /// The product's repository, `owner/name`.
    repository: String,
    /// The branch that changes are merged into.
    #[arg(long, default_value = "main")]
    base_branch: String,
    /// How pull requests are merged.
    #[arg(long, default_value = "merge", value_parser = ["merge", "squash", "rebase"])]
    merge_method: String,
    /// Maximum number of open runs.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    backlog: Option<i32>,
    /// Maximum number of concurrent jobs.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    concurrency: Option<i32>,
    /// Maximum number of our pull requests that may be open in the repository at once [default: 50].
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    open_pulls: Option<i32>,
    /// The app whose check `Browser Evidence` counts, by its slug or number.
    #[arg(long, value_name = "APP")]
    evidence_app: Option<String>,
    /// After this many minutes without progress a check has failed, where the policy does not say.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(i32).range(1..))]
    check_deadline: Option<i32>,
    /// After this many hours of a wait for people, they are notified again [default: 24].
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(i16).range(1..=720))]
    answer_hours: Option<i16>,
    /// A file with the list of its reviewers in JSON [default: the built-in reviewer alone].
    #[arg(long, value_name = "FILE")]
    reviewers: Option<PathBuf>,
    /// Whether the pull requests that other people and programs open are judged; `shadow` says nothing on the forge.
    #[arg(long, default_value = "off", value_parser = ["off", "shadow", "on"])]
    judging: String,
    /// Merge those once they are cleared; otherwise only where a person asks for it.
    #[arg(long)]
    merge_theirs: bool,
    /// Run the product's tests on their heads too, in the sandbox; they must pass.
    #[arg(long)]
    test_theirs: bool,
    /// The command that runs the product's tests in the sandbox.
    #[arg(last = true, value_name = "TEST_COMMAND")]
    test_command: Vec<String>,
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
        Command::Put(put) => {
            let product = client.put_product(&put.product()?).await?;
            let (name, repository) = (plain(&product.name), plain(&product.repository));
            let mut text = format!("Product `{name}` uses the repository {repository}.");
            if product.judging == "off" {
                text.push_str(
                    "\nPull requests of other people and programs are not judged: `--judging shadow` tries it out \
                     without a word on the forge, `--judging on` shows the verdict there.",
                );
            }
            for warning in &product.warnings {
                let _ = write!(text, "\nnote {}", plain(warning));
            }
            printer.say(&text, &product)?;
        }
    }
    Ok(Exit::Success)
}

impl Put {
    fn product(self) -> anyhow::Result<Product> {
        Ok(Product {
            reviewers: self.reviewers.as_deref().map(reviewers).transpose()?.unwrap_or_default(),
            name: self.name,
            repository: self.repository,
            base_branch: self.base_branch,
            test_command: self.test_command,
            backlog: self.backlog,
            concurrency: self.concurrency,
            evidence_app: self.evidence_app,
            check_deadline_minutes: self.check_deadline,
            merge_method: self.merge_method,
            answer_hours: self.answer_hours,
            open_pulls: self.open_pulls,
            judging: self.judging,
            merges_theirs: self.merge_theirs,
            tests_theirs: self.test_theirs,
            warnings: Vec::new(),
        })
    }
}

/// The reviewers in a file.
fn reviewers(file: &Path) -> anyhow::Result<Vec<Reviewer>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!("{} is no list of reviewers such as [{{\"kind\": \"greptile\"}}]", file.display())
    })
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
