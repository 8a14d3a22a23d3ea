//! `aspora policy`: checks a policy, explains and tries it, and runs its golden cases. Nothing is changed by any of it.

mod cases;
mod explain;
mod lint;
mod simulate;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::{Client, Exit, Printer, plain};
use crate::core::{
    policy::{self, POLICY_LIMIT, Trial, line_of},
    requirement::ProductName,
};

/// The subcommands of `aspora policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Name everything that is wrong or odd about a policy, with its place.
    Lint(lint::Lint),
    /// Explain which tier paths have, by which pattern on which line.
    Explain(explain::Explain),
    /// Say what a policy would have said of the changes merged last, beside today's one.
    Simulate(simulate::Simulate),
    /// Run the policy's golden cases.
    Test(cases::Test),
}

/// Where a policy is.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// The policy's file; `-` means stdin.
    #[arg(long, value_name = "FILE", default_value = policy::POLICY_PATH)]
    policy: PathBuf,
}

/// A policy refused, or a case that differs: said already, with exit code 3.
const REFUSED: anyhow::Result<Exit> = Ok(Exit::Refused);

/// Runs a subcommand. Only what asks a server needs `client`.
///
/// # Errors
/// When a file or the repository cannot be read, or the server cannot be asked.
pub(crate) async fn run(
    client: impl FnOnce() -> anyhow::Result<Client>,
    printer: &Printer,
    command: Command,
) -> anyhow::Result<Exit> {
    match command {
        Command::Lint(command) => lint::run(client, printer, command).await,
        Command::Explain(command) => explain::run(printer, &command),
        Command::Simulate(command) => simulate::run(client, printer, command).await,
        Command::Test(command) => cases::run(printer, &command),
    }
}

impl Source {
    /// The name of the file for people.
    fn name(&self) -> String {
        plain(&self.policy.display().to_string())
    }

    /// The text. One that is too long is kept so far that it is refused for that.
    fn text(&self) -> anyhow::Result<String> {
        read(&self.policy)
    }
}

/// The text of a file, or of stdin for `-`. Bytes that are not UTF-8 stay visible, so that a policy is refused for them.
fn read(file: &Path) -> anyhow::Result<String> {
    use std::io::Read as _;
    let most = POLICY_LIMIT as u64 + 1;
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().take(most).read_to_end(&mut bytes).context("read stdin")?;
    } else {
        let opened = std::fs::File::open(file).with_context(|| format!("open {}", file.display()))?;
        opened.take(most).read_to_end(&mut bytes).with_context(|| format!("read {}", file.display()))?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A policy to try, for the products of a repository; with no product named, those of the policy.
fn trial(text: &str, products: &[ProductName]) -> Result<Trial, policy::Error> {
    if products.is_empty() {
        let policy = policy::Policy::parse(text.as_bytes())?;
        let all: Vec<ProductName> = policy.products().cloned().collect();
        return Trial::new(Some(text), &all);
    }
    Trial::new(Some(text), products)
}

/// Prints why a file is refused, with its line.
fn refuse(printer: &Printer, name: &str, text: &str, error: &policy::Error) -> anyhow::Result<Exit> {
    let line = line_of(text, &error.pointer);
    let pointer = if error.pointer.is_empty() { "/" } else { &error.pointer };
    let said = format!("{name}:{line}: {}: {}", plain(pointer), plain(&error.message));
    let fault = serde_json::json!({ "pointer": error.pointer, "line": line, "message": error.message });
    printer.say(&said, &serde_json::json!({ "valid": false, "faults": [fault] }))?;
    REFUSED
}
