//! `aspora product put`: what is given is changed, the rest is kept.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{ArgAction, Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::{Client, Printer, plain};
use crate::api::{Product, ProductChanges, Reviewer};

/// The settings of a product that are to change.
#[derive(Debug, Args)]
pub(crate) struct Put {
    /// The product's name.
    name: String,
    /// The product's repository, `owner/name`; needed for a new product.
    repository: Option<String>,
    /// The branch that changes are merged into [default: main].
    #[arg(long, value_name = "BRANCH")]
    base_branch: Option<String>,
    /// How pull requests are merged [default: merge].
    #[arg(long, value_name = "METHOD", value_parser = ["merge", "squash", "rebase"])]
    merge_method: Option<String>,
    /// Maximum number of open runs.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    backlog: Option<i32>,
    /// Maximum number of concurrent jobs.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    concurrency: Option<i32>,
    /// Maximum number of our pull requests that may be open in the repository at once [default: 50].
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..))]
    open_pulls: Option<i32>,
    /// The app whose check `Browser Evidence` counts, by its slug or number [default: evidence is sent to the server].
    #[arg(long, value_name = "APP")]
    evidence_app: Option<String>,
    /// After this many minutes without progress a check has failed, where the policy does not say.
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(i32).range(1..))]
    check_deadline: Option<i32>,
    /// After this many hours of a wait for people, they are notified again [default: 24].
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(i16).range(1..=720))]
    answer_hours: Option<i16>,
    /// Objective for the minutes from a requirement to its first pull request [default: 30].
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(i32).range(1..=525_600))]
    first_pull_minutes: Option<i32>,
    /// Objective for the minutes from a requirement to its merge [default: 1440].
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(i32).range(1..=525_600))]
    loop_minutes: Option<i32>,
    /// A file with the list of its reviewers in JSON [default: the built-in reviewer alone].
    #[arg(long, value_name = "FILE")]
    reviewers: Option<PathBuf>,
    /// Whether the pull requests that other people and programs open are judged; `shadow` says nothing on the forge
    /// [default: off].
    #[arg(long, value_name = "MODE", value_parser = ["off", "shadow", "on"])]
    judging: Option<String>,
    /// Merge those once they are cleared; otherwise only where a person asks for it.
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    merge_theirs: Option<bool>,
    /// Run the product's tests on their heads too, in the sandbox; they must pass.
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    test_theirs: Option<bool>,
    /// Who says whether the product's tests pass: our own run, or the forge's checks alone [default: ours with a command].
    #[arg(long, value_parser = ["ours", "forge"])]
    tests: Option<String>,
    /// For how many minutes the base's own checks are watched after a merge; 0: not at all [default: 60].
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(i16).range(0..=1440))]
    watch_minutes: Option<i16>,
    /// What follows when a check of the base fails since a merge and was green before [default: off].
    #[arg(long, value_name = "WHAT", value_parser = ["off", "ask", "open"])]
    revert_on_red: Option<String>,
    /// Take a setting back to its default; can be repeated.
    #[arg(long, value_name = "SETTING", action = ArgAction::Append)]
    reset: Vec<Resettable>,
    /// The command that runs the product's tests in the sandbox, where no `.aspora/product.toml` says it.
    #[arg(last = true, value_name = "TEST_COMMAND")]
    test_command: Vec<String>,
}

/// A setting with a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Resettable {
    BaseBranch,
    MergeMethod,
    Backlog,
    Concurrency,
    OpenPulls,
    EvidenceApp,
    CheckDeadline,
    AnswerHours,
    FirstPullMinutes,
    LoopMinutes,
    Reviewers,
    Judging,
    TestCommand,
    Tests,
    WatchMinutes,
    RevertOnRed,
}

impl Resettable {
    /// The field of the REST interface.
    const fn field(self) -> &'static str {
        match self {
            Self::BaseBranch => "base_branch",
            Self::MergeMethod => "merge_method",
            Self::Backlog => "backlog",
            Self::Concurrency => "concurrency",
            Self::OpenPulls => "open_pulls",
            Self::EvidenceApp => "evidence_app",
            Self::CheckDeadline => "check_deadline_minutes",
            Self::AnswerHours => "answer_hours",
            Self::FirstPullMinutes => "first_pull_minutes",
            Self::LoopMinutes => "loop_minutes",
            Self::Reviewers => "reviewers",
            Self::Judging => "judging",
            Self::TestCommand => "test_command",
            Self::Tests => "tests",
            Self::WatchMinutes => "watch_minutes",
            Self::RevertOnRed => "revert_on_red",
        }
    }
}

/// Adds the product, or changes it.
pub(super) async fn run(client: &Client, printer: &Printer, put: Put) -> anyhow::Result<()> {
    let name = put.name.clone();
    let changes = put.changes()?;
    let is_known = client.products().await?.iter().any(|product| product.name == name);
    let product = if is_known {
        client.change_product(&name, &ProductChanges(changes)).await?
    } else {
        client.put_product(&added(name, changes)?).await?
    };
    printer.say(&text(&product), &product)
}

/// A new product with these settings.
fn added(name: String, mut settings: Map<String, Value>) -> anyhow::Result<Product> {
    settings.retain(|_, value| !value.is_null());
    if !settings.contains_key("repository") {
        anyhow::bail!(
            "there is no product `{name}` yet; to add it, name its repository: aspora product put {name} OWNER/NAME"
        );
    }
    settings.insert("name".to_owned(), Value::from(name));
    serde_json::from_value(Value::Object(settings)).context("put the settings together")
}

fn text(product: &Product) -> String {
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
    text
}

impl Put {
    /// The settings that are given, as a merge patch.
    fn changes(self) -> anyhow::Result<Map<String, Value>> {
        let reviewers = self.reviewers.as_deref().map(reviewers).transpose()?;
        let test_command = (!self.test_command.is_empty()).then_some(self.test_command);
        let given = [
            ("repository", json!(self.repository)),
            ("base_branch", json!(self.base_branch)),
            ("merge_method", json!(self.merge_method)),
            ("backlog", json!(self.backlog)),
            ("concurrency", json!(self.concurrency)),
            ("open_pulls", json!(self.open_pulls)),
            ("evidence_app", json!(self.evidence_app)),
            ("check_deadline_minutes", json!(self.check_deadline)),
            ("answer_hours", json!(self.answer_hours)),
            ("first_pull_minutes", json!(self.first_pull_minutes)),
            ("loop_minutes", json!(self.loop_minutes)),
            ("reviewers", json!(reviewers)),
            ("judging", json!(self.judging)),
            ("merges_theirs", json!(self.merge_theirs)),
            ("tests_theirs", json!(self.test_theirs)),
            ("tests", json!(self.tests)),
            ("watch_minutes", json!(self.watch_minutes)),
            ("revert_on_red", json!(self.revert_on_red)),
            ("test_command", json!(test_command)),
        ];
        let mut changes: Map<String, Value> = given
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        for setting in &self.reset {
            if changes.insert(setting.field().to_owned(), Value::Null).is_some_and(|value| !value.is_null()) {
                anyhow::bail!("{} is both given and reset", setting.field());
            }
        }
        Ok(changes)
    }
}

/// The reviewers in a file.
fn reviewers(file: &Path) -> anyhow::Result<Vec<Reviewer>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| {
        format!("{} is no list of reviewers such as [{{\"kind\": \"greptile\"}}]", file.display())
    })
}
