//! Schedules: requirements that are submitted again and again.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{StatusCode, request::Parts},
};

use super::{
    requirements,
    responses::{InvalidReason, NotFound},
};
use crate::{
    api::{Control, NewSchedule, Problem, Schedule},
    core::{access::Right, cron::Cron, requirement::Requirement},
    engine,
    http::{
        AppState,
        middleware::{caller::Caller, error::Error, extract, problem::Kind},
    },
    store::{self, schedule},
};

/// How many ticks are shown.
const TICKS: i64 = 20;
/// What a name must be.
const NAME: &str = "1 to 40 of a-z, 0-9 and -, beginning with a letter";

/// The name in the path.
pub(super) struct Name(String);

/// All schedules, by name.
#[utoipa::path(get, path = "/api/v1/schedules", tag = "schedules", responses(
    (status = 200, description = "All schedules, by name.", body = Vec<Schedule>),
))]
pub(super) async fn list(State(app): State<AppState>, caller: Caller) -> Result<Json<Vec<Schedule>>, Error> {
    let rows = schedule::list(app.engine.pool()).await?.into_iter().filter(|row| caller.has(&row.product));
    Ok(Json(rows.map(|row| visible(row.into(), &caller)).collect()))
}

/// One schedule, with the outcome of its last 20 ticks.
#[utoipa::path(get, path = "/api/v1/schedules/{name}", tag = "schedules", params(("name" = String, Path, pattern = "^[a-z][a-z0-9-]{0,39}$")), responses(
    (status = 200, description = "The schedule.", body = Schedule),
    (status = 400, description = "Invalid name.", body = Problem, content_type = "application/problem+json"),
    NotFound,
))]
pub(super) async fn show(
    State(app): State<AppState>,
    caller: Caller,
    Name(name): Name,
) -> Result<Json<Schedule>, Error> {
    let pool = app.engine.pool();
    let row = schedule::get(pool, &name).await?.ok_or_else(|| missing(&name))?;
    let ticks = schedule::ticks(pool, &name, TICKS).await?;
    let ticks = Some(ticks.into_iter().map(Into::into).collect());
    Ok(Json(Schedule { ticks, ..visible(row.into(), &caller) }))
}

/// A schedule as the caller may see it: its body is a prompt.
fn visible(schedule: Schedule, caller: &Caller) -> Schedule {
    if caller.may(Right::ReadPayload) { schedule } else { Schedule { body: String::new(), ..schedule } }
}

/// Creates a schedule or replaces it. Its next tick is the first moment after now; a paused schedule stays paused.
/// After an outage only the last of the missed ticks is fired.
#[utoipa::path(put, path = "/api/v1/schedules/{name}", tag = "schedules", request_body = NewSchedule,
    params(("name" = String, Path, pattern = "^[a-z][a-z0-9-]{0,39}$", description = "1 to 40 of a-z, 0-9 and -, beginning with a letter.")),
    responses(
        (status = 200, description = "The schedule, as it is now.", body = Schedule),
        (status = 409, description = "The name is taken.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is invalid, or there is no such product.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn put(
    State(app): State<AppState>,
    caller: Caller,
    Name(name): Name,
    extract::Json(new): extract::Json<NewSchedule>,
) -> Result<Json<Schedule>, Error> {
    let pool = app.engine.pool();
    if !caller.has(&new.product) {
        return Err(requirements::explained(&app, &caller, engine::Error::NoProduct(new.product)).await);
    }
    // The names are common to all products.
    if store::scope::of_schedule(pool, &name).await?.is_some_and(|product| !caller.has(&product)) {
        let detail = format!("the name `{name}` is taken; choose another");
        return Err(Error::new(Kind::NotAllowed, detail));
    }
    let reason = extract::reason(&new.reason)?;
    let cron: Cron = new.cron.parse().map_err(|wrong: String| {
        Error::new(Kind::Invalid, format!("the expression {wrong}")).at("/cron", wrong)
    })?;
    let requirement = Requirement::new(&new.product, &new.title, &new.body, new.priority);
    let requirement = requirements::checked(requirement)?;
    match app.engine.schedule(&name, &cron, &requirement, caller.author(), &reason).await {
        Ok(row) => Ok(Json(row.into())),
        Err(error) => Err(requirements::explained(&app, &caller, error).await),
    }
}

/// Removes a schedule and the record of its ticks; the requirements that they submitted remain.
#[utoipa::path(delete, path = "/api/v1/schedules/{name}", tag = "schedules", params(("name" = String, Path, pattern = "^[a-z][a-z0-9-]{0,39}$")), responses(
    (status = 204, description = "The schedule is removed."),
    (status = 400, description = "Invalid name.", body = Problem, content_type = "application/problem+json"),
    NotFound,
))]
pub(super) async fn remove(
    State(app): State<AppState>,
    caller: Caller,
    Name(name): Name,
) -> Result<StatusCode, Error> {
    if app.engine.remove_schedule(&name, caller.author()).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(missing(&name))
    }
}

/// Pauses a schedule: it does not tick, and the ticks that it misses are not made up for.
#[utoipa::path(post, path = "/api/v1/schedules/{name}/pause", tag = "schedules", request_body = Control,
    params(("name" = String, Path, pattern = "^[a-z][a-z0-9-]{0,39}$")), responses(
    (status = 200, description = "The schedule, which is paused.", body = Schedule),
    (status = 400, description = "Invalid name.", body = Problem, content_type = "application/problem+json"),
    NotFound,
    InvalidReason,
))]
pub(super) async fn pause(
    State(app): State<AppState>,
    caller: Caller,
    Name(name): Name,
    extract::Json(body): extract::Json<Control>,
) -> Result<Json<Schedule>, Error> {
    set_paused(&app, &name, true, &caller, &body).await
}

/// Resumes a paused schedule: its next tick is the first moment after now.
#[utoipa::path(post, path = "/api/v1/schedules/{name}/resume", tag = "schedules", request_body = Control,
    params(("name" = String, Path, pattern = "^[a-z][a-z0-9-]{0,39}$")), responses(
    (status = 200, description = "The schedule, which is resumed.", body = Schedule),
    (status = 400, description = "Invalid name.", body = Problem, content_type = "application/problem+json"),
    NotFound,
    InvalidReason,
))]
pub(super) async fn resume(
    State(app): State<AppState>,
    caller: Caller,
    Name(name): Name,
    extract::Json(body): extract::Json<Control>,
) -> Result<Json<Schedule>, Error> {
    set_paused(&app, &name, false, &caller, &body).await
}

async fn set_paused(
    app: &AppState,
    name: &str,
    pause: bool,
    caller: &Caller,
    body: &Control,
) -> Result<Json<Schedule>, Error> {
    let reason = extract::reason(&body.reason)?;
    let row = app.engine.pause_schedule(name, pause, caller.author(), &reason).await?;
    row.map(|row| Json(row.into())).ok_or_else(|| missing(name))
}

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let name = extract::path(parts, state, "name").await?;
        if is_name(&name) {
            return Ok(Self(name));
        }
        let detail = format!("{} is not a schedule's name: {NAME}", extract::quoted(&name));
        Err(Error::parameter("name", detail))
    }
}

fn is_name(text: &str) -> bool {
    let plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(plain)
}

fn missing(name: &str) -> Error {
    Error::not_found("schedule", format!("`{name}`"))
}
