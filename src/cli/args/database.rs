//! The words of what works on the database itself.

use std::{path::PathBuf, str::FromStr};

use chrono::NaiveDate;
use clap::{Args, Subcommand};

use crate::store::retention::Class;

/// The database to work on.
#[derive(Debug, Args)]
pub struct Database {
    /// The database.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database_url: String,
}

/// What to look at.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Also ask of every run whether what must hold does. Reads every event; nothing is changed.
    #[arg(long)]
    pub invariants: bool,
    /// The database.
    #[command(flatten)]
    pub database: Database,
}

/// How long what is kept.
#[derive(Debug, Subcommand)]
pub enum Retention {
    /// Show how long each class of rows is kept.
    Show(Database),
    /// Keep a class for so many days, or for ever.
    Set {
        /// answers, signals, history, effects, runs or blobs.
        class: Class,
        /// Days, at least 1, or `forever`.
        keep: Keep,
        /// The database.
        #[command(flatten)]
        database: Database,
    },
    /// Sweep now what was kept long enough; workers and servers do it once a day.
    Run {
        /// Only tell what would go.
        #[arg(long)]
        dry_run: bool,
        /// The database.
        #[command(flatten)]
        database: Database,
    },
}

/// For so many days, or for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep(pub Option<u32>);

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse::<u32>()) {
            ("forever", _) => Ok(Self(None)),
            (_, Ok(days @ 1..=36_500)) => Ok(Self(Some(days))),
            _ => Err("1 to 36500 days or `forever` is needed".to_owned()),
        }
    }
}

/// What to archive, and where.
#[derive(Debug, Args)]
pub struct Archive {
    /// Only months that ended before this day, such as 2026-07-01.
    #[arg(long, value_name = "DATE")]
    pub before: NaiveDate,
    /// The folder for the files, `runs-2026_06.ndjson`; a file that is there stays as it is.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The database.
    #[command(flatten)]
    pub database: Database,
}
