//! `aspora archive`: old months as files, before retention drops them.

use std::path::Path;

use anyhow::Context as _;
use futures::{StreamExt as _, pin_mut};
use serde_json::json;
use tokio::{
    fs,
    io::{AsyncWriteExt as _, BufWriter},
};

use super::{Exit, args::Archive, print::Printer, retention};
use crate::store::{
    self, Pool, archive,
    partition::{self, Month},
};

/// Writes a file for every month that ended before the day and whose runs are all over.
///
/// # Errors
/// When the database cannot be read or a file cannot be written; whole files stay.
pub(super) async fn run(printer: &Printer, what: Archive) -> anyhow::Result<Exit> {
    let pool = retention::open(&what.database).await?;
    fs::create_dir_all(&what.out).await.with_context(|| format!("make {}", what.out.display()))?;
    let now = store::now(&mut *pool.acquire().await?).await?;
    let before = what.before.and_time(chrono::NaiveTime::MIN).and_utc();
    for month in partition::months(&pool, "run", Some(before.min(now))).await? {
        let file = what.out.join(format!("runs-{}.ndjson", month.name));
        let (word, lines) = if fs::try_exists(&file).await? {
            ("is there already", None)
        } else if archive::is_complete(&pool, &month, now).await? {
            ("is written", Some(write(&pool, &month, &file).await?))
        } else {
            ("is left out: a run of this month is not over", None)
        };
        let count = lines.map(|lines| format!(", {lines} lines")).unwrap_or_default();
        printer.aside(&format!("{} {word}{count}", file.display()))?;
        printer.result(&json!({ "month": month.name, "file": file, "lines": lines }))?;
    }
    Ok(Exit::Done)
}

/// A file appears only when it is whole.
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
    fs::rename(&part, file).await.with_context(|| format!("name {}", file.display()))?;
    Ok(count)
}
