//! Worker processes and queues: what works, what waits, and how a worker is drained.

use std::time::Duration;

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::request::Parts,
};

use super::responses::{InvalidReason, NotFound};
use crate::{
    api::{Control, Drained, Hold, Problem, Queue, Worker},
    core::hold,
    http::{
        AppState,
        middleware::{caller::Caller, error::Error, extract},
        scope,
    },
    store::worker,
};

/// How long a process may not be seen until it is lost.
const ALIVE: Duration = Duration::from_secs(30);

/// The name in the path.
pub(super) struct Named(String);

/// The worker processes, by name. One that ended in good order is not listed, and one that was lost is for a day.
#[utoipa::path(get, path = "/api/v1/workers", tag = "workers", responses(
    (status = 200, description = "The workers.", body = Vec<Worker>),
))]
pub(super) async fn list(State(app): State<AppState>) -> Result<Json<Vec<Worker>>, Error> {
    let rows = worker::list(app.engine.pool(), ALIVE).await?;
    Ok(Json(rows.into_iter().map(Worker::from).collect()))
}

/// Drains the processes of this name: within seconds they claim no more jobs, and they stop when theirs have ended.
/// What starts them again is not asked; to keep a worker of this name from claiming, hold it.
#[utoipa::path(post, path = "/api/v1/workers/{name}/drain", tag = "workers",
    params(("name" = String, Path, description = "The worker's name, percent-encoded.")), request_body = Control,
    responses(
        (status = 200, description = "They are asked; those that had been before stay as they are.", body = Drained),
        (status = 400, description = "Not the name of a worker.", body = Problem, content_type = "application/problem+json"),
        NotFound,
        InvalidReason,
    ))]
pub(super) async fn drain(
    State(app): State<AppState>,
    caller: Caller,
    Named(name): Named,
    extract::Json(control): extract::Json<Control>,
) -> Result<Json<Drained>, Error> {
    let reason = extract::reason(&control.reason)?;
    let (asked, asked_before) = app.engine.drain(&name, caller.author(), &reason, ALIVE).await?;
    if asked + asked_before == 0 {
        return Err(Error::not_found("worker", format!("`{name}`; `aspora worker list` shows all")));
    }
    Ok(Json(Drained { asked, asked_before }))
}

/// The queues, with what is due, runs and is due later of the caller's products.
#[utoipa::path(get, path = "/api/v1/queues", tag = "queues", operation_id = "list", responses(
    (status = 200, description = "The queues.", body = Vec<Queue>),
))]
pub(super) async fn queues(State(app): State<AppState>, caller: Caller) -> Result<Json<Vec<Queue>>, Error> {
    let products = caller.principal().products.names();
    let rows = worker::backlogs(app.engine.pool(), products.as_deref(), ALIVE).await?;
    let holds = scope::holds(&app, &caller).await?;
    let with_hold = |row: worker::Backlog| {
        let is_of_it =
            |hold: &&hold::Hold| hold.scope == "all" || hold.scope.strip_prefix("queue:") == Some(&row.queue);
        let held = holds.iter().find(is_of_it).cloned().map(Hold::from);
        Queue { held, ..row.into() }
    };
    Ok(Json(rows.into_iter().map(with_hold).collect()))
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let name = extract::path(parts, state, "name").await?;
        match format!("worker:{name}").parse::<hold::Scope>() {
            Ok(_) => Ok(Self(name)),
            Err(_) => {
                let most = hold::MOST_WORKER;
                Err(Error::parameter(
                    "name",
                    format!("must have 1 to {most} bytes and no control characters"),
                ))
            }
        }
    }
}
