//! `aspora replay`: judges every recorded decision again from its recorded facts.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde_json::{Value, json};

use super::{Exit, Printer, options::Database, plain};
use crate::{
    cli::text::short,
    core::{policy::Difference, requirement::ProductName, words::counted},
    engine::{
        Engine,
        decisions::{Differing, Rejudged, Which},
    },
    store,
};

/// How many differing decisions are shown.
const SHOWN: usize = 50;
/// How many places of a decision are shown.
const PLACES: usize = 5;
/// The longest value that is shown, in characters.
const VALUE: usize = 80;

/// The arguments of `aspora replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// Only decisions since then: so many days or hours ago, such as 30d or 12h, or a time such as 2026-07-01T00:00:00Z.
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Since>,
    /// Only decisions about this product.
    #[arg(long, value_name = "NAME")]
    product: Option<ProductName>,
    /// Only so many, the newest.
    #[arg(long, value_name = "N")]
    last: Option<u32>,
    #[command(flatten)]
    database: Database,
}

#[derive(Debug, Clone, Copy)]
enum Since {
    Hours(u32),
    At(DateTime<Utc>),
}

/// Judges again and names each decision that differs.
///
/// # Errors
/// When the database cannot be reached or read.
pub(crate) async fn run(printer: &Printer, options: Replay) -> anyhow::Result<Exit> {
    let pool = options.database.connect(2).await?;
    let now = store::now(&mut *pool.acquire().await?).await?;
    let which = Which {
        product: options.product.map(|product| product.to_string()),
        since: options.since.map(|since| match since {
            Since::Hours(hours) => now - TimeDelta::hours(hours.into()),
            Since::At(at) => at,
        }),
        most: options.last.map(usize::try_from).transpose()?,
    };
    let found = Engine::open(pool).await?.judge_again(&which).await?;
    printer.say(&describe(&found), &value(&found))?;
    Ok(if found.differing.is_empty() { Exit::Success } else { Exit::Refused })
}

fn since(text: &str) -> Result<Since, String> {
    let wrong =
        || "expected a number of days or hours such as 30d or 12h, or a time such as 2026-07-01T00:00:00Z";
    for (unit, hours) in [('d', 24), ('h', 1)] {
        if let Some(count) = text.strip_suffix(unit).and_then(|count| count.parse::<u32>().ok()) {
            let hours = count.checked_mul(hours).filter(|hours| (1..=876_000).contains(hours));
            return hours.map(Since::Hours).ok_or_else(|| "must be from 1h to 36500d".to_owned());
        }
    }
    DateTime::parse_from_rfc3339(text).map(|at| Since::At(at.to_utc())).map_err(|_| wrong().to_owned())
}

fn describe(found: &Rejudged) -> String {
    let mut text = String::new();
    for one in found.differing.iter().take(SHOWN) {
        describe_one(one, &mut text);
    }
    if found.differing.len() > SHOWN {
        let _ = writeln!(text, "and {} more", found.differing.len() - SHOWN);
    }
    let judged = counted(found.judged, "decision");
    let cut = if found.is_cut { "; older ones were left out" } else { "" };
    let _ = match found.differing.len() {
        0 => write!(text, "{judged} judged again, none differs{cut}"),
        all => write!(
            text,
            "{judged} judged again: {} in what was decided, {} in words alone{cut}",
            counted(found.decide_otherwise(), "difference"),
            all - found.decide_otherwise()
        ),
    };
    text
}

fn describe_one(one: &Differing, text: &mut String) {
    let decided = &one.decided;
    let what = if one.decides() { "decides otherwise" } else { "says it in other words" };
    let _ = writeln!(
        text,
        "decision {} of run {}: {} of {}, {} ({}), {what}",
        decided.id,
        one.run(),
        decided.stage,
        short(&decided.head_sha),
        decided.decision,
        decided.assessed_at.format("%Y-%m-%d %H:%M:%S UTC")
    );
    if let Some(why) = &one.unreadable {
        let _ = writeln!(text, "    {}", plain(why));
    }
    let mut places: Vec<&Difference> = one.differences.iter().collect();
    places.sort_by_key(|difference| !difference.decides);
    for difference in places.iter().take(PLACES) {
        let (was, is) = (shown(difference.recorded.as_ref()), shown(difference.now.as_ref()));
        let _ = writeln!(text, "    {}: was {was}, is {is}", plain(&difference.pointer));
    }
    if places.len() > PLACES {
        let _ = writeln!(text, "    and {} more", places.len() - PLACES);
    }
}

fn shown(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "absent".to_owned(), Value::to_string);
    let cut: String = plain(&text).chars().take(VALUE).collect();
    if cut.len() < text.len() { cut + "…" } else { cut }
}

fn value(found: &Rejudged) -> Value {
    let one = |one: &Differing| {
        json!({
            "id": one.decided.id,
            "run_id": one.run(),
            "stage": one.decided.stage,
            "head_sha": one.decided.head_sha,
            "decision": one.decided.decision,
            "assessed_at": one.decided.assessed_at,
            "decides": one.decides(),
            "unreadable": one.unreadable,
            "differences": one.differences,
        })
    };
    json!({
        "judged": found.judged,
        "is_cut": found.is_cut,
        "decide_otherwise": found.decide_otherwise(),
        "differing": found.differing.iter().map(one).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_span_or_a_time() {
        assert!(matches!(since("30d"), Ok(Since::Hours(720))));
        assert!(matches!(since("12h"), Ok(Since::Hours(12))));
        assert!(matches!(since("2026-07-01T00:00:00Z"), Ok(Since::At(_))));
        for wrong in ["", "0h", "30", "99999999d", "yesterday", "-1d"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
