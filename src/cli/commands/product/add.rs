//! `aspora product add`: a repository becomes a product.

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{Client, Printer, plain};
use crate::{
    api::{NewProposal, Product, Proposal},
    core::{
        policy::POLICY_PATH,
        product_file,
        requirement::{ProductName, RepoName},
    },
};

/// The repository to add.
#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The repository, `owner/name`.
    repository: RepoName,
    /// The product's name [default: the repository's].
    #[arg(long)]
    name: Option<ProductName>,
    /// The product's folder, where the repository holds several products.
    #[arg(long, value_name = "FOLDER")]
    root: Option<String>,
    /// The branch that changes are merged into.
    #[arg(long, default_value = "main")]
    base_branch: String,
    /// Print what would be proposed, without a pull request.
    #[arg(long)]
    no_pull: bool,
}

/// Adds the product, unless it is there already, and proposes what its repository lacks.
pub(super) async fn run(client: &Client, printer: &Printer, add: Add) -> anyhow::Result<()> {
    let name = match add.name {
        Some(name) => name,
        None => named_after(&add.repository)?,
    };
    let known = client.products().await?.into_iter().find(|product| product.name == name.as_str());
    let product = match known {
        Some(product) if product.repository.eq_ignore_ascii_case(&add.repository.to_string()) => product,
        Some(other) => anyhow::bail!(
            "there is a product `{name}` already, with the repository {}; give another --name",
            plain(&other.repository)
        ),
        None => {
            let repository = add.repository.to_string();
            let new = json!({ "name": name, "repository": repository, "base_branch": add.base_branch });
            client.put_product(&serde_json::from_value(new).context("put the product together")?).await?
        }
    };
    let new = NewProposal { root: add.root, open: !add.no_pull };
    let proposal = client.propose(&product.name, &new).await?;
    let shown = json!({ "product": product, "proposal": proposal });
    printer.say(&text(&product, &proposal), &shown)
}

/// The name of the repository as the name of a product.
fn named_after(repository: &RepoName) -> anyhow::Result<ProductName> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = repository.name().chars().map(plain).collect();
    let parsed = name.trim_matches('-').parse();
    parsed.with_context(|| format!("`{}` is no name of a product; give one with --name", repository.name()))
}

fn text(product: &Product, proposal: &Proposal) -> String {
    let mut text = format!(
        "Product `{}` uses the repository {}, branch {}.",
        plain(&product.name),
        plain(&product.repository),
        plain(&product.base_branch)
    );
    for note in product.warnings.iter().chain(&proposal.notes) {
        let _ = write!(text, "\nnote {}", plain(note));
    }
    let files =
        [(product_file::PATH, proposal.product_file.as_ref()), (POLICY_PATH, proposal.policy.as_ref())];
    for (path, content) in files {
        if let Some(content) = content {
            let _ = write!(text, "\n\n{path}:");
            for line in content.lines() {
                let _ = write!(text, "\n    {}", plain(line));
            }
        }
    }
    match &proposal.pull_url {
        Some(url) => {
            let _ = write!(text, "\n\nProposed: {}\nA person merges it; nothing is used before.", plain(url));
        }
        None if proposal.product_file.is_none() && proposal.policy.is_none() => {}
        None => text.push_str("\n\nNothing was opened; without --no-pull a pull request proposes it."),
    }
    text
}
