//! Harness gaps: opened by people and programs, listed with their clocks, shown and dismissed.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::json;
use uuid::Uuid;

use super::responses::NotFound;
use crate::{
    api::{DismissGap, Gap, GapAccepted, GapEvent, Gaps, NewGap, Problem},
    core::{access::Right, gap::STATES, incident::Report, reason::Reason},
    engine::{self, NotDismissed},
    http::{
        AppState,
        middleware::{
            caller::Caller,
            error::Error,
            extract::{self, Id, Query},
            idempotency::{Once, Outcome, Reply},
            problem::Kind,
        },
        scope,
    },
    store::{
        self, Connection, Pool,
        gap::{self, Filter},
    },
};

/// The route's name beside the keys that were used on it.
const ROUTE: &str = "POST /api/v1/harness-gaps";

/// Opens a harness gap: something went wrong in production, and no case of the harness would have caught it. A run makes the
/// issue, writes the failing case, proves it, and fixes what it shows. The limit of a product's open runs does not hold it back.
#[utoipa::path(post, path = "/api/v1/harness-gaps", tag = "harness gaps", request_body = NewGap,
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The incident is known by its key, and has this gap.", body = GapAccepted),
        (status = 201, description = "The gap is open, and a run works on it.", body = GapAccepted, headers(("Location" = String, description = "The gap."))),
        (status = 409, description = "The first request with this key is still running.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is invalid, the product is unknown, or the key was used with another body.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn open(
    State(app): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    extract::Json(new): extract::Json<NewGap>,
) -> Result<Outcome, Error> {
    let once = Once::from_headers(&headers, &caller, ROUTE, &new)?;
    if !caller.has(&new.product) {
        return Err(engine::Error::NoProduct(new.product).into());
    }
    let pool = app.engine.pool();
    let reported = checked(pool, &new).await?;
    once.run(pool, async |tx: &mut Connection| {
        let opened = app.engine.submit_gap_in(tx, (&new.product, &reported), caller.author()).await?;
        let row = gap::get(&mut *tx, opened.gap).await?.ok_or_else(Error::internal)?;
        let body = GapAccepted {
            gap_id: row.id,
            is_new: opened.is_new,
            due_at: row.clock().due_at(),
            run_id: row.run,
        };
        let status = if opened.is_new { StatusCode::CREATED } else { StatusCode::OK };
        let location = Some(format!("{}/api/v1/harness-gaps/{}", app.settings.public_url, row.id));
        Ok::<_, Error>(Reply { status, location, body: json!(body) })
    })
    .await
}

/// What a caller tells, checked field by field.
pub(in super::super) async fn checked(pool: &Pool, new: &NewGap) -> Result<Report, Error> {
    let now = store::now(&mut *pool.acquire().await?).await?;
    let reported = Report {
        key: new.key.clone().unwrap_or_else(|| Uuid::now_v7().to_string()),
        title: new.title.clone(),
        body: new.body.clone(),
        url: new.url.clone(),
        happened_at: new.happened_at,
    };
    reported.checked(now).map_err(|wrong| {
        Error::fields("harness gap", wrong.into_iter().map(|wrong| (wrong.pointer, wrong.message)))
    })
}

/// A page of harness gaps, newest first.
#[utoipa::path(get, path = "/api/v1/harness-gaps", tag = "harness gaps",
    params(
        ("product" = Option<String>, Query, description = "Only this product."),
        ("state" = Option<String>, Query, description = "`open`, `overdue` (open, and its case was due), `converted` or `dismissed`."),
        ("cursor" = Option<Uuid>, Query, description = "The next_cursor of the page before."),
        ("limit" = Option<i32>, Query, description = "1 to 100; default 20.", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, description = "A page.", body = Gaps),
        (status = 400, description = "A parameter is invalid.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<Gaps>, Error> {
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
    let pool = app.engine.pool();
    // One more than requested shows whether there is a next page.
    let mut rows = gap::list(pool, &filter).await?;
    let more = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(|row| row.id);
    let now = store::now(&mut *pool.acquire().await?).await?;
    Ok(Json(Gaps { items: rows.into_iter().map(|row| Gap::new(row, now)).collect(), next_cursor }))
}

/// One harness gap, with what was reported and what happened to it.
#[utoipa::path(get, path = "/api/v1/harness-gaps/{id}", tag = "harness gaps", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The gap.", body = Gap),
    NotFound,
))]
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Gap>, Error> {
    let pool = app.engine.pool();
    let row = gap::get(pool, id).await?.ok_or_else(|| Error::not_found("harness gap", id))?;
    let now = store::now(&mut *pool.acquire().await?).await?;
    let body = Some(row.body.clone()).filter(|_| caller.may(Right::ReadPayload));
    let events = gap::events(pool, id).await?.into_iter().map(GapEvent::from).collect();
    Ok(Json(Gap { body, events: Some(events), ..Gap::new(row, now) }))
}

/// Says that there is no gap: the clock is stopped, and its issue is closed with the reason. What its run does is left to
/// people.
#[utoipa::path(post, path = "/api/v1/harness-gaps/{id}/dismiss", tag = "harness gaps", request_body = DismissGap,
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The gap is dismissed.", body = Gap),
        NotFound,
        (status = 409, description = "Its clock was stopped before (`not-allowed`).", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason is missing or too long.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn dismiss(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
    extract::Json(body): extract::Json<DismissGap>,
) -> Result<Json<Gap>, Error> {
    let reason: Reason = body.reason.parse().map_err(|wrong: crate::core::requirement::Invalid| {
        Error::field(&format!("/{}", wrong.field), wrong.message)
    })?;
    let pool = app.engine.pool();
    let mut tx = pool.begin().await?;
    match app.engine.dismiss_gap_in(&mut tx, id, &reason, caller.author()).await? {
        Ok(()) => {}
        Err(NotDismissed::NoGap(id)) => return Err(Error::not_found("harness gap", id)),
        Err(over @ NotDismissed::Over(_)) => {
            return Err(Error::new(Kind::NotAllowed, format!("{over}; nothing has changed")));
        }
    }
    tx.commit().await?;
    let row = gap::get(pool, id).await?.ok_or_else(|| Error::not_found("harness gap", id))?;
    let now = store::now(&mut *pool.acquire().await?).await?;
    Ok(Json(Gap::new(row, now)))
}
