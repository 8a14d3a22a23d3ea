//! Requirements: submitted, listed and shown.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use chrono::DateTime;
use serde_json::json;
use uuid::Uuid;

use super::{budgets, responses::NotFound};
use crate::{
    api::{self, Accepted, NewRequester, NewRequirement, Problem, Requirements, Warning},
    core::{
        access::{Right, Role},
        requirement::{Invalid, ProductName, RequestedBy, Requirement},
    },
    engine::{self, Submission},
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
    store::{self, Connection, Pool, amendment, requirement::Filter},
};

/// The route's name beside the keys that were used on it.
const ROUTE: &str = "POST /api/v1/requirements";
/// The states that a list may be filtered by.
const STATES: [&str; 9] =
    ["active", "waiting", "paused", "ended", "succeeded", "failed", "blocked", "cancelled", "unjudged"];
/// The most products that an error names.
const NAMED: usize = 20;

/// Submits a requirement: once this answers, it is stored and a run works on it.
#[utoipa::path(post, path = "/api/v1/requirements", tag = "requirements", request_body = NewRequirement,
    params(("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "1 to 255 visible ASCII characters. The same key with the same body gives the same answer for 24 hours and makes no second requirement.")),
    responses(
        (status = 202, description = "The requirement is stored and a run works on it.", body = Accepted, headers(("Location" = String, description = "The requirement."))),
        (status = 409, description = "The first request with this key is still running; or the requirement that it would take the place of is under way, merged or superseded.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "The product has as many open runs as its backlog allows; nothing is stored.", body = Problem, content_type = "application/problem+json", headers(("Retry-After" = u32, description = "Seconds."))),
        (status = 422, description = "A field is invalid, the product is unknown, or the key was used with another body.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn submit(
    State(app): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    extract::Json(new): extract::Json<NewRequirement>,
) -> Result<Outcome, Error> {
    let once = Once::from_headers(&headers, &caller, ROUTE, &new)?;
    let requirement = checked(Requirement::new(&new.product, &new.title, &new.body, new.priority))?;
    let budget = budgets::requested(new.budget)?;
    if !caller.has(&new.product) {
        return Err(explained(&app, &caller, engine::Error::NoProduct(new.product)).await);
    }
    let supersedes = match new.supersedes {
        Some(earlier) => Some(of_caller(&app, &caller, earlier).await?),
        None => None,
    };
    let requester = requester(&caller, new.requested_by)?;
    let by = caller.author();
    let submission = Submission { requirement: &requirement, budget, requested_by: Some(&requester), by };
    let accepted = once.run(app.engine.pool(), async |tx: &mut Connection| {
        let accepted = app.engine.resubmit_in(tx, submission, supersedes).await?;
        Ok(reply(&app, accepted, supersedes))
    });
    match accepted.await {
        Ok(outcome) => Ok(outcome),
        Err(error) => Err(explained(&app, &caller, error).await),
    }
}

/// A page of requirements, newest first.
#[utoipa::path(get, path = "/api/v1/requirements", tag = "requirements",
    params(
        ("product" = Option<String>, Query, pattern = "^[a-z][a-z0-9-]{0,39}$", description = "Only this product."),
        ("state" = Option<String>, Query, description = "Only runs in this state (active, waiting, paused, ended) or with this end (succeeded, failed, blocked, cancelled); or those whose pull request was merged although no verdict had cleared it (unjudged).", pattern = "^(active|waiting|paused|ended|succeeded|failed|blocked|cancelled|unjudged)$"),
        ("view" = Option<String>, Query, description = "Only a view: what the caller can bring further (needs-me), asked for (mine), what does not move although it waits for nobody (stuck), what a budget pauses (over-budget), what waits (waiting).", pattern = "^(needs-me|mine|stuck|over-budget|waiting)$"),
        ("q" = Option<String>, Query, description = "Only titles that contain this text, in any case. A page of a search looks at 20000 titles, or 5000 with a state: it may have few items or none although next_cursor leads on."),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before.", pattern = "^[0-9a-f]{48}$"),
        ("limit" = Option<i32>, Query, description = "1 to 100; default 20.", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, description = "A page; Link rel=next leads to the next one.", body = Requirements),
        (status = 400, description = "A parameter is invalid.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Response, Error> {
    let query = query.only(&["product", "state", "view", "q", "cursor", "limit"])?;
    let limit = query.number("limit", 1, 100, 20)?;
    let mut filter = filter(&query, &caller)?;
    filter.limit = i64::from(limit);
    let page = scope::requirements(app.engine.pool(), &caller, &filter).await?;
    let next_cursor = page.next.map(|(at, id)| cursor(at.timestamp_micros(), id));
    let ids: Vec<Uuid> = page.rows.iter().map(|row| row.run_id).collect();
    let standing = store::standing::of_all(app.engine.pool(), &ids).await?;
    let item = |row: store::requirement::Row| {
        let found = standing.get(&row.run_id);
        api::Requirement { body: None, ..row.into() }.standing(found)
    };
    let items = page.rows.into_iter().map(item).collect();
    let link = next_cursor.as_ref().map(|cursor| next_link(&query, cursor, limit));
    let mut response = Json(Requirements { items, next_cursor }).into_response();
    if let Some(link) = link.and_then(|link| HeaderValue::from_str(&link).ok()) {
        response.headers_mut().insert(header::LINK, link);
    }
    Ok(response)
}

/// One requirement.
#[utoipa::path(get, path = "/api/v1/requirements/{id}", tag = "requirements", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The requirement.", body = api::Requirement),
    NotFound,
))]
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<api::Requirement>, Error> {
    let row = store::requirement::get(app.engine.pool(), id).await?;
    let Some(row) = row else { return Err(missing(app.engine.pool(), id).await?) };
    let pool = app.engine.pool();
    let (edition, links) = (amendment::newest(pool, id).await?.0, amendment::links(pool, id).await?);
    let view = api::Requirement::from(row).with(edition, links);
    Ok(Json(if caller.may(Right::ReadPayload) { view } else { api::Requirement { body: None, ..view } }))
}

/// Who asked for a requirement: the caller, unless the caller may speak for others and names one.
fn requester(caller: &Caller, new: Option<NewRequester>) -> Result<RequestedBy, Error> {
    let who = caller.principal();
    let Some(new) = new else {
        return Ok(RequestedBy { name: who.name.clone(), forge_login: who.login.clone() });
    };
    let name = new.name.unwrap_or_else(|| who.name.clone());
    let is_other = name.trim() != who.name;
    let own = who.login.clone().filter(|_| !is_other);
    let given = checked(RequestedBy::new(&name, new.forge_login.or_else(|| own.clone()).as_deref()))?;
    if matches!(who.role, Role::Agent | Role::Admin) {
        return Ok(given);
    }
    if is_other {
        let detail =
            format!("only `agent` and `admin` may name another person; leave it out, as {}", who.name);
        return Err(Error::field("/requested_by/name", detail));
    }
    // Otherwise a requester could name another's login, and approve as themselves.
    if own.is_some() && own != given.forge_login {
        let detail = "another login is linked to you; leave it out";
        return Err(Error::field("/requested_by/forge_login", detail));
    }
    Ok(given)
}

/// A valid requirement, or an error that names every invalid field.
pub(super) fn checked<T>(requirement: Result<T, Vec<Invalid>>) -> Result<T, Error> {
    requirement.map_err(|wrong| {
        let pointer = |invalid: Invalid| (format!("/{}", invalid.field), invalid.message);
        Error::fields("requirement", wrong.into_iter().map(pointer))
    })
}

/// That a requirement does not exist; for the id of a run it names the run's requirement.
pub(super) async fn missing(pool: &Pool, id: Uuid) -> Result<Error, Error> {
    let error = Error::not_found("requirement", id);
    Ok(match amendment::of_run(pool, id).await? {
        Some(requirement) => {
            Error::new(Kind::NotFound, format!("{id} is a run; its requirement is {requirement}"))
        }
        None => error,
    })
}

/// A requirement of one of the caller's products, which a new one may take the place of.
async fn of_caller(app: &AppState, caller: &Caller, earlier: Uuid) -> Result<Uuid, Error> {
    match store::scope::of_requirement(app.engine.pool(), earlier).await? {
        Some(product) if caller.has(&product) => Ok(earlier),
        _ => Err(Error::field("/supersedes", format!("there is no requirement {earlier}"))),
    }
}

pub(super) fn reply(app: &AppState, resubmitted: engine::Resubmitted, supersedes: Option<Uuid>) -> Reply {
    let engine::Resubmitted { accepted: engine::Accepted { requirement, run }, duplicate_of } = resubmitted;
    let body = Accepted {
        id: requirement,
        run_id: run,
        run_url: format!("/api/v1/runs/{run}"),
        page_url: format!("{}/runs/{run}", app.settings.public_url),
        supersedes,
        warnings: duplicate_of.map(Warning::duplicate).into_iter().collect(),
    };
    let location = Some(format!("/api/v1/requirements/{requirement}"));
    Reply { status: StatusCode::ACCEPTED, location, body: json!(body) }
}

/// The error of the engine; for an unknown product it lists the known ones.
pub(super) async fn explained(app: &AppState, caller: &Caller, error: engine::Error) -> Error {
    let engine::Error::NoProduct(name) = error else { return error.into() };
    let products = match scope::products(app, caller).await {
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

fn filter(query: &Query, caller: &Caller) -> Result<Filter, Error> {
    let product = query
        .text("product")
        .map(|name| name.parse::<ProductName>().map_err(|wrong| Error::parameter("product", wrong.message)));
    let product = product.transpose()?.map(|name| name.as_str().to_owned());
    let state = query.text("state");
    if state.is_some_and(|word| !STATES.contains(&word)) {
        return Err(Error::parameter("state", format!("must be one of {}", STATES.join(", "))));
    }
    let view = query.text("view").map(|text| {
        text.parse()
            .map(|view| (view, scope::reader(caller)))
            .map_err(|wrong: String| Error::parameter("view", wrong))
    });
    let wrong =
        || Error::parameter("cursor", "is not a cursor of this list; send next_cursor as it was given");
    let before = match query.text("cursor") {
        Some(text) => Some(position(text).ok_or_else(wrong)?),
        None => None,
    };
    let text = query.text("q").map(str::to_owned);
    Ok(Filter { product, state: state.map(str::to_owned), view: view.transpose()?, text, before, limit: 0 })
}

fn cursor(micros: i64, id: Uuid) -> String {
    format!("{}{}", hex::encode(micros.to_be_bytes()), id.simple())
}

fn position(cursor: &str) -> Option<(DateTime<chrono::Utc>, Uuid)> {
    let bytes = hex::decode(cursor).ok()?;
    let (micros, id) = bytes.split_first_chunk::<8>()?;
    let at = DateTime::from_timestamp_micros(i64::from_be_bytes(*micros))?;
    // Years 1970 to 9999: Postgres refuses times far beyond.
    let is_valid = (0..=253_402_300_799).contains(&at.timestamp());
    Some((at, Uuid::from_slice(id).ok()?)).filter(|_| is_valid)
}

fn next_link(query: &Query, cursor: &str, limit: i32) -> String {
    let mut pairs = url::form_urlencoded::Serializer::new(String::new());
    for name in ["product", "state", "view", "q"] {
        if let Some(value) = query.text(name) {
            pairs.append_pair(name, value);
        }
    }
    let pairs = pairs.append_pair("cursor", cursor).append_pair("limit", &limit.to_string()).finish();
    format!("</api/v1/requirements?{pairs}>; rel=\"next\"")
}
