//! `aspora doctor`: whether the database is fit to be worked on, and whether what must hold holds.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Exit, args::Doctor, print::Printer};
use crate::{
    engine::Engine,
    store::{
        self,
        invariant::{self, Check},
        server::{self, Server},
    },
};

/// How many breaches of each invariant are told.
const TOLD: usize = 5;

/// Looks, and tells what it has found.
///
/// # Errors
/// When the database cannot be reached or read.
pub(super) async fn run(printer: &Printer, what: Doctor) -> anyhow::Result<Exit> {
    let url = &what.database.database_url;
    let pool = store::connect(url, 2).await.context("connect to the database in DATABASE_URL")?;
    let server = server::read(&pool).await.context("ask the server what it is like")?;
    let behind = store::migrations_missing(&pool).await.context("look which migrations were applied")?;
    let mut text = String::new();
    let mut is_well = told(&server, behind, &mut text);
    let mut found = json!({
        "postgres": server.version,
        "workers": server.workers,
        "migrations_missing": behind,
        "health_issues": server.health_issues().iter().map(|ailment| ailment.what).collect::<Vec<_>>(),
    });
    if what.invariants {
        anyhow::ensure!(
            behind == 0,
            "the invariants are of this release's schema: run `aspora migrate` first"
        );
        let mut checks = invariant::check(&mut *pool.acquire().await?, TOLD as i64).await?;
        checks.push(Engine::open(pool).await?.replay_all(TOLD).await?);
        is_well &= checks.iter().all(|check| check.count == 0);
        checks.iter().for_each(|check| tell(check, &mut text));
        found["invariants"] = checks.iter().map(value).collect();
    }
    printer.say(&text, &found)?;
    Ok(if is_well { Exit::Done } else { Exit::Unhealthy })
}

/// Tells of the server; false if something must be done.
fn told(server: &Server, behind: usize, text: &mut String) -> bool {
    let _ = writeln!(text, "ok   Postgres {} answers", server.version);
    let mut is_well = true;
    match behind {
        0 => text.push_str("ok   the schema is this release's\n"),
        behind => {
            is_well = false;
            let _ = writeln!(text, "BAD  {behind} migrations are missing: run `aspora migrate`");
        }
    }
    for ailment in server.health_issues() {
        is_well = false;
        let _ = writeln!(text, "BAD  {}", ailment.what);
    }
    if server.health_issues().is_empty() {
        text.push_str("ok   what is committed is kept: fsync, full_page_writes, synchronous_commit\n");
    }
    let _ = match server.workers {
        0 => writeln!(text, "note no worker is connected: runs wait until one is started"),
        1 => writeln!(text, "ok   1 worker is connected"),
        workers => writeln!(text, "ok   {workers} workers are connected"),
    };
    is_well
}

fn tell(check: &Check, text: &mut String) {
    let Check { name, rule, count, violations } = check;
    if *count == 0 {
        let _ = writeln!(text, "ok   {name}: {rule}");
        return;
    }
    let _ = writeln!(text, "BAD  {name}: not so in {count} places: {rule}");
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
