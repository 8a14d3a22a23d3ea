//! Pull requests that others opened: the runs that judge them.

use axum::{Json, extract::State};
use uuid::Uuid;

use crate::{
    api::{JudgedPull, JudgedPulls, Problem},
    http::{
        AppState,
        middleware::{caller::Caller, error::Error, extract::Query},
        scope,
    },
    store::pull::{self, Filter},
};

/// The states that the list may be filtered by.
pub(in super::super) const STATES: [&str; 8] =
    ["active", "waiting", "paused", "ended", "succeeded", "failed", "blocked", "cancelled"];

/// The runs that judge pull requests of others, newest first.
#[utoipa::path(get, path = "/api/v1/pulls", tag = "runs",
    params(
        ("product" = Option<String>, Query, description = "Only this product."),
        ("state" = Option<String>, Query, description = "`active`, `waiting`, `paused`, `ended`, or how it ended."),
        ("cursor" = Option<Uuid>, Query, description = "The next_cursor of the page before."),
        ("limit" = Option<i32>, Query, description = "1 to 100; default 20.", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, description = "A page.", body = JudgedPulls),
        (status = 400, description = "A parameter is invalid.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<JudgedPulls>, Error> {
    let query = query.only(&["product", "state", "cursor", "limit"])?;
    let limit = query.number("limit", 1, 100, 20)?;
    let state = query.text("state");
    if state.is_some_and(|state| !STATES.contains(&state)) {
        return Err(Error::parameter("state", format!("must be one of {}", STATES.join(", "))));
    }
    let wrong =
        |_| Error::parameter("cursor", "is not a cursor of this list; send next_cursor as it was given");
    let before = query.text("cursor").map(str::parse::<Uuid>).transpose().map_err(wrong)?;
    let filter = Filter {
        products: scope::named(&caller, query.text("product")),
        state: state.map(str::to_owned),
        before,
        limit: i64::from(limit) + 1,
    };
    // One more than requested shows whether there is a next page.
    let mut rows = pull::list(app.engine.pool(), &filter).await?;
    let more = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(|row| row.run_id);
    Ok(Json(JudgedPulls { items: rows.into_iter().map(JudgedPull::from).collect(), next_cursor }))
}
