//! `aspora run dependencies`: what a run asks about before it installs it, and the answer.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use clap::Args;
use uuid::Uuid;

use super::{Client, Printer, plain};
use crate::api::{Dependencies, DependencySet, SayDependencies};

/// A run, and what to say to its dependencies.
#[derive(Debug, Args)]
pub(crate) struct Say {
    /// Id of the run.
    id: Uuid,
    /// They may be installed.
    #[arg(long, conflicts_with = "no")]
    yes: bool,
    /// They may not: the change has to do without them.
    #[arg(long)]
    no: bool,
    /// What names the set that you looked at [default: the open one, which is shown].
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// The reason, recorded in the history.
    #[arg(short, long)]
    reason: Option<String>,
}

/// Lists the dependencies that a run asked about; says yes or no to the open ones.
///
/// # Errors
/// When the server refuses or cannot be reached, or the run asks about none.
pub(super) async fn run(client: &Client, printer: &Printer, say: Say) -> anyhow::Result<()> {
    let Say { id, yes, no, digest, reason } = say;
    let all = client.dependencies(id).await?;
    let answer = match (yes, no) {
        (true, _) => "yes",
        (false, true) => "no",
        (false, false) if digest.is_some() || reason.is_some() => bail!("say --yes or --no"),
        (false, false) => return printer.say(&shown(&all), &all),
    };
    let digest = match digest {
        Some(digest) => digest,
        None => {
            let open = all.asked.last().filter(|set| all.open.as_ref() == Some(&set.digest));
            let open = open.context("the run asks about no dependencies now; --digest names others")?;
            printer.aside(&one(open, ""))?;
            open.digest.clone()
        }
    };
    let said = SayDependencies { digest, answer: answer.to_owned(), reason };
    let said = client.say_dependencies(id, &said).await?;
    printer.say(&shown(&said), &said)
}

fn shown(all: &Dependencies) -> String {
    if all.asked.is_empty() {
        return "The run has asked about no dependencies.".to_owned();
    }
    let mut text = String::new();
    for (place, set) in all.asked.iter().enumerate() {
        let is_open = place + 1 == all.asked.len() && all.open.as_ref() == Some(&set.digest);
        text.push_str(&one(set, state(set, is_open)));
    }
    text.trim_end().to_owned()
}

/// A set, with its packages and files.
fn one(set: &DependencySet, state: impl AsRef<str>) -> String {
    let mut text = format!("Dependencies {}{}\n", plain(&set.digest), plain(state.as_ref()));
    for package in &set.packages {
        let _ = writeln!(text, "  {}", plain(&package.sentence));
    }
    for file in &set.files {
        let _ = writeln!(text, "  file {}", plain(&file.sentence()));
    }
    text
}

fn state(set: &DependencySet, is_open: bool) -> String {
    let reason = set.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    match (&set.answer, &set.answered_by) {
        (Some(answer), Some(by)) => format!(": {answer} by {by}{reason}"),
        _ if is_open => ": waits for your yes or no".to_owned(),
        _ => ": nobody answered".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::{
        api::{ChangedFile, Package},
        cli::args::parses,
    };

    #[test]
    fn a_yes_is_no_no() {
        let check = |rest: &[&str], good: bool| {
            let id = "run dependencies 01999999-0000-7000-8000-000000000000";
            assert_eq!(parses(id, rest), good, "{rest:?}");
        };
        check(&[], true);
        check(&["--yes", "--reason", "known"], true);
        check(&["--no", "--digest", "d"], true);
        check(&["--yes", "--no"], false);
    }

    #[test]
    fn sets_are_listed_without_control_characters() {
        let set = |answer: Option<&str>| DependencySet {
            digest: "d1".to_owned(),
            step: "generate".to_owned(),
            head_sha: None,
            packages: vec![Package {
                name: "a".to_owned(),
                from: vec![],
                to: vec!["1".to_owned()],
                comes_in: String::new(),
                sentence: "a\u{1b}[2J 1 added (named in requirements.txt)".to_owned(),
            }],
            files: vec![ChangedFile { path: "requirements.txt".to_owned(), unreadable: None, more: 0 }],
            asked_at: DateTime::UNIX_EPOCH,
            answer: answer.map(str::to_owned),
            answered_by: answer.map(|_| "ada".to_owned()),
            reason: answer.map(|_| "too young".to_owned()),
            answered_at: None,
            withdrawn_at: None,
        };
        let all = |answer, open: Option<&str>| Dependencies {
            run_id: Uuid::nil(),
            open: open.map(str::to_owned),
            asked: vec![set(answer)],
        };
        let list = "  a\u{fffd}[2J 1 added (named in requirements.txt)\n  file requirements.txt";
        assert_eq!(
            shown(&all(None, Some("d1"))),
            format!("Dependencies d1: waits for your yes or no\n{list}")
        );
        assert_eq!(shown(&all(Some("no"), None)), format!("Dependencies d1: no by ada (too young)\n{list}"));
        assert_eq!(shown(&all(None, None)), format!("Dependencies d1: nobody answered\n{list}"));
    }
}
