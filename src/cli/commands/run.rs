//! `aspora run`.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde::Serialize;
use uuid::Uuid;

use super::{
    Client, Exit, Printer, after_merge, budget, dependencies, evidence, look_back, opinion,
    options::Id,
    plain,
    questions::{self, Answer},
    tests,
};
use crate::{
    api::{self, JudgedPull, Run},
    cli::text::short,
    core::{opinion::Opinion, words::counted},
};

/// The subcommands of `aspora run`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the runs that judge pull requests of other people and programs, newest first.
    List(List),
    /// Show the state of a run.
    Show(Id),
    /// Print the history, oldest first.
    Events(Events),
    /// Explain in one sentence why the run is where it is.
    Why(Id),
    /// List what the run asked people, and who answered what.
    Questions(Id),
    /// Answer the open questions; the run goes on at once.
    Answer(Answer),
    /// Show the dependencies that the run asks about before it installs them; --yes or --no answers, and the run goes on.
    Dependencies(dependencies::Say),
    /// Pause the run: no new attempt starts; a running attempt may finish.
    Pause(Control),
    /// Resume a paused run.
    Resume(Control),
    /// Cancel the run and stop the worker that is running its step.
    Cancel(Control),
    /// Run the step now instead of waiting for its signal, timer or back-off.
    RunNow(Control),
    /// Skip the step and continue as if it had returned this outcome; `verdict` and `merge` cannot be skipped.
    Skip(Skip),
    /// Retry the run where it ended, or from a step; what it already knows is kept.
    Retry(Retry),
    /// Start a new run from a step of a run that has ended and is not merged.
    Fork(Fork),
    /// Start a run that takes back what a merged run changed; git makes the change, and the gate judges it.
    Revert(Control),
    /// Approve the run's head, as a review on the forge by your account there would.
    Approve(opinion::Say),
    /// Reject the run's head: nothing is merged until you withdraw this or approve.
    Reject(opinion::Reject),
    /// Withdraw what you said of the change here.
    Withdraw(opinion::Say),
    /// List our own runs of the product's tests, with the output of those that did not pass.
    Tests(Id),
    /// List the browser evidence that came for the run, and what is wrong with it.
    Evidence(Id),
    /// List the findings of the run's reviews.
    Findings(Id),
    /// Dismiss a finding of the run's reviews: it no longer blocks.
    Dismiss(Dismiss),
    /// Print everything recorded about the run, one JSON object per line.
    Export(Id),
}

/// What `show` prints as JSON: the run, once it is merged what followed, and once it has ended the look back at it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    run: &'a Run,
    #[serde(skip_serializing_if = "Option::is_none")]
    after_merge: Option<&'a api::AfterMerge>,
    #[serde(skip_serializing_if = "Option::is_none")]
    look_back: Option<&'a api::LookBack>,
}

/// The arguments of `list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only this product.
    #[arg(short, long)]
    product: Option<String>,
    /// Only runs in this state, or that ended so, such as `waiting` or `cancelled`.
    #[arg(short, long)]
    state: Option<String>,
    /// Maximum number of runs.
    #[arg(short, long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
}

/// A run, and the reason to control it.
#[derive(Debug, Args)]
pub(crate) struct Control {
    /// Id of the run.
    id: Uuid,
    /// The reason, recorded in the history.
    #[arg(short, long)]
    reason: String,
}

/// The arguments of `skip`.
#[derive(Debug, Args)]
pub(crate) struct Skip {
    #[command(flatten)]
    control: Control,
    /// One of the step's outcomes.
    #[arg(long)]
    outcome: String,
}

/// The arguments of `retry`.
#[derive(Debug, Args)]
pub(crate) struct Retry {
    #[command(flatten)]
    control: Control,
    /// The step [default: where the run ended].
    #[arg(long)]
    step: Option<String>,
}

/// The arguments of `fork`.
#[derive(Debug, Args)]
pub(crate) struct Fork {
    #[command(flatten)]
    control: Control,
    /// The step where the new run starts.
    #[arg(long)]
    step: String,
}

/// The arguments of `dismiss`.
#[derive(Debug, Args)]
pub(crate) struct Dismiss {
    #[command(flatten)]
    control: Control,
    /// The finding's fingerprint, as `aspora run findings` lists it.
    #[arg(long)]
    finding: String,
}

/// The arguments of `events`.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Id of the run.
    id: Uuid,
    /// Print new events as they happen, until the run ends.
    #[arg(short, long)]
    follow: bool,
}

/// Runs a subcommand.
///
/// # Errors
/// When the server refuses the request or cannot be reached.
pub(crate) async fn run(client: &Client, printer: &Printer, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(List { product, state, limit }) => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(product.map(|product| ("product", product)));
            query.extend(state.map(|state| ("state", state)));
            let pulls = client.pulls(&query).await?;
            printer.say(&listed(&pulls.items), &pulls)?;
        }
        Command::Show(Id { id }) => show(client, printer, id).await?,
        Command::Why(Id { id }) => {
            let why = client.why(id).await?;
            printer.say(&plain(&why.sentence), &why)?;
        }
        Command::Events(Events { id, follow: true }) => {
            client.follow(id, |event| printer.event(event)).await?;
        }
        Command::Events(Events { id, .. }) => events(client, printer, id).await?,
        Command::Export(Id { id }) => client.export(id, |piece| printer.bytes(piece)).await?,
        Command::Questions(Id { id }) => questions::list(client, printer, id).await?,
        Command::Answer(command) => questions::answer(client, printer, command).await?,
        Command::Dependencies(say) => dependencies::run(client, printer, say).await?,
        Command::Pause(it) => control(client, printer, "pause", it).await?,
        Command::Resume(it) => control(client, printer, "resume", it).await?,
        Command::Cancel(it) => control(client, printer, "cancel", it).await?,
        Command::RunNow(it) => control(client, printer, "run-now", it).await?,
        Command::Revert(it) => control(client, printer, "revert", it).await?,
        Command::Skip(Skip { control: Control { id, reason }, outcome }) => {
            post(client, printer, id, "skip", &api::Skip { reason, outcome }).await?;
        }
        Command::Retry(Retry { control: Control { id, reason }, step }) => {
            post(client, printer, id, "retry", &api::Retry { reason, step }).await?;
        }
        Command::Approve(it) => say(client, printer, Opinion::Approve, it).await?,
        Command::Reject(it) => say(client, printer, Opinion::Reject, it.into()).await?,
        Command::Withdraw(it) => say(client, printer, Opinion::Withdraw, it).await?,
        Command::Tests(Id { id }) => {
            let all = client.tests(id).await?;
            printer.say(&tests::listed(&all), &all)?;
        }
        Command::Evidence(Id { id }) => {
            let all = client.evidence(id).await?;
            printer.say(evidence::of_run(&all).trim_end(), &all)?;
        }
        Command::Findings(Id { id }) => {
            let all = client.findings(id).await?;
            printer.say(&opinion::findings(&all), &all)?;
        }
        Command::Dismiss(Dismiss { control: Control { id, reason }, finding }) => {
            let dismissed = client.dismiss(id, &finding, &reason).await?;
            printer.say(&findings(&dismissed), &dismissed)?;
        }
        Command::Fork(Fork { control: Control { id, reason }, step }) => {
            post(client, printer, id, "fork", &api::Fork { reason, step }).await?;
        }
    }
    Ok(Exit::Success)
}

/// Prints a run, with what followed its merge and the look back at it.
async fn show(client: &Client, printer: &Printer, id: Uuid) -> anyhow::Result<()> {
    let (run, after) = (client.run(id).await?, client.after_merge(id).await?);
    let look_back = client.look_back(id).await?;
    let shown = Shown {
        run: &run,
        after_merge: Some(&after).filter(|it| it.merged.is_some() || it.reverts.is_some()),
        look_back: Some(&look_back).filter(|it| it.state != "running"),
    };
    let text = page(&run) + &after_merge::lines(&after) + &look_back::lines(&look_back);
    printer.say(&text, &shown)
}

/// The states of a finding, a line for each head.
fn findings(all: &[api::Finding]) -> String {
    let line =
        |found: &api::Finding| plain(&format!("{} is {} on {}", found.path, found.state, found.head_sha));
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Sends a control that needs only a reason.
async fn control(client: &Client, printer: &Printer, verb: &str, it: Control) -> anyhow::Result<()> {
    post(client, printer, it.id, verb, &api::Control { reason: it.reason }).await
}

/// Says something of the run's head, and prints what was said of which.
async fn say(client: &Client, printer: &Printer, opinion: Opinion, it: opinion::Say) -> anyhow::Result<()> {
    let run = opinion::say(client, printer, opinion, it).await?;
    let head = run.progress.head.as_deref().map(short).unwrap_or_default();
    printer.say(&format!("{} {}; {}", opinion.done(), plain(head), state(&run)), &run)
}

/// Sends a control and prints the state of the run after it.
async fn post(
    client: &Client,
    printer: &Printer,
    id: Uuid,
    verb: &str,
    body: &impl Serialize,
) -> anyhow::Result<()> {
    let run = client.control(id, verb, body).await?;
    printer.say(&state(&run), &run)
}

/// The runs, one a line: the pull request, its author and where its judgement stands.
fn listed(pulls: &[JudgedPull]) -> String {
    if pulls.is_empty() {
        return "No pull request of others is judged; `aspora product put` says how.".to_owned();
    }
    let mut text = String::new();
    for it in pulls {
        let state = it.ended_as.as_deref().unwrap_or(&it.state);
        let (tier, author) = (it.tier.as_deref().unwrap_or("-"), it.author.as_deref().unwrap_or("ghost"));
        let place = format!("{}#{}", it.repository, it.pull);
        let _ = writeln!(
            text,
            "{} {state:<9} {tier:<8} {} by {}: {}",
            it.run_id,
            plain(&place),
            plain(author),
            plain(&it.title)
        );
    }
    text
}

/// A run and its state, in one line.
fn state(run: &Run) -> String {
    let state = run.ended_as.as_deref().unwrap_or(&run.state);
    let step = run.step.as_deref().map(|step| format!(" at {step}")).unwrap_or_default();
    plain(&format!("run {} is {state}{step}", run.id))
}

async fn events(client: &Client, printer: &Printer, run: Uuid) -> anyhow::Result<()> {
    let mut after = Some(0);
    while let Some(seq) = after {
        let page = client.events(run, seq).await?;
        for event in &page.items {
            printer.event(event)?;
        }
        after = page.next_after;
    }
    Ok(())
}

fn page(run: &Run) -> String {
    let mut text = String::new();
    let mut row = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            let _ = writeln!(text, "{name:<12} {}", plain(value));
        }
    };
    let progress = &run.progress;
    row("run", Some(&run.id.to_string()));
    row("title", run.title.as_deref());
    row("opened by", run.author.as_deref());
    row("judged", run.judged_by.as_ref().map(api::JudgedBy::sentence).as_deref());
    row("requirement", run.requirement_id.map(|id| id.to_string()).as_deref());
    row("product", Some(&format!("{} ({}, into {})", run.product, run.repository, run.base_branch)));
    row("branch", Some(&run.branch));
    row("state", Some(run.ended_as.as_deref().unwrap_or(&run.state)));
    row("reason", run.reason.as_deref());
    row("step", run.step.as_deref());
    row("waiting for", run.waiting_for.as_deref());
    let paused = run.paused.as_ref().map(|paused| format!("by {}: {}", paused.by, paused.reason));
    row("paused", paused.as_deref());
    row("forked from", run.forked_from.map(|id| id.to_string()).as_deref());
    row("pull", run.pull_url.as_deref());
    row("tier", progress.tier.as_deref());
    row("head", progress.head.as_deref().map(short));
    row("merged as", progress.merged.as_deref().map(short));
    row("merged unjudged", progress.unjudged.as_deref().map(|by| format!("by {by}")).as_deref());
    let spent = &run.spent;
    let dollars = format!("{}.{:06}", spent.micro_dollars / 1_000_000, spent.micro_dollars % 1_000_000);
    let tokens = spent.input_tokens + spent.output_tokens;
    let (calls, tokens) = (counted(spent.calls, "model call"), counted(tokens, "token"));
    row("spent", Some(&format!("{calls}, {tokens}, ${dollars}")));
    row("budget", run.budget.as_ref().map(budget::used).as_deref());
    text
}
