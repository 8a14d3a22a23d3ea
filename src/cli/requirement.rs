//! `aspora requirement …`.

use std::{fmt::Write as _, io::Read as _, path::Path};

use anyhow::Context as _;
use uuid::Uuid;

use super::{
    Client, Exit,
    args::{Body, List, Requirement as Verb, Submit},
    print::Printer,
    story::plain,
};
use crate::{
    api::{NewBudget, NewRequirement, Requirement},
    core::requirement::BODY_LIMIT,
};

/// The most that the server gives on one page.
const PAGE: u32 = 100;

pub(super) async fn obey(client: &Client, printer: &Printer, verb: Verb) -> anyhow::Result<Exit> {
    match verb {
        Verb::Submit(what) => submit(client, printer, what).await,
        Verb::List(which) => list(client, printer, &which).await,
        Verb::Show(which) => {
            let requirement = client.requirement(which.id).await?;
            printer.say(&page(&requirement), &requirement)?;
            Ok(Exit::Done)
        }
        Verb::Watch(which) => {
            let requirement = client.requirement(which.id).await?;
            watch(client, printer, requirement.run_id).await
        }
    }
}

async fn submit(client: &Client, printer: &Printer, what: Submit) -> anyhow::Result<Exit> {
    let body = read(what.body)?;
    let budget = NewBudget { tokens: what.budget_tokens, micro_dollars: what.budget_micro_dollars };
    let budget = (budget != NewBudget::default()).then_some(budget);
    let (product, title, priority) = (what.product, what.title, what.priority);
    let new = NewRequirement { product, title, body, priority, budget };
    let accepted = client.submit(&new).await?;
    let text = format!(
        "Requirement {} is stored; run {} works on it.\n{}",
        accepted.id,
        accepted.run_id,
        plain(&accepted.page_url)
    );
    printer.say(&text, &accepted)?;
    if what.watch { watch(client, printer, accepted.run_id).await } else { Ok(Exit::Done) }
}

/// Follows a run to its end, printing every event as it happens.
pub(super) async fn watch(client: &Client, printer: &Printer, run: Uuid) -> anyhow::Result<Exit> {
    let ended = client.follow(run, |event| printer.event(event)).await?;
    printer.end(&ended)?;
    let good = ended.ended_as.as_deref() == Some("succeeded");
    Ok(if good { Exit::Done } else { Exit::NotSucceeded })
}

async fn list(client: &Client, printer: &Printer, which: &List) -> anyhow::Result<Exit> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let left = which.limit.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX));
        let mut query = vec![("limit", left.min(PAGE).to_string())];
        let given =
            [("product", &which.product), ("state", &which.state), ("q", &which.query), ("cursor", &cursor)];
        query.extend(given.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        let page = client.requirements(&query).await?;
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() || all.len() >= usize::try_from(which.limit).unwrap_or(usize::MAX) {
            break;
        }
    }
    printer.say(&table(&all), &all)?;
    Ok(Exit::Done)
}

/// The body from where it is written, never more than a requirement may have.
pub(super) fn read(body: Body) -> anyhow::Result<String> {
    let limit = u64::try_from(BODY_LIMIT + 1)?;
    let mut text = String::new();
    match (body.body, body.body_file) {
        (Some(given), _) => return Ok(given),
        (None, Some(file)) if file != Path::new("-") => {
            let opened = std::fs::File::open(&file).with_context(|| format!("open {}", file.display()))?;
            opened
                .take(limit)
                .read_to_string(&mut text)
                .with_context(|| format!("read {}", file.display()))?;
        }
        (None, _) => {
            std::io::stdin().take(limit).read_to_string(&mut text).context("read the standard input")?;
        }
    }
    anyhow::ensure!(text.len() <= BODY_LIMIT, "the body has over {BODY_LIMIT} bytes; shorten it");
    Ok(text)
}

fn stands(requirement: &Requirement) -> String {
    match (&requirement.ended_as, &requirement.step) {
        (Some(end), _) => end.clone(),
        (None, Some(step)) => format!("{} in {step}", requirement.state),
        (None, None) => requirement.state.clone(),
    }
}

fn table(requirements: &[Requirement]) -> String {
    if requirements.is_empty() {
        return "There are none.".to_owned();
    }
    let mut text = format!("{:<36}  {:<20} {:<6} {:<16} TITLE\n", "ID", "STATE", "PULL", "PRODUCT");
    for requirement in requirements {
        let pull = requirement.pull.map(|number| format!("#{number}")).unwrap_or_default();
        let (state, product) = (stands(requirement), plain(&requirement.product));
        let title = plain(&requirement.title);
        let _ = writeln!(text, "{}  {state:<20} {pull:<6} {product:<16} {title}", requirement.id);
    }
    text
}

fn page(requirement: &Requirement) -> String {
    let body = requirement.body.as_deref().unwrap_or_default();
    let body: Vec<String> = body.lines().map(plain).collect();
    format!(
        "{}\n\nid        {}\nproduct   {}\npriority  {}\nasked     {}\nstate     {}\nrun       {}\n\n{}",
        plain(&requirement.title),
        requirement.id,
        plain(&requirement.product),
        requirement.priority,
        requirement.created_at.format("%Y-%m-%d %H:%M:%SZ"),
        stands(requirement),
        requirement.run_id,
        body.join("\n")
    )
}
