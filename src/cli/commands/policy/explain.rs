//! `aspora policy explain`.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::{Exit, Printer, Source, plain, refuse, trial};
use crate::core::{
    change::{Change, ChangeKind, FileChange},
    requirement::ProductName,
};

/// The arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    source: Source,
    /// The product [default: every product of the policy].
    #[arg(long, value_name = "NAME")]
    product: Vec<ProductName>,
    /// What happened to the paths.
    #[arg(long, default_value = "modified", value_parser = ["added", "modified", "deleted"])]
    status: String,
    /// Paths inside the repository.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
}

pub(super) fn run(printer: &Printer, command: &Explain) -> anyhow::Result<Exit> {
    let text = command.source.text()?;
    let trial = match trial(&text, &command.product) {
        Ok(trial) => trial,
        Err(error) => return refuse(printer, &command.source.name(), &text, &error),
    };
    let files = command.paths.iter().map(|path| file(path, &command.status)).collect();
    let change = Change { files };
    let outlook = trial.say(&change, &trial.classify(&change, None, None));
    let (mut shown, mut rows) = (String::new(), Vec::new());
    for (ground, tier, line) in trial.explain(&change) {
        let place = match line {
            0 => "built in".to_owned(),
            line => format!("{}:{line}", command.source.name()),
        };
        let _ = writeln!(shown, "{:<9} {} ({place})", tier.as_str(), plain(&ground.sentence()));
        let line = Some(line).filter(|line| *line > 0);
        rows.push(json!({
            "path": ground.path, "tier": tier, "product": ground.product, "rule": ground.rule, "line": line,
        }));
    }
    let _ = writeln!(shown, "together: {}", outlook.tier);
    let _ = writeln!(shown, "checks:   {}", plain(&outlook.checks.join(", ")));
    let _ = writeln!(shown, "asks:     {}", outlook.asks());
    if let Some(why) = &outlook.blocked {
        let _ = writeln!(shown, "blocked:  {}", plain(why));
    }
    printer.say(&shown, &json!({ "reasons": rows, "together": outlook }))?;
    Ok(Exit::Success)
}

fn file(path: &str, status: &str) -> FileChange {
    let (kind, old_mode, new_mode) = match status {
        "added" => (ChangeKind::Added, 0, 0o100_644),
        "deleted" => (ChangeKind::Deleted, 0o100_644, 0),
        _ => (ChangeKind::Modified, 0o100_644, 0o100_644),
    };
    FileChange { path: path.to_owned(), kind, old_mode, new_mode, odd: false, blank: false }
}
