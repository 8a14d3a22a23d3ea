//! Figures of what the factory does, and the runs behind them.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse as _, Response},
};

use crate::{
    api::{Metrics, MetricsRuns, Problem},
    http::{
        AppState, board,
        middleware::{caller::Caller, error::Error, extract::Query},
    },
};

/// What the factory did in a range of days, and how well.
#[utoipa::path(get, path = "/api/v1/metrics", tag = "metrics",
    params(
        ("from" = Option<chrono::NaiveDate>, Query, description = "The first day, in UTC; default: 29 days before `to`."),
        ("to" = Option<chrono::NaiveDate>, Query, description = "The last day, in UTC; default: today. At most 3,660 days in all."),
        ("product" = Option<String>, Query, description = "Only this product."),
        ("tier" = Option<String>, Query, description = "Only this tier: `critical`, `high`, `medium`, `low`, or `none` for runs that were never judged."),
        ("format" = Option<String>, Query, description = "`json` or `csv`; default: as Accept says, else JSON."),
    ),
    responses(
        (status = 200, description = "The figures.", content((Metrics = "application/json"), (String = "text/csv"))),
        (status = 400, description = "A parameter is invalid.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    query: Query,
) -> Result<Response, Error> {
    let query = query.only(&["from", "to", "product", "tier", "format"])?;
    let is_csv = match query.text("format") {
        None => accepts_csv(&headers),
        Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(Error::parameter("format", "must be json or csv")),
    };
    let asked = board::asked(app.engine.pool(), &query).await?;
    let (board, uncounted) = board::read(&app, &caller, &asked).await?;
    let metrics = Metrics::new(asked, board, uncounted);
    if is_csv {
        return Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], metrics.csv()).into_response());
    }
    Ok(Json(metrics).into_response())
}

fn accepts_csv(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = accept.split(',').next().unwrap_or_default();
    first.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/csv")
}

/// The runs that add to a figure, newest first.
#[utoipa::path(get, path = "/api/v1/metrics/runs", tag = "metrics",
    params(
        ("figure" = String, Query, description = "The name of a figure of runs, as in `runs_url`."),
        ("from" = Option<chrono::NaiveDate>, Query, description = "The first day, in UTC; default: 29 days before `to`."),
        ("to" = Option<chrono::NaiveDate>, Query, description = "The last day, in UTC; default: today."),
        ("product" = Option<String>, Query, description = "Only this product."),
        ("tier" = Option<String>, Query, description = "Only this tier."),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before."),
        ("limit" = Option<i32>, Query, description = "1 to 100; default 50.", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, description = "A page.", body = MetricsRuns),
        (status = 400, description = "A parameter is invalid.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn runs(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<MetricsRuns>, Error> {
    let query = query.only(&["figure", "from", "to", "product", "tier", "cursor", "limit"])?;
    let limit = query.number("limit", 1, 100, 50)?;
    let asked = board::asked(app.engine.pool(), &query).await?;
    Ok(Json(board::behind(&app, &caller, &asked, &query, limit).await?))
}
