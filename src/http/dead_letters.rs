//! Jobs that used up their attempts: listed, and given another chance, never all by accident.

use axum::{Json, extract::State};

use super::{
    App, controls,
    error::{Error, Kind},
    extract::{self, Query},
    view::{DeadLetter, DeadLetters, Problem, Redrive, RedriveFilter, Redriven, RedrivenLetter},
};
use crate::{
    core::reason::Reason,
    engine::{self, Control},
    store::dead_letter::{self, Filter},
};

/// The most letters of one redrive.
const MOST: usize = 1000;

/// The dead letters whose runs were given no other chance, newest first.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "dead letters",
    params(
        ("product" = Option<String>, Query, description = "Only this product."),
        ("step" = Option<String>, Query, description = "Only this step."),
        ("error_contains" = Option<String>, Query, description = "Only errors that hold this text, whatever its case."),
        ("cursor" = Option<i64>, Query, description = "The next_cursor of the page before."),
        ("limit" = Option<i32>, Query, description = "1 to 100; 20 unless said."),
    ),
    responses(
        (status = 200, description = "A page.", body = DeadLetters),
        (status = 400, description = "A parameter cannot be read.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(State(app): State<App>, query: Query) -> Result<Json<DeadLetters>, Error> {
    let query = query.only(&["product", "step", "error_contains", "cursor", "limit"])?;
    let limit = query.number("limit", 1, 100, 20)?;
    let text = |name| query.text(name).map(str::to_owned);
    let filter = Filter {
        product: text("product"),
        step: text("step"),
        error_contains: text("error_contains"),
        died_before: None,
    };
    let wrong = |_| Error::parameter("cursor", "is none of ours; take next_cursor as it was given");
    let before = query.text("cursor").map(str::parse::<i64>).transpose().map_err(wrong)?;
    // One more than asked for tells whether there is a next page.
    let mut rows = dead_letter::list(app.engine.pool(), &filter, before, i64::from(limit) + 1).await?;
    let more = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(|row| row.id);
    Ok(Json(DeadLetters { items: rows.into_iter().map(DeadLetter::from).collect(), next_cursor }))
}

/// Lets the runs of dead letters begin again at the steps that died, each letter once.
#[utoipa::path(post, path = "/api/v1/dead-letters/redrive", tag = "dead letters", request_body = Redrive,
    responses(
        (status = 200, description = "What became of each.", body = Redriven),
        (status = 409, description = "Not as many fit the filter as were expected; nothing was redriven.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason does not fit, or it is not clear which are meant.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn redrive(
    State(app): State<App>,
    extract::Json(wanted): extract::Json<Redrive>,
) -> Result<Json<Redriven>, Error> {
    let reason = controls::reason(&wanted.reason)?;
    let ids = chosen(&app, wanted).await?;
    let mut items = Vec::new();
    for id in ids {
        items.push(one(&app, id, &reason).await?);
    }
    Ok(Json(Redriven { items }))
}

async fn one(app: &App, id: i64, reason: &Reason) -> Result<RedrivenLetter, Error> {
    let (done, detail) = match app.engine.redrive(id, "api", reason).await {
        Ok(Control::Applied) => ("redriven", None),
        Ok(Control::Unchanged) => ("already", None),
        // The others shall not wait for one that cannot be; what was redriven stays so.
        Err(engine::Error::Store(error)) => return Err(error.into()),
        Err(refused) => ("refused", Some(refused.to_string())),
    };
    Ok(RedrivenLetter { id, done: done.to_owned(), detail })
}

/// Which letters are meant: named ones, or as many as the caller saw that fit the filter.
async fn chosen(app: &App, wanted: Redrive) -> Result<Vec<i64>, Error> {
    let wrong = |pointer: &str, detail: &str| Err(Error::new(Kind::Invalid, detail).at(pointer, detail));
    let filter = match (wanted.ids, wanted.filter) {
        (Some(ids), None) if ids.is_empty() => return wrong("/ids", "is empty; name at least one"),
        (Some(ids), None) if ids.len() > MOST => return wrong("/ids", "names over 1000; send them in parts"),
        (Some(ids), None) => return Ok(ids),
        (Some(_), Some(_)) => return wrong("/filter", "goes not together with ids; send one of them"),
        (None, None) => return wrong("/ids", "is missing; send ids, or filter with expect"),
        (None, Some(filter)) => filter,
    };
    if filter == RedriveFilter::default() && !wanted.all {
        return wrong("/filter", "says nothing; send all: true if every dead letter is meant");
    }
    let Some(expect) = wanted.expect else {
        return wrong("/expect", "is missing; send how many you saw that fit the filter");
    };
    let RedriveFilter { product, step, error_contains, died_before } = filter;
    let filter = Filter { product, step, error_contains, died_before };
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    let rows = dead_letter::list(app.engine.pool(), &filter, None, most + 1).await?;
    if rows.len() > MOST {
        return wrong("/filter", "fits over 1000; narrow it, or redrive them by ids");
    }
    if u32::try_from(rows.len()).ok() != Some(expect) {
        let detail =
            format!("{} dead letters fit the filter, not {expect}; nothing was redriven", rows.len());
        return Err(Error::new(Kind::Changed, detail));
    }
    Ok(rows.into_iter().map(|row| row.id).collect())
}
