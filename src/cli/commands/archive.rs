//! `aspora archive`: exports old months to files, before retention drops them.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::NaiveDate;
use clap::Args;
use futures::{StreamExt as _, pin_mut};
use serde_json::json;
use tokio::{
    fs,
    io::{AsyncWriteExt as _, BufWriter},
};

use super::{Exit, Printer, options::Database};
use crate::{
    core::words::counted,
    store::{
        self, Pool, archive,
        partition::{self, Month},
    },
};

/// The arguments of `aspora archive`.
#[derive(Debug, Args)]
pub(crate) struct Archive {
    /// Export only months that ended before this day, such as 2026-07-01.
    #[arg(long, value_name = "DATE")]
    before: NaiveDate,
    /// Directory of the files, such as `runs-2026_06.ndjson`; existing files are kept.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    database: Database,
}

/// Writes a file for each month that ended before the given day and whose runs have all ended.
///
/// # Errors
/// When the database cannot be read or a file cannot be written; files that are complete stay.
pub(crate) async fn run(printer: &Printer, options: Archive) -> anyhow::Result<Exit> {
    let pool = options.database.connect(2).await?;
    fs::create_dir_all(&options.out)
        .await
        .with_context(|| format!("create directory {}", options.out.display()))?;
    let now = store::now(&mut *pool.acquire().await?).await?;
    let before = options.before.and_time(chrono::NaiveTime::MIN).and_utc();
    for month in partition::months(&pool, "run", Some(before.min(now))).await? {
        let file = options.out.join(format!("runs-{}.ndjson", month.name));
        let (status, lines) = if fs::try_exists(&file).await? {
            ("exists already".to_owned(), None)
        } else if archive::is_complete(&pool, &month, now).await? {
            let lines = write(&pool, &month, &file).await?;
            (format!("written, {}", counted(lines, "line")), Some(lines))
        } else {
            ("skipped: not all runs of this month have ended".to_owned(), None)
        };
        printer.aside(&format!("{}: {status}", file.display()))?;
        printer.result(&json!({ "month": month.name, "file": file, "lines": lines }))?;
    }
    Ok(Exit::Success)
}

/// Writes the month's file under a temporary name first, so that a file that exists is complete.
async fn write(pool: &Pool, month: &Month, file: &Path) -> anyhow::Result<u64> {
    let part = file.with_extension("part");
    let context = || format!("write {}", part.display());
    let mut out = BufWriter::new(fs::File::create(&part).await.with_context(context)?);
    let mut count = 0;
    let lines = archive::of_month(pool.clone(), month);
    pin_mut!(lines);
    while let Some(line) = lines.next().await {
        let line = line.with_context(|| format!("read the runs of {}", month.name))?;
        out.write_all(line.as_bytes()).await.with_context(context)?;
        out.write_all(b"\n").await.with_context(context)?;
        count += 1;
    }
    out.flush().await.with_context(context)?;
    out.get_ref().sync_all().await.with_context(context)?;
    fs::rename(&part, file).await.with_context(|| format!("rename to {}", file.display()))?;
    Ok(count)
}
