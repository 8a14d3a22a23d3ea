//! Requirements: taken once, listed and shown.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use chrono::DateTime;
use uuid::Uuid;

use super::{
    App, budgets,
    error::{Error, Kind},
    extract::{self, Id, Query},
    idempotent::{Fresh, Once},
    view::{self, Accepted, NewRequirement, Requirements},
};
use crate::{
    core::{
        budget::{Limits, Scope},
        requirement::{Invalid, ProductName, Requirement},
    },
    engine,
    store::{self, Connection, requirement::Filter},
};

/// The route's name beside the keys that were used on it.
const ROUTE: &str = "POST /api/v1/requirements";
/// The states that a list may be narrowed to.
const STATES: [&str; 8] =
    ["active", "waiting", "paused", "ended", "succeeded", "failed", "blocked", "cancelled"];
/// The most products that an error names.
const NAMED: usize = 20;

/// Takes a requirement: once this answers, it is stored and a run works on it.
#[utoipa::path(post, path = "/api/v1/requirements", tag = "requirements", request_body = NewRequirement,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters. The same key with the same body gives the same answer for 24 hours and makes no second requirement.")),
    responses(
        (status = 202, description = "The requirement is stored and a run works on it.", body = Accepted, headers(("Location" = String, description = "The requirement."))),
        (status = 409, description = "The first request with this key is still running.", body = view::Problem, content_type = "application/problem+json"),
        (status = 429, description = "As many runs of the product are open as its backlog allows; nothing is stored.", body = view::Problem, content_type = "application/problem+json", headers(("Retry-After" = u32, description = "Seconds."))),
        (status = 422, description = "A field does not fit, the product is unknown, or the key was used with another body.", body = view::Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn submit(
    State(app): State<App>,
    headers: HeaderMap,
    extract::Json(new): extract::Json<NewRequirement>,
) -> Result<Response, Error> {
    let once = Once::read(&headers, ROUTE, &new)?;
    let requirement = check(&new)?;
    let budget = budgets::asked(new.budget)?;
    let pool = app.engine.pool();
    if let Some(response) = once.earlier(pool).await? {
        return Ok(response);
    }
    let mut tx = pool.begin().await?;
    let accepted = accept(&app, &mut tx, &requirement, budget).await?;
    if let Some(response) = once.keep(&mut tx, fresh(&app, accepted)?).await? {
        tx.commit().await?;
        return Ok(response);
    }
    tx.rollback().await?;
    once.settled(pool).await
}

/// Takes the requirement, and gives its run the budget that was asked for.
async fn accept(
    app: &App,
    tx: &mut Connection,
    requirement: &Requirement,
    budget: Option<Limits>,
) -> Result<engine::Accepted, Error> {
    let accepted = match app.engine.accept_in(tx, requirement, "api").await {
        Ok(accepted) => accepted,
        Err(error) => return Err(named(app, error).await),
    };
    if let Some(limits) = budget {
        let (key, reason) = (accepted.run.to_string(), "asked for with the requirement");
        store::budget::set(tx, Scope::Run, &key, limits, reason, "api").await?;
    }
    Ok(accepted)
}

/// A page of requirements, newest first.
#[utoipa::path(get, path = "/api/v1/requirements", tag = "requirements",
    params(
        ("product" = Option<String>, Query, description = "Only this product."),
        ("state" = Option<String>, Query, description = "Only runs that are active, waiting, paused or ended, or that succeeded, failed, blocked or cancelled."),
        ("q" = Option<String>, Query, description = "Only titles that hold this text, whatever its case. A page of a search looks at 20000 titles, with a state at 5000: it may hold few or none while next_cursor still leads on."),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before."),
        ("limit" = Option<i32>, Query, description = "1 to 100; 20 unless said."),
    ),
    responses(
        (status = 200, description = "A page; Link rel=next leads to the next one.", body = Requirements),
        (status = 400, description = "A parameter cannot be read.", body = view::Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(State(app): State<App>, query: Query) -> Result<Response, Error> {
    let query = query.only(&["product", "state", "q", "cursor", "limit"])?;
    let limit = query.number("limit", 1, 100, 20)?;
    let mut filter = filter(&query)?;
    filter.limit = i64::from(limit);
    let page = store::requirement::list(app.engine.pool(), &filter).await?;
    let next_cursor = page.next.map(|(at, id)| cursor(at.timestamp_micros(), id));
    let items = page.rows.into_iter().map(|row| view::Requirement { body: None, ..row.into() }).collect();
    let link = next_cursor.as_ref().map(|cursor| next_link(&query, cursor, limit));
    let mut response = Json(Requirements { items, next_cursor }).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// One requirement.
#[utoipa::path(get, path = "/api/v1/requirements/{id}", tag = "requirements", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The requirement.", body = view::Requirement),
    (status = 404, description = "There is none.", body = view::Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(State(app): State<App>, Id(id): Id) -> Result<Json<view::Requirement>, Error> {
    let row = store::requirement::get(app.engine.pool(), id).await?;
    row.map(|row| Json(row.into())).ok_or_else(|| Error::no("requirement", id))
}

fn check(new: &NewRequirement) -> Result<Requirement, Error> {
    checked(Requirement::new(&new.product, &new.title, &new.body, new.priority))
}

/// A requirement that fits, or every field that does not.
pub(super) fn checked(requirement: Result<Requirement, Vec<Invalid>>) -> Result<Requirement, Error> {
    requirement.map_err(|wrong| {
        wrong.into_iter().fold(
            Error::new(Kind::Invalid, "the requirement does not fit; errors names each field"),
            |error, invalid| error.at(format!("/{}", invalid.field), invalid.message),
        )
    })
}

fn fresh(app: &App, accepted: engine::Accepted) -> Result<Fresh, Error> {
    let engine::Accepted { requirement, run } = accepted;
    let body = Accepted {
        id: requirement,
        run_id: run,
        run_url: format!("/api/v1/runs/{run}"),
        page_url: format!("{}/runs/{run}", app.settings.public_url),
    };
    Ok(Fresh {
        status: StatusCode::ACCEPTED,
        location: Some(format!("/api/v1/requirements/{requirement}")),
        body: serde_json::to_value(body).map_err(|_| Error::new(Kind::Internal, ""))?,
    })
}

/// An unknown product is answered with the known ones.
pub(super) async fn named(app: &App, error: engine::Error) -> Error {
    let engine::Error::NoProduct(name) = error else { return error.into() };
    let products = match store::product::list(app.engine.pool()).await {
        Ok(products) => products,
        Err(error) => return error.into(),
    };
    let known: Vec<String> =
        products.iter().take(NAMED).map(|product| format!("`{}`", product.name)).collect();
    let known = match (known.as_slice(), products.len()) {
        ([], _) => "there are none yet; add one with POST /api/v1/products".to_owned(),
        (names, all) if all > NAMED => format!("known are {} and {} more", names.join(", "), all - NAMED),
        (names, _) => format!("known are {}", names.join(", ")),
    };
    let detail = format!("there is no product `{name}`; {known}");
    Error::new(Kind::UnknownProduct, detail.clone()).at("/product", detail)
}

fn filter(query: &Query) -> Result<Filter, Error> {
    let product = query
        .text("product")
        .map(|name| name.parse::<ProductName>().map_err(|wrong| Error::parameter("product", wrong.message)));
    let product = product.transpose()?.map(|name| name.as_str().to_owned());
    let state = query.text("state");
    if state.is_some_and(|word| !STATES.contains(&word)) {
        return Err(Error::parameter("state", format!("must be one of {}", STATES.join(", "))));
    }
    let wrong = || Error::parameter("cursor", "is none of ours; take next_cursor as it was given");
    let before = match query.text("cursor") {
        Some(text) => Some(position(text).ok_or_else(wrong)?),
        None => None,
    };
    let text = query.text("q").map(str::to_owned);
    Ok(Filter { product, state: state.map(str::to_owned), text, before, limit: 0 })
}

fn cursor(micros: i64, id: Uuid) -> String {
    format!("{}{}", hex::encode(micros.to_be_bytes()), id.simple())
}

fn position(cursor: &str) -> Option<(DateTime<chrono::Utc>, Uuid)> {
    let bytes = hex::decode(cursor).ok()?;
    let (micros, id) = bytes.split_first_chunk::<8>()?;
    let at = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
    // Far outside of what Postgres calls a time there is nothing of ours.
    let ours = (0..=253_402_300_799).contains(&at.timestamp());
    Some((at, Uuid::from_slice(id).ok()?)).filter(|_| ours)
}

fn next_link(query: &Query, cursor: &str, limit: i32) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for name in ["product", "state", "q"] {
        if let Some(value) = query.text(name) {
            pairs.append_pair(name, value);
        }
    }
    let pairs = pairs.append_pair("cursor", cursor).append_pair("limit", &limit.to_string()).finish();
    format!("</api/v1/requirements?{pairs}>; rel=\"next\"")
}
