//! `aspora retention`. It works on the database directly, without a server.

use std::{fmt::Write as _, str::FromStr};

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{Exit, Printer, key::AT_THE_DATABASE, options::Database};
use crate::{
    core::words::counted,
    engine::catalog,
    store::{
        Pool,
        retention::{self, Class, Swept},
        upkeep,
    },
};

/// Sweeping holds one connection for its lock and uses another for its statements.
const CONNECTIONS: u32 = 2;

/// The subcommands of `aspora retention`.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show how long each class of data is kept.
    Show(Database),
    /// Set how long a class is kept.
    Set {
        /// answers, signals, history, effects, runs or blobs.
        class: Class,
        /// Days, at least 1, or `forever`.
        keep: Keep,
        #[command(flatten)]
        database: Database,
    },
    /// Delete expired data now; workers and servers do so once a day.
    Run {
        /// Only print what would be deleted.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        database: Database,
    },
}

/// A number of days, or `None` for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keep(Option<u32>);

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse::<u32>()) {
            ("forever", _) => Ok(Self(None)),
            (_, Ok(days @ 1..=36_500)) => Ok(Self(Some(days))),
            _ => Err("expected 1 to 36500 days or `forever`".to_owned()),
        }
    }
}

/// Runs a subcommand.
///
/// # Errors
/// When the database cannot be reached, read or changed.
pub(crate) async fn run(printer: &Printer, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Show(database) => show(printer, &database.connect(CONNECTIONS).await?).await?,
        Command::Set { class, keep: Keep(days), database } => {
            let pool = database.connect(CONNECTIONS).await?;
            catalog::keep(&pool, class, days, AT_THE_DATABASE).await.context("store the retention rule")?;
            show(printer, &pool).await?;
        }
        Command::Run { dry_run, database } => {
            sweep(printer, &database.connect(CONNECTIONS).await?, dry_run).await?;
        }
    }
    Ok(Exit::Success)
}

async fn show(printer: &Printer, pool: &Pool) -> anyhow::Result<()> {
    let rules = retention::rules(pool)
        .await
        .context("read the retention rules; run `aspora migrate` if this is a new database")?;
    let mut text = String::new();
    for rule in &rules {
        let keep = rule.days.map_or_else(|| "forever".to_owned(), |days| counted(days, "day"));
        let _ = writeln!(text, "{:<10} {keep}", rule.class);
    }
    let rules: Vec<Value> =
        rules.iter().map(|rule| json!({ "class": rule.class, "days": rule.days })).collect();
    printer.say(&text, &rules)
}

async fn sweep(printer: &Printer, pool: &Pool, is_dry: bool) -> anyhow::Result<()> {
    let swept = upkeep::sweep(pool, is_dry).await.context("delete expired data")?;
    let swept = swept.context("another process is deleting expired data; try again later")?;
    let mut text = String::new();
    for one in &swept {
        let _ = writeln!(text, "{:<8} {}", one.class.as_str(), line(one, is_dry));
    }
    if swept.is_empty() {
        text.push_str("no expired data");
    }
    let swept: Vec<Value> = swept.iter().map(value).collect();
    printer.say(&text, &swept)
}

fn line(swept: &Swept, is_dry: bool) -> String {
    let Swept { name, rows, bytes, is_busy, .. } = swept;
    let size = match (rows, bytes) {
        (Some(rows), _) => counted(rows, "row"),
        (None, Some(bytes)) => format!("{} KiB", bytes / 1024),
        (None, None) => String::new(),
    };
    let what = match (is_busy, is_dry) {
        (true, _) => "in use, skipped for now",
        (false, true) => "would be deleted",
        (false, false) => "deleted",
    };
    format!("{name}: {size} {what}")
}

fn value(swept: &Swept) -> Value {
    let Swept { class, name, rows, bytes, is_busy } = swept;
    json!({ "class": class.as_str(), "name": name, "rows": rows, "bytes": bytes, "is_busy": is_busy })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_kept_for_days_or_for_ever() {
        let check = |text: &str, keep: Option<Option<u32>>| {
            assert_eq!(text.parse::<Keep>().ok().map(|Keep(days)| days), keep, "{text}");
        };
        check("forever", Some(None));
        check("1", Some(Some(1)));
        check("36500", Some(Some(36_500)));
        for wrong in ["0", "36501", "-1", "", "30d"] {
            check(wrong, None);
        }
    }
}
