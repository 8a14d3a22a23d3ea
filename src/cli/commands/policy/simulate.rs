//! `aspora policy simulate`.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::Context as _;
use clap::Args;

use super::{Client, Exit, Printer, Source, plain, read, refuse, trial};
use crate::{
    activities::{policy_today, try_policy},
    api::{NewSimulation, PolicyOutlook, PolicySimulation, SimulatedChange},
    cli::text::short,
    core::{policy::Trial, requirement::ProductName, words::counted},
    workspace::Mirror,
};

/// The most changes that are looked at.
const MOST: i64 = 10_000;
/// The longest subject that is shown, in characters.
const SUBJECT: usize = 60;

/// The arguments of `simulate`.
#[derive(Debug, Args)]
pub(crate) struct Simulate {
    #[command(flatten)]
    source: Source,
    /// The repository's products [default: every product of the policy].
    #[arg(long, value_name = "NAME")]
    product: Vec<ProductName>,
    /// How many of the newest changes.
    #[arg(long, default_value = "200", value_name = "N", value_parser = clap::value_parser!(i64).range(1..=MOST))]
    last: i64,
    /// The repository, on this machine.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    repo: PathBuf,
    /// The branch or commit that the changes were merged into.
    #[arg(long, default_value = "HEAD", value_name = "REVISION")]
    branch: String,
    /// The policy to compare with [default: that of the branch].
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Ask the server instead, which looks at its own copy of the product's repository.
    #[arg(long, conflicts_with_all = ["repo", "branch", "against"])]
    on_server: bool,
    /// Show every change, not only those of which the two policies say different things.
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(
    client: impl FnOnce() -> anyhow::Result<Client>,
    printer: &Printer,
    command: Simulate,
) -> anyhow::Result<Exit> {
    let text = command.source.text()?;
    let tried = match trial(&text, &command.product) {
        Ok(tried) => tried,
        Err(error) => return refuse(printer, &command.source.name(), &text, &error),
    };
    let started = Instant::now();
    let simulation = if command.on_server {
        let [product] = &command.product[..] else {
            anyhow::bail!("name one --product: the server looks at its repository");
        };
        let last = usize::try_from(command.last)?;
        let new = NewSimulation { policy: text, product: product.to_string(), last };
        client()?.simulate_policy(&new).await?
    } else {
        match here(&command, tried).await? {
            Ok(simulation) => simulation,
            Err((name, text, error)) => return refuse(printer, &name, &text, &error),
        }
    };
    let took = started.elapsed().as_secs_f64();
    printer.say(&describe(&simulation, command.all), &simulation)?;
    printer.aside(&format!("looked at {} in {took:.2} s", counted(simulation.changes.len(), "change")))?;
    Ok(Exit::Success)
}

/// A file that is refused: its name, its text, and why.
type RefusedFile = (String, String, crate::core::policy::Error);

async fn here(command: &Simulate, tried: Trial) -> anyhow::Result<Result<PolicySimulation, RefusedFile>> {
    let mirror = repository(&command.repo)?;
    let head = mirror.commit_of(&command.branch).await?;
    let products = tried.products().to_vec();
    let today = match &command.against {
        None => policy_today(&mirror, &head, &products).await?,
        Some(file) => {
            let text = read(file)?;
            match Trial::new(Some(&text), &products) {
                Ok(today) => Ok(today),
                Err(error) => return Ok(Err((plain(&file.display().to_string()), text, error))),
            }
        }
    };
    let tried = try_policy(&mirror, &head, usize::try_from(command.last)?, tried, today).await?;
    Ok(Ok(PolicySimulation::of(&head, &tried.tried, &tried.today, tried.simulation)))
}

/// The repository in a folder: a bare one, or the one whose files are checked out there.
pub(super) fn repository(folder: &Path) -> anyhow::Result<Mirror> {
    let folder = std::path::absolute(folder).with_context(|| format!("find {}", folder.display()))?;
    let inside = folder.join(".git");
    if inside.is_file() {
        let text = std::fs::read_to_string(&inside).with_context(|| format!("read {}", inside.display()))?;
        let place = text.trim().strip_prefix("gitdir: ").context("its .git names no folder")?;
        return Ok(Mirror::at(folder.join(place)));
    }
    let place = if inside.is_dir() { inside } else { folder };
    anyhow::ensure!(place.join("HEAD").is_file(), "there is no git repository in {}", place.display());
    Ok(Mirror::at(place))
}

fn describe(all: &PolicySimulation, every: bool) -> String {
    let mut text = String::new();
    let shown: Vec<&SimulatedChange> = all.changes.iter().filter(|it| every || it.differs).collect();
    if !shown.is_empty() {
        let _ = writeln!(text, "{:<9} {:<9} {:<9} {:<34} CHANGE", "COMMIT", "TODAY", "TRIED", "ASKS");
    }
    for change in shown {
        let today = change.today.as_ref().map_or("–", |it| it.tier.as_str());
        let subject: String = plain(&change.subject).chars().take(SUBJECT).collect();
        let (tier, asks) = (&change.tried.tier, &change.tried.asks);
        let _ = writeln!(text, "{:<9} {today:<9} {tier:<9} {asks:<34} {subject}", short(&change.sha));
        let _ = writeln!(text, "{:>9} {}", "", plain(&because(change)));
    }
    for sentence in &all.words {
        let _ = writeln!(text, "{}", plain(sentence));
    }
    if let Some(why) = &all.today_fault {
        let _ = writeln!(text, "nothing to compare with: {}", plain(why));
    }
    let summary = &all.summary;
    let tiers: Vec<String> =
        summary.tiers.iter().rev().map(|(tier, count)| format!("{count} {tier}")).collect();
    let _ = write!(
        text,
        "{}: {}; {} would have been blocked; {} differ from today",
        counted(summary.changes, "change"),
        if tiers.is_empty() { "none".to_owned() } else { tiers.join(", ") },
        summary.blocked,
        summary.differing
    );
    text
}

/// What decided, and the checks that differ.
fn because(change: &SimulatedChange) -> String {
    let PolicyOutlook { because, checks, blocked, .. } = &change.tried;
    let mut parts = vec![because.clone()];
    if let Some(today) = &change.today {
        let beyond = |one: &[String], other: &[String], mark: &str| -> Vec<String> {
            one.iter().filter(|name| !other.contains(name)).map(|name| format!("{mark}{name}")).collect()
        };
        parts.extend(beyond(checks, &today.checks, "+"));
        parts.extend(beyond(&today.checks, checks, "-"));
    }
    parts.extend(blocked.as_ref().map(|why| format!("blocked: {why}")));
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_repository_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = repository(folder.path()).err().unwrap().to_string();
        assert!(error.contains("there is no git repository"), "{error}");
    }
}
