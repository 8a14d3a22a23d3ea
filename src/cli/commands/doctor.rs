//! `aspora doctor`: checks the database's settings and schema, what GitHub lets us do for each product, and the
//! invariants of all runs; lists every setting.

mod forge;
mod model;
mod sandbox;
mod settings;

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::Args;
use serde_json::{Value, json};

use super::{Exit, Printer, options::Database};
use crate::{
    cli::settings::data_folder,
    core::{
        outage::Provider,
        words::{counted, one_line},
    },
    engine::Engine,
    store::{
        self,
        invariant::{self, Check},
        outage, requirement,
        server::{self, Server},
        subscription,
    },
};

/// How many violations of each invariant are shown.
const SHOWN: usize = 5;

/// The arguments of `aspora doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Also check the invariants of all runs. Reads every event and changes nothing.
    #[arg(long)]
    invariants: bool,
    #[command(flatten)]
    database: Database,
}

/// Checks the database and GitHub, and prints the results.
///
/// # Errors
/// When the database cannot be reached or read.
pub(crate) async fn run(printer: &Printer, options: Doctor) -> anyhow::Result<Exit> {
    let pool = options.database.connect(2).await?;
    let server = server::read(&pool).await.context("read the settings of the database server")?;
    let missing = store::migrations_missing(&pool).await.context("read the applied migrations")?;
    let issues = server.health_issues();
    let mut text = String::new();
    describe(&server, missing, &mut text);
    let mut is_healthy = missing == 0 && issues.is_empty();
    let mut found = json!({
        "postgres": server.version,
        "workers": server.workers,
        "migrations_missing": missing,
        "ailments": issues.iter().map(|issue| issue.what.as_ref()).collect::<Vec<_>>(),
    });
    if missing == 0 {
        let down = outage::list(&pool).await.context("read which providers are down")?;
        down.iter().for_each(|one| describe_outage(one, &mut text));
        found["down"] =
            down.iter().map(|one| json!({ "provider": one.provider, "since": one.since })).collect();
        let unjudged = requirement::count_unjudged(&pool).await.context("count the unjudged merges")?;
        describe_unjudged(unjudged, &mut text);
        found["unjudged"] = json!(unjudged);
        let given_up =
            crate::store::epilogue::count_given_up(&pool).await.context("count the last words given up")?;
        describe_given_up(given_up, &mut text);
        found["last_words_given_up"] = json!(given_up);
        let all = subscription::list(&pool, None).await.context("read the subscriptions")?;
        let failing: Vec<_> = all.iter().filter(|one| one.gone_at.is_some() || one.error.is_some()).collect();
        failing.iter().for_each(|one| describe_subscription(one, &mut text));
        found["failing_subscriptions"] = failing.iter().map(|one| json!(one.id)).collect();
    }
    found["clock"] = settings::clock(chrono::Utc::now(), server.now, &mut text);
    found["disk"] = settings::disk(&data_folder()?, &mut text);
    found["fallback"] = model::inspect(&mut text)?;
    found["sandbox"] = sandbox::inspect(&mut text).await;
    let products = forge::inspect(&pool, missing == 0, &mut text).await?;
    is_healthy &= products.iter().all(forge::Inspected::is_healthy);
    found["github"] = json!(products);
    if options.invariants {
        anyhow::ensure!(
            missing == 0,
            "the invariants need the schema of this release: run `aspora migrate` first"
        );
        let mut checks = invariant::check(&mut *pool.acquire().await?, SHOWN as i64).await?;
        checks.push(Engine::open(pool).await?.replay_all(SHOWN).await?);
        is_healthy &= checks.iter().all(|check| check.count == 0);
        checks.iter().for_each(|check| describe_invariant(check, &mut text));
        found["invariants"] = checks.iter().map(value).collect();
    }
    found["settings"] = settings::list_own(&mut text);
    printer.say(&text, &found)?;
    Ok(if is_healthy { Exit::Success } else { Exit::Unhealthy })
}

/// The server's version, schema, settings and workers, one line each.
fn describe(server: &Server, missing: usize, text: &mut String) {
    let _ = writeln!(text, "ok   connected to Postgres {}", server.version);
    let _ = match missing {
        0 => writeln!(text, "ok   the schema is up to date"),
        _ => writeln!(text, "BAD  {} missing: run `aspora migrate`", counted(missing, "migration")),
    };
    let issues = server.health_issues();
    for issue in &issues {
        let _ = writeln!(text, "BAD  {}", issue.what);
    }
    if issues.is_empty() {
        text.push_str("ok   commits are durable: fsync, full_page_writes, synchronous_commit\n");
    }
    let _ = match server.workers {
        0 => writeln!(text, "note no worker is connected: runs wait until one starts"),
        workers => writeln!(text, "ok   {} connected", counted(workers, "worker")),
    };
}

/// A provider that does not answer; runs wait for it, so that it makes the database no less healthy.
fn describe_outage(down: &outage::Row, text: &mut String) {
    let provider = down.provider.parse::<Provider>();
    let who = provider.map_or_else(|_| down.provider.clone(), |provider| provider.in_words());
    let since = down.since.format("%Y-%m-%d %H:%M UTC");
    let probes = counted(down.probes, "failed probe");
    let _ = writeln!(text, "note {who} is down since {since}, {probes}: {}", one_line(&down.error));
}

/// Merges by others that no verdict had cleared; each run's page names who made it.
fn describe_unjudged(count: i64, text: &mut String) {
    if count > 0 {
        let merges = counted(count, "pull request");
        let _ = writeln!(text, "note {merges} merged unjudged: `aspora requirement list --state unjudged`");
    }
}

/// Ended runs whose check at the forge stays as it was, because the forge refused for a day.
fn describe_given_up(count: i64, text: &mut String) {
    if count > 0 {
        let runs = counted(count, "ended run");
        let _ =
            writeln!(text, "note {runs} could not complete the gate's check for a day, and no longer try");
    }
}

/// A subscription whose messages do not arrive; runs do not wait for it.
fn describe_subscription(one: &subscription::Row, text: &mut String) {
    let what = if one.gone_at.is_some() { "is gone" } else { "fails" };
    let error = one.error.as_deref().map(|error| format!(": {}", one_line(error))).unwrap_or_default();
    let _ = writeln!(
        text,
        "note the subscription {} of {} to {} {what}, {} due and {} given up{error}",
        one.id,
        one_line(&one.owner),
        one_line(&one.shown),
        one.due,
        one.dead
    );
}

fn describe_invariant(check: &Check, text: &mut String) {
    let Check { name, rule, count, violations } = check;
    if *count == 0 {
        let _ = writeln!(text, "ok   {name}: {rule}");
        return;
    }
    let _ = writeln!(text, "BAD  {name}: violated in {}: {rule}", counted(count, "place"));
    for one in violations {
        let run = one.run.map(|run| format!("run {run}: ")).unwrap_or_default();
        let _ = writeln!(text, "       {run}{}", one.what);
    }
    if *count > i64::try_from(violations.len()).unwrap_or(i64::MAX) {
        text.push_str("       …\n");
    }
}

fn value(check: &Check) -> Value {
    let violations = check.violations.iter().map(|one| json!({ "run": one.run, "what": one.what }));
    json!({
        "name": check.name, "says": check.rule, "count": check.count, "broken": violations.collect::<Vec<_>>(),
    })
}
