//! `aspora metrics`. Only `--rebuild` works on the database directly, without a server.

use std::fmt::Write as _;

use anyhow::Context as _;
use chrono::{Days, NaiveDate, TimeDelta, Utc};
use clap::Args;
use serde_json::json;

use super::{Client, Exit, Printer, options::Database, plain};
use crate::{
    api::{Metrics, MetricsFigure},
    core::words::{counted, seconds_in_words},
    store::measure::{self, Rebuilt},
};

/// Connections of a rebuild.
const CONNECTIONS: u32 = 2;

/// The arguments of `aspora metrics`. By default the last 30 days are shown.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The last 7 days.
    #[arg(long, conflicts_with_all = ["month", "from"])]
    week: bool,
    /// The last 30 days.
    #[arg(long, conflicts_with = "from")]
    month: bool,
    /// The first day, in UTC.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<NaiveDate>,
    /// The last day, in UTC [default: today].
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<NaiveDate>,
    /// Only this product.
    #[arg(long)]
    product: Option<String>,
    /// Only this tier: critical, high, medium, low, or `none` for runs that were never judged.
    #[arg(long)]
    tier: Option<String>,
    /// Print CSV.
    #[arg(long)]
    csv: bool,
    /// Print JSON, as `-o json` does.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Count everything again from the runs that still exist; what retention has deleted stays as it was counted.
    #[arg(long, conflicts_with_all = ["week", "month", "from", "to", "product", "tier", "csv", "json"])]
    rebuild: bool,
    #[command(flatten)]
    database: Database,
}

/// Shows the figures, or counts them again.
///
/// # Errors
/// When the server refuses the request, or it or the database cannot be reached.
pub(crate) async fn run(
    client: impl FnOnce() -> anyhow::Result<Client>,
    printer: &Printer,
    show: Show,
) -> anyhow::Result<Exit> {
    if show.rebuild {
        return rebuild(printer, &show.database).await;
    }
    let metrics = client()?.metrics(&query(&show, Utc::now().date_naive())).await?;
    if show.csv {
        printer.raw(&metrics.csv())?;
    } else if show.json {
        printer.raw(&format!("{}\n", serde_json::to_string_pretty(&metrics)?))?;
    } else {
        printer.say(&text(&metrics), &metrics)?;
    }
    Ok(Exit::Success)
}

/// The parameters of the request. The days are the server's unless some are given.
fn query(show: &Show, today: NaiveDate) -> Vec<(&'static str, String)> {
    let to = show.to.unwrap_or(today);
    let back = |days: u64| to.checked_sub_days(Days::new(days));
    let from = match show.from {
        None if show.week => back(6),
        None if show.month => back(29),
        from => from,
    };
    let (from, to) = (from.map(|day| day.to_string()), show.to.map(|day| day.to_string()));
    let all = [("from", from), ("to", to), ("product", show.product.clone()), ("tier", show.tier.clone())];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn text(metrics: &Metrics) -> String {
    let mut text = format!("{} to {}, by days in UTC\n", metrics.from, metrics.to);
    if metrics.uncounted > 0 {
        let _ =
            writeln!(text, "{} changed and will be counted in a moment", counted(metrics.uncounted, "run"));
    }
    for section in &metrics.sections {
        let _ = writeln!(text, "\n{}", section.question);
        for figure in &section.figures {
            let of = figure.of.filter(|_| figure.value.is_some());
            let of = of.map(|of| format!("  (of {of})")).unwrap_or_default();
            let _ = writeln!(text, "  {:>14}  {}{of}", written(figure), plain(&figure.label));
        }
    }
    text
}

/// A figure's number with its unit.
#[expect(clippy::cast_possible_truncation, reason = "no sum has 2^52")]
pub(super) fn written(figure: &MetricsFigure) -> String {
    let Some(value) = figure.value else { return "no data".to_owned() };
    match figure.unit.as_str() {
        // Rounded down, so that only all is 100 %.
        "share" => format!("{} %", (value * 1000.0).floor() / 10.0),
        "ms" if value < 1000.0 => format!("{value:.0} ms"),
        "ms" => seconds_in_words(TimeDelta::milliseconds(value as i64).num_seconds().unsigned_abs()),
        "usd" => format!("${value:.4}"),
        _ if value.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

async fn rebuild(printer: &Printer, database: &Database) -> anyhow::Result<Exit> {
    let pool = database.connect(CONNECTIONS).await?;
    let rebuilt = measure::rebuild(&pool).await.context("count the runs again")?;
    let Rebuilt { counted: runs, without_history, deleted, deleted_days, corrected } = rebuilt;
    let mut text = format!("counted {} again\n", counted(runs, "run"));
    if without_history > 0 {
        let _ = writeln!(
            text,
            "of these, {without_history} whose history retention has deleted: their times and rounds stay as they were"
        );
    }
    if let Some((first, last)) = deleted_days {
        let _ = writeln!(
            text,
            "{} that retention has deleted, counted from {first} to {last}, cannot be counted again: what they count stays",
            counted(deleted, "run")
        );
    }
    let _ = writeln!(text, "{} wrong, and put right", counted(corrected, "sum"));
    let value = json!({
        "counted": runs, "without_history": without_history, "deleted": deleted, "corrected": corrected,
        "deleted_from": deleted_days.map(|(first, _)| first), "deleted_to": deleted_days.map(|(_, last)| last),
    });
    printer.say(&text, &value)?;
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use crate::cli::args::parses;

    #[test]
    fn days_are_given_in_one_way() {
        for words in [
            &[][..],
            &["--week"],
            &["--month", "--to", "2026-01-31"],
            &["--from", "2026-01-01"],
            &["--rebuild"],
        ] {
            assert!(parses("metrics", words), "{words:?}");
        }
        for words in [
            &["--week", "--month"][..],
            &["--week", "--from", "2026-01-01"],
            &["--from", "yesterday"],
            &["--rebuild", "--csv"],
        ] {
            assert!(!parses("metrics", words), "{words:?}");
        }
    }
}
