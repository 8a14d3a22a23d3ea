//! What the figures say to a caller, for REST and the pages.

use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use super::{
    AppState,
    middleware::{caller::Caller, error::Error, extract::Query},
    scope,
};
use crate::{
    api::{Asked, MetricsRuns},
    core::{
        measure::{Board, NO_TIER, Range},
        policy::Tier,
    },
    store::{
        self, Pool, gap,
        measure::{self, Behind, Filter, Listed},
    },
};

/// How many days are shown unless others are asked for.
const DAYS: u32 = 30;
/// The most bytes of the name of a figure.
const NAME: usize = 200;

/// Reads what is asked for.
///
/// # Errors
/// When a parameter is invalid, or the database does not answer.
pub(crate) async fn asked(pool: &Pool, query: &Query) -> Result<Asked, Error> {
    let today = store::now(&mut *pool.acquire().await?).await?.date_naive();
    let to = day(query, "to")?.unwrap_or(today);
    let range = match day(query, "from")? {
        None => Range::last(DAYS, to),
        Some(from) => {
            Range::new(from, to).map_err(|wrong| Error::parameter("from", format!("the range {wrong}")))?
        }
    };
    let tier = query.text("tier");
    if let Some(tier) =
        tier.filter(|tier| *tier != NO_TIER && !Tier::ALL.iter().any(|it| it.as_str() == *tier))
    {
        let known = Tier::ALL.map(Tier::as_str).join(", ");
        return Err(Error::parameter("tier", format!("{tier:.80?} is not one of {known}, {NO_TIER}")));
    }
    Ok(Asked { range, product: query.text("product").map(str::to_owned), tier: tier.map(str::to_owned) })
}

fn day(query: &Query, name: &str) -> Result<Option<NaiveDate>, Error> {
    let wrong = |_| Error::parameter(name, "is not a day such as 2026-01-31");
    let Some(text) = query.text(name) else { return Ok(None) };
    let day: NaiveDate = text.parse().map_err(wrong)?;
    // Postgres has no others.
    let is_known = day >= NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or(day)
        && day <= NaiveDate::from_ymd_opt(9999, 12, 31).unwrap_or(day);
    if is_known {
        Ok(Some(day))
    } else {
        Err(Error::parameter(name, "must be from 2000-01-01 to 9999-12-31"))
    }
}

fn filter(caller: &Caller, asked: &Asked) -> Filter {
    let products = scope::named(caller, asked.product.as_deref());
    Filter { range: asked.range, products, tier: asked.tier.clone() }
}

/// The board of what the caller may see, and how many runs are not counted yet.
pub(crate) async fn read(app: &AppState, caller: &Caller, asked: &Asked) -> store::Result<(Board, i64)> {
    let (pool, filter) = (app.engine.pool(), filter(caller, asked));
    let sums = measure::sums(pool, &filter).await?;
    let runs =
        |name: &str| sums.iter().filter(|(_, figure, _)| figure == name).map(|(.., sum)| sum.runs).sum();
    let (cycle, first_pull) = futures::future::try_join(
        measure::spread(pool, &filter, "cycle", runs("cycle")),
        measure::spread(pool, &filter, "first_pull", runs("first_pull")),
    )
    .await?;
    let mut board = Board::of(asked.range, sums, &cycle, &first_pull);
    // An incident has no tier.
    if asked.tier.is_none() {
        let (days, products) = ((asked.range.from(), asked.range.to()), filter.products.as_deref());
        let (gaps, median) =
            futures::future::try_join(gap::sums(pool, days, products), gap::median(pool, days, products))
                .await?;
        board = board.and_gaps(asked.range, &gaps, median);
    }
    Ok((board, measure::count_due(pool).await?))
}

/// A page of the runs behind a figure.
///
/// # Errors
/// When a parameter is invalid, or the database does not answer.
pub(crate) async fn behind(
    app: &AppState,
    caller: &Caller,
    asked: &Asked,
    query: &Query,
    limit: i32,
) -> Result<MetricsRuns, Error> {
    let missing = || Error::parameter("figure", "is missing; runs_url of a figure has it");
    let figure = query.text("figure").ok_or_else(missing)?;
    if figure.len() > NAME {
        return Err(Error::parameter("figure", format!("has more than {NAME} bytes")));
    }
    let wrong =
        || Error::parameter("cursor", "is not a cursor of this list; send next_cursor as it was given");
    let before = query.text("cursor").map(|text| place(text).ok_or_else(wrong)).transpose()?;
    // One more than requested shows whether there is a next page.
    let wanted = Behind { figure, before, limit: i64::from(limit) + 1 };
    let mut rows = measure::behind(app.engine.pool(), &filter(caller, asked), wanted).await?;
    let more = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(cursor);
    Ok(MetricsRuns { items: rows.into_iter().map(Into::into).collect(), next_cursor })
}

fn cursor(row: &Listed) -> String {
    format!("{}-{}", row.counted_at.timestamp_micros(), row.run)
}

fn place(cursor: &str) -> Option<(DateTime<Utc>, Uuid)> {
    let (micros, id) = cursor.split_once('-')?;
    let at = DateTime::from_timestamp_micros(micros.parse().ok()?)?;
    let is_known = (0..253_402_300_800).contains(&at.timestamp());
    Some((at, id.parse().ok()?)).filter(|_| is_known)
}
