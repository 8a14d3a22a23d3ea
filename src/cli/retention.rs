//! `aspora retention …`: straight at the database.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{
    Exit,
    args::{Database, Keep, Retention},
    print::Printer,
};
use crate::store::{
    self, Pool,
    retention::{self, Swept},
    upkeep,
};

pub(super) async fn obey(printer: &Printer, what: Retention) -> anyhow::Result<Exit> {
    match what {
        Retention::Show(database) => show(printer, &open(&database).await?).await?,
        Retention::Set { class, keep: Keep(days), database } => {
            let pool = open(&database).await?;
            retention::set(&pool, class, days).await.context("write the rule")?;
            show(printer, &pool).await?;
        }
        Retention::Run { dry_run, database } => sweep(printer, &open(&database).await?, dry_run).await?,
    }
    Ok(Exit::Done)
}

/// The upkeep needs a connection of its own beside the one that asks.
pub(super) async fn open(database: &Database) -> anyhow::Result<Pool> {
    store::connect(&database.database_url, 2).await.context("connect to the database in DATABASE_URL")
}

async fn show(printer: &Printer, pool: &Pool) -> anyhow::Result<()> {
    let rules = retention::rules(pool).await.context("read the rules; was `aspora migrate` run?")?;
    let mut text = String::new();
    for rule in &rules {
        let keep = rule.days.map_or_else(|| "for ever".to_owned(), |days| format!("{days} days"));
        let _ = writeln!(text, "{:<10} {keep}", rule.class);
    }
    let rules: Vec<Value> =
        rules.iter().map(|rule| json!({ "class": rule.class, "days": rule.days })).collect();
    printer.say(&text, &rules)
}

async fn sweep(printer: &Printer, pool: &Pool, is_dry: bool) -> anyhow::Result<()> {
    let swept = upkeep::sweep(pool, is_dry).await.context("sweep what was kept long enough")?;
    let swept = swept.context("another process sweeps at this moment; try again later")?;
    let mut text = String::new();
    for one in &swept {
        let _ = writeln!(text, "{:<8} {}", one.class.as_str(), line(one, is_dry));
    }
    if swept.is_empty() {
        text.push_str("nothing was kept long enough to go");
    }
    let swept: Vec<Value> = swept.iter().map(value).collect();
    printer.say(&text, &swept)
}

fn line(swept: &Swept, is_dry: bool) -> String {
    let Swept { name, rows, bytes, is_busy, .. } = swept;
    let size = match (rows, bytes) {
        (Some(rows), _) => format!("{rows} rows"),
        (None, Some(bytes)) => format!("{} KiB", bytes / 1024),
        (None, None) => String::new(),
    };
    let what = match (is_busy, is_dry) {
        (true, _) => "was in use all the time and stays for now",
        (false, true) => "would go",
        (false, false) => "is gone",
    };
    format!("{name}: {size} {what}")
}

fn value(swept: &Swept) -> Value {
    let Swept { class, name, rows, bytes, is_busy } = swept;
    json!({ "class": class.as_str(), "name": name, "rows": rows, "bytes": bytes, "is_busy": is_busy })
}
