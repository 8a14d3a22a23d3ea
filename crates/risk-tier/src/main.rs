//! `aspora-risk-tier`: the tier of the change between two commits, from git alone.
//!
//! Prints one word for scripts (`TIER=$(aspora-risk-tier …)`); errors and warnings go to standard error.
//! Exit codes: 0 the tier was found, 1 it was not, 2 the command line is wrong, 3 the policy is refused.

mod contents;
mod git;
mod merge;
mod policy;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use aspora_core::{
    change::Change,
    policy::{Classification, Drift, Error, Policy, Required, Scope, required},
    requirement::ProductName,
    words::counted,
};
use clap::{Parser, ValueEnum};

use self::{git::Git, policy::Policies};

/// How many patterns without a file are named.
const UNMATCHED: usize = 20;
/// How many dependencies of a file are named.
const DEPENDENCIES: usize = 50;

/// Prints the risk tier of the change between two commits.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The policy: a path inside the repository, read from the base commit however it is spelled, or a file
    /// elsewhere.
    #[arg(long)]
    policy: String,
    /// The product; an unknown one is judged under all products.
    #[arg(long)]
    product: ProductName,
    /// The commit that the change starts from.
    #[arg(long)]
    base: String,
    /// The commit that the change ends at.
    #[arg(long)]
    head: String,
    /// The repository.
    #[arg(long, default_value = ".")]
    repo: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Print, to standard error in text format, what decided for each path.
    #[arg(long)]
    explain: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The name of the tier alone.
    Text,
    /// The whole classification, and what it requires.
    Json,
}

/// What is printed as JSON. Keys are a contract: they are added, never renamed.
#[derive(serde::Serialize)]
struct Answer {
    /// The full names of both commits.
    base: String,
    head: String,
    #[serde(flatten)]
    classification: Classification,
    required: Required,
    /// What is wrong with the documents, for people; empty if nothing is.
    docs_drift: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("aspora-risk-tier: {error:#}");
            if error.is::<Error>() { ExitCode::from(3) } else { ExitCode::FAILURE }
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let git = Git::at(&arguments.repo);
    let (base, head) = (git.commit(&arguments.base)?, git.commit(&arguments.head)?);
    let forks = git.merge_bases(&base, &head)?;
    let policies = Policies::read(&git, &arguments.policy, &base, &head, &forks)?;
    let mut change = Change::default();
    for fork in &forks {
        let new = git.change(fork, &head)?.beyond(&change);
        change.files.extend(new.files);
    }
    contents::note_blank_documents(&git, &policies.contract().documents(), (&forks[0], &head), &mut change)?;
    let merge = merge::preview(&git, &base, &head, &change)?;
    let contents = contents::read(&git, (&base, &head), &forks, &change, &merge)?;
    let scope = Scope {
        contents: Some(&contents),
        diff_bytes: Some(git.diff_bytes(&forks[0], &head)?),
        merge: Some(&merge),
        ..Scope::new(policies.contract(), std::slice::from_ref(&arguments.product))
    };
    let (mut classification, required) = required(&scope, &change)?;
    if !merge.conflicts.is_empty() {
        let paths = merge.conflicts.join(", ");
        let warning = format!("the base conflicts in {paths}: merge it into the head and ask again");
        classification.warnings.push(warning);
    }
    let docs_drift = required.drifts.iter().map(Drift::sentence).collect();
    print(
        arguments,
        &Answer { base: base.clone(), head: head.clone(), classification, required, docs_drift },
    )?;
    if arguments.format == Format::Text
        && let Some(text) = &policies.base
    {
        warn_of_unmatched(&Policy::parse(text.as_bytes())?, &git.files(&[&base, &head])?);
    }
    Ok(())
}

fn warn_of_unmatched(policy: &Policy, files: &[String]) {
    let unmatched = policy.unmatched(files);
    unmatched.iter().take(UNMATCHED).for_each(|warning| eprintln!("warning: {warning}"));
    if unmatched.len() > UNMATCHED {
        eprintln!("warning: {} more patterns match no file", unmatched.len() - UNMATCHED);
    }
}

fn print(arguments: &Arguments, answer: &Answer) -> anyhow::Result<()> {
    if arguments.format == Format::Json {
        println!("{}", serde_json::to_string_pretty(answer).context("print as JSON")?);
        return Ok(());
    }
    println!("{}", answer.classification.tier);
    answer.classification.warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
    answer.docs_drift.iter().for_each(|sentence| eprintln!("warning: {sentence}"));
    if arguments.explain {
        explain(&answer.classification);
        answer.required.demands.checks.iter().for_each(|check| eprintln!("requires {:?}", check.name));
        let (needed, by) = (answer.required.demands.approvals_needed(), answer.required.demands.human);
        eprintln!("requires {}{}", counted(needed as usize, "approval"), if by { " by people" } else { "" });
    }
    Ok(())
}

fn explain(classification: &Classification) {
    for reason in &classification.whole {
        eprintln!("{}: {}", reason.tier, reason.rule);
    }
    for path in &classification.paths {
        for reason in &path.reasons {
            let source = reason.product.as_ref().map_or("floor", |product| product.as_str());
            let by_merge = if path.by_merge { " (changed by the merge alone)" } else { "" };
            eprintln!("{} {:?}{by_merge} by {source}: {}", reason.tier, path.path, reason.rule);
        }
    }
    for file in &classification.dependency_changes {
        for change in file.changes.iter().take(DEPENDENCIES) {
            eprintln!("dependency in {:?}: {}", file.path, change.sentence().escape_debug());
        }
        let more = file.changes.len().saturating_sub(DEPENDENCIES) + file.more as usize;
        if more > 0 {
            eprintln!("dependency in {:?}: and {more} more", file.path);
        }
        if let Some(why) = &file.unreadable {
            eprintln!("dependency in {:?}: cannot be read: {}", file.path, why.escape_debug());
        }
    }
}
