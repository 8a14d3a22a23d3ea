//! `aspora policy lint`.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use sha2::{Digest as _, Sha256};

use super::{Client, Exit, Printer, REFUSED, Source, plain};
use crate::{
    api::{NewValidation, PolicyRemark, Validation},
    core::{
        policy::{Policy, lint},
        words::counted,
    },
    workspace::Mirror,
};

/// The arguments of `lint`.
#[derive(Debug, Args)]
pub(crate) struct Lint {
    #[command(flatten)]
    source: Source,
    /// Also name the patterns that match no file of this repository's newest commit.
    #[arg(long, value_name = "FOLDER", conflicts_with = "product")]
    repo: Option<PathBuf>,
    /// Also ask the server what does not fit this product's repository: patterns that match no file, checks that nobody
    /// reports, and checks that its branch does not require.
    #[arg(long, value_name = "NAME")]
    product: Option<String>,
}

pub(super) async fn run(
    client: impl FnOnce() -> anyhow::Result<Client>,
    printer: &Printer,
    command: Lint,
) -> anyhow::Result<Exit> {
    let text = command.source.text()?;
    let found = match (&command.product, &command.repo) {
        (Some(product), _) => {
            let new = NewValidation { policy: text, product: Some(product.clone()) };
            client()?.validate_policy(&new).await?
        }
        (None, repo) => {
            let digest = hex::encode(Sha256::digest(text.as_bytes()));
            let mut found = Validation::of(digest, lint(text.as_bytes()));
            if let (Some(repo), Ok(policy)) = (repo, Policy::parse(text.as_bytes())) {
                found.misfits = policy.unmatched(&files(repo).await?);
            }
            found
        }
    };
    printer.say(&describe(&command.source.name(), &found), &found)?;
    if found.valid { Ok(Exit::Success) } else { REFUSED }
}

async fn files(repo: &std::path::Path) -> anyhow::Result<Vec<String>> {
    let mirror: Mirror = super::simulate::repository(repo)?;
    let head = mirror.commit_of("HEAD").await?;
    Ok(mirror.paths(&head).await?)
}

/// A line for each fault and warning, as compilers print them.
fn describe(name: &str, found: &Validation) -> String {
    let mut text = String::new();
    let all = [("error", &found.faults), ("warning", &found.warnings)];
    for (word, remarks) in all {
        for PolicyRemark { pointer, line, message } in remarks {
            let pointer = if pointer.is_empty() { "/" } else { pointer };
            let _ = writeln!(text, "{name}:{line}: {word}: {}: {}", plain(pointer), plain(message));
        }
    }
    for misfit in &found.misfits {
        let _ = writeln!(text, "{name}: warning: {}", plain(misfit));
    }
    let (faults, warnings) = (found.faults.len(), found.warnings.len() + found.misfits.len());
    let verdict = if found.valid { "is a policy" } else { "is refused" };
    let _ = write!(text, "{name} {verdict}: {}, {}", counted(faults, "error"), counted(warnings, "warning"));
    text
}
