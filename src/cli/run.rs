//! `aspora run …`.

use std::fmt::Write as _;

use uuid::Uuid;

use super::{
    Client, Exit,
    args::{self, Run as Verb},
    print::Printer,
    story::{plain, short},
};
use crate::api::{Control, Fork, Retry, Run, Skip};

pub(super) async fn obey(client: &Client, printer: &Printer, verb: Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::Show(which) => {
            let run = client.run(which.id).await?;
            printer.say(&page(&run), &run)?;
        }
        Verb::Why(which) => {
            let why = client.why(which.id).await?;
            printer.say(&plain(&why.sentence), &why)?;
        }
        Verb::Events(which) if which.follow => {
            client.follow(which.id, |event| printer.event(event)).await?;
        }
        Verb::Export(which) => client.export(which.id, |piece| printer.bytes(piece)).await?,
        Verb::Events(which) => events(client, printer, which.id).await?,
        Verb::Pause(what) => control(client, printer, "pause", &what).await?,
        Verb::Resume(what) => control(client, printer, "resume", &what).await?,
        Verb::Cancel(what) => control(client, printer, "cancel", &what).await?,
        Verb::RunNow(what) => control(client, printer, "run-now", &what).await?,
        Verb::Skip(what) => {
            let body = Skip { reason: what.control.reason, outcome: what.outcome };
            let run = client.control(what.control.id, "skip", &body).await?;
            printer.say(&stands(&run), &run)?;
        }
        Verb::Retry(what) => {
            let body = Retry { reason: what.control.reason, step: what.step };
            let run = client.control(what.control.id, "retry", &body).await?;
            printer.say(&stands(&run), &run)?;
        }
        Verb::Fork(what) => {
            let body = Fork { reason: what.control.reason, step: what.step };
            let run = client.control(what.control.id, "fork", &body).await?;
            printer.say(&stands(&run), &run)?;
        }
    }
    Ok(Exit::Done)
}

async fn control(client: &Client, printer: &Printer, verb: &str, what: &args::Control) -> anyhow::Result<()> {
    let body = Control { reason: what.reason.clone() };
    let run = client.control(what.id, verb, &body).await?;
    printer.say(&stands(&run), &run)
}

/// A run and how it stands, in one line.
fn stands(run: &Run) -> String {
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
    row("requirement", Some(&run.requirement_id.to_string()));
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
    let spent = &run.spent;
    let dollars = format!("{}.{:06}", spent.micro_dollars / 1_000_000, spent.micro_dollars % 1_000_000);
    let tokens = spent.input_tokens + spent.output_tokens;
    row("spent", Some(&format!("{} model calls, {tokens} tokens, ${dollars}", spent.calls)));
    row("budget", run.budget.as_ref().map(super::budget::used).as_deref());
    text
}
