//! Dead letters, jobs that used up their attempts: listed and redriven, never all by accident.

use axum::{Json, extract::State};

use crate::{
    api::{DeadLetter, DeadLetters, Problem, Redrive, RedriveFilter, Redriven, RedrivenLetter},
    core::reason::Reason,
    engine::{self, Control},
    http::{
        AppState,
        middleware::{
            caller::Caller,
            error::Error,
            extract::{self, Query},
            problem::Kind,
        },
        scope,
    },
    store::dead_letter::Filter,
};

/// The most letters of one redrive.
const MOST: usize = 1000;

/// The dead letters whose runs were neither redriven nor retried, newest first.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "dead letters",
    params(
        ("product" = Option<String>, Query, description = "Only this product."),
        ("step" = Option<String>, Query, description = "Only this step."),
        ("error_contains" = Option<String>, Query, description = "Only errors that contain this text, in any case."),
        ("cursor" = Option<i64>, Query, description = "The next_cursor of the page before."),
        ("limit" = Option<i32>, Query, description = "1 to 100; default 20.", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, description = "A page.", body = DeadLetters),
        (status = 400, description = "A parameter is invalid.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<DeadLetters>, Error> {
    let query = query.only(&["product", "step", "error_contains", "cursor", "limit"])?;
    let limit = query.number("limit", 1, 100, 20)?;
    let text = |name| query.text(name).map(str::to_owned);
    let filter = Filter {
        product: text("product"),
        step: text("step"),
        error_contains: text("error_contains"),
        died_before: None,
    };
    let wrong =
        |_| Error::parameter("cursor", "is not a cursor of this list; send next_cursor as it was given");
    let before = query.text("cursor").map(str::parse::<i64>).transpose().map_err(wrong)?;
    // One more than requested shows whether there is a next page.
    let mut rows =
        scope::dead_letters(app.engine.pool(), &caller, &filter, before, i64::from(limit) + 1).await?;
    let more = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(|row| row.id);
    Ok(Json(DeadLetters { items: rows.into_iter().map(DeadLetter::from).collect(), next_cursor }))
}

/// Retries the runs of dead letters at the steps that failed, once for each letter.
#[utoipa::path(post, path = "/api/v1/dead-letters/redrive", tag = "dead letters", request_body = Redrive,
    responses(
        (status = 200, description = "The result for each.", body = Redriven),
        (status = 409, description = "The filter matches another number than expected; nothing was redriven.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason is invalid, or it is not clear which are meant.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn redrive(
    State(app): State<AppState>,
    caller: Caller,
    extract::Json(wanted): extract::Json<Redrive>,
) -> Result<Json<Redriven>, Error> {
    let reason = extract::reason(&wanted.reason)?;
    let ids = selected(&app, &caller, wanted).await?;
    let mut items = Vec::new();
    for id in ids {
        items.push(redrive_one(&app, id, &caller, &reason).await?);
    }
    Ok(Json(Redriven { items }))
}

async fn redrive_one(
    app: &AppState,
    id: i64,
    caller: &Caller,
    reason: &Reason,
) -> Result<RedrivenLetter, Error> {
    if !scope::has_dead_letter(app.engine.pool(), caller, id).await? {
        let detail = engine::Error::NoLetter(id).to_string();
        return Ok(RedrivenLetter { id, done: "refused".to_owned(), detail: Some(detail) });
    }
    let (done, detail) = match app.engine.redrive(id, caller.author(), reason).await {
        Ok(Control::Applied) => ("redriven", None),
        Ok(Control::Unchanged) => ("already", None),
        // One that is refused must not keep the others from being redriven.
        Err(engine::Error::Store(error)) => return Err(error.into()),
        Err(refused) => ("refused", Some(refused.to_string())),
    };
    Ok(RedrivenLetter { id, done: done.to_owned(), detail })
}

/// The letters that are meant: by id, or as many as match the filter and as the caller expects.
async fn selected(app: &AppState, caller: &Caller, wanted: Redrive) -> Result<Vec<i64>, Error> {
    match (wanted.ids, wanted.filter) {
        (Some(ids), None) if ids.is_empty() => Err(Error::field("/ids", "is empty; name at least one")),
        (Some(ids), None) if ids.len() > MOST => {
            Err(Error::field("/ids", "has over 1000 ids; send them in parts"))
        }
        (Some(ids), None) => Ok(ids),
        (Some(_), Some(_)) => Err(Error::field("/filter", "cannot be combined with ids; send one of them")),
        (None, None) => Err(Error::field("/ids", "is missing; send ids, or filter with expect")),
        (None, Some(filter)) if filter == RedriveFilter::default() && !wanted.all => {
            Err(Error::field("/filter", "is empty; send all: true if every dead letter is meant"))
        }
        (None, Some(filter)) => matching(app, caller, filter, wanted.expect).await,
    }
}

async fn matching(
    app: &AppState,
    caller: &Caller,
    filter: RedriveFilter,
    expect: Option<u32>,
) -> Result<Vec<i64>, Error> {
    let Some(expect) = expect else {
        return Err(Error::field("/expect", "is missing; send how many matching letters you saw"));
    };
    let RedriveFilter { product, step, error_contains, died_before } = filter;
    let filter = Filter { product, step, error_contains, died_before };
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    let rows = scope::dead_letters(app.engine.pool(), caller, &filter, None, most + 1).await?;
    if rows.len() > MOST {
        return Err(Error::field("/filter", "matches over 1000; narrow it, or redrive them by ids"));
    }
    if u32::try_from(rows.len()).ok() != Some(expect) {
        let detail =
            format!("{} dead letters match the filter, not {expect}; nothing was redriven", rows.len());
        return Err(Error::new(Kind::Changed, detail));
    }
    Ok(rows.into_iter().map(|row| row.id).collect())
}
