//! Schedules: what is asked for again and again.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};

use super::{
    App,
    controls::reason,
    error::{Error, Kind},
    extract, requirements,
    view::{Control, NewSchedule, Problem, Schedule},
};
use crate::{
    core::{cron::Cron, requirement::Requirement},
    store::{self, schedule},
};

/// Who sets schedules here.
const ACTOR: &str = "api";
/// How many ticks are shown.
const TICKS: i64 = 20;

type Name = Result<Path<String>, PathRejection>;

/// All schedules, by name.
#[utoipa::path(get, path = "/api/v1/schedules", tag = "schedules", responses(
    (status = 200, description = "All schedules, by name.", body = Vec<Schedule>),
))]
pub(super) async fn list(State(app): State<App>) -> Result<Json<Vec<Schedule>>, Error> {
    let rows = schedule::list(app.engine.pool()).await?;
    Ok(Json(rows.into_iter().map(Schedule::from).collect()))
}

/// One schedule, with what its last 20 ticks came to.
#[utoipa::path(get, path = "/api/v1/schedules/{name}", tag = "schedules", params(("name" = String, Path)), responses(
    (status = 200, description = "The schedule.", body = Schedule),
    (status = 400, description = "The name is none.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is no such schedule.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn show(State(app): State<App>, name: Name) -> Result<Json<Schedule>, Error> {
    let (name, pool) = (named(name)?, app.engine.pool());
    let row = schedule::get(pool, &name).await?.ok_or_else(|| missing(&name))?;
    let ticks = schedule::ticks(pool, &name, TICKS).await?;
    Ok(Json(Schedule { ticks: Some(ticks.into_iter().map(Into::into).collect()), ..row.into() }))
}

/// Sets a schedule, new or anew. It ticks next at the first moment after now; a paused one stays paused. After an
/// outage the ticks that were missed are made up for by one.
#[utoipa::path(put, path = "/api/v1/schedules/{name}", tag = "schedules", request_body = NewSchedule,
    params(("name" = String, Path, description = "1 to 40 of a-z, 0-9 and -, beginning with a letter.")),
    responses(
        (status = 200, description = "It is set so.", body = Schedule),
        (status = 400, description = "The name is none.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field does not fit, or there is no such product.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn put(
    State(app): State<App>,
    name: Name,
    extract::Json(new): extract::Json<NewSchedule>,
) -> Result<Json<Schedule>, Error> {
    let (name, reason) = (named(name)?, reason(&new.reason)?);
    let cron: Cron = new.cron.parse().map_err(|wrong: String| {
        Error::new(Kind::Invalid, format!("the expression {wrong}")).at("/cron", wrong)
    })?;
    let requirement = Requirement::new(&new.product, &new.title, &new.body, new.priority);
    let requirement = requirements::checked(requirement)?;
    match app.engine.schedule(&name, &cron, &requirement, ACTOR, &reason).await {
        Ok(row) => Ok(Json(row.into())),
        Err(error) => Err(requirements::named(&app, error).await),
    }
}

/// Removes a schedule and the record of its ticks; the requirements that they submitted stay.
#[utoipa::path(delete, path = "/api/v1/schedules/{name}", tag = "schedules", params(("name" = String, Path)), responses(
    (status = 204, description = "It is gone."),
    (status = 400, description = "The name is none.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is no such schedule.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn remove(State(app): State<App>, name: Name) -> Result<StatusCode, Error> {
    let name = named(name)?;
    if store::schedule::remove(app.engine.pool(), &name).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(missing(&name))
    }
}

/// Pauses a schedule: it does not tick, and what would have ticked meanwhile is not made up for.
#[utoipa::path(post, path = "/api/v1/schedules/{name}/pause", tag = "schedules", request_body = Control,
    params(("name" = String, Path)), responses(
    (status = 200, description = "It is paused.", body = Schedule),
    (status = 400, description = "The name is none.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is no such schedule.", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "The reason does not fit.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn pause(
    State(app): State<App>,
    name: Name,
    extract::Json(why): extract::Json<Control>,
) -> Result<Json<Schedule>, Error> {
    hold(&app, name, true, &why).await
}

/// Lets a paused schedule go on: it ticks next at the first moment after now.
#[utoipa::path(post, path = "/api/v1/schedules/{name}/resume", tag = "schedules", request_body = Control,
    params(("name" = String, Path)), responses(
    (status = 200, description = "It goes on.", body = Schedule),
    (status = 400, description = "The name is none.", body = Problem, content_type = "application/problem+json"),
    (status = 404, description = "There is no such schedule.", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "The reason does not fit.", body = Problem, content_type = "application/problem+json"),
))]
pub(super) async fn resume(
    State(app): State<App>,
    name: Name,
    extract::Json(why): extract::Json<Control>,
) -> Result<Json<Schedule>, Error> {
    hold(&app, name, false, &why).await
}

async fn hold(app: &App, name: Name, pause: bool, why: &Control) -> Result<Json<Schedule>, Error> {
    let (name, reason) = (named(name)?, reason(&why.reason)?);
    let row = app.engine.pause_schedule(&name, pause, ACTOR, &reason).await?;
    row.map(|row| Json(row.into())).ok_or_else(|| missing(&name))
}

fn named(name: Name) -> Result<String, Error> {
    let Path(name) = name.map_err(|_| Error::parameter("name", "is not UTF-8"))?;
    let plain = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if plain && (1..=40).contains(&name.len()) && name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Ok(name);
    }
    let shown: String = name.chars().take(60).collect();
    let rule = "1 to 40 of a-z, 0-9 and -, beginning with a letter";
    Err(Error::parameter("name", format!("{shown:?} is no name of a schedule: {rule}")))
}

fn missing(name: &str) -> Error {
    Error::no("schedule", format!("`{name}`"))
}
