//! How requirements change after they were submitted: amended and cancelled while a run lives, and submitted again after.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    requirements::{self, checked},
    responses::{InvalidReason, NotFound},
};
use crate::{
    api::{self, Accepted, Amend, Amendment, Problem, Requirement, Resubmit},
    core::{requirement, requirement::RequestedBy},
    engine::{self, Submission},
    http::{
        AppState,
        middleware::{
            caller::Caller,
            error::Error,
            extract::{self, Id},
            idempotency::{Once, Outcome, Reply},
        },
    },
    store::{self, Connection, amendment},
};

/// The amendments of a requirement, the first one first.
#[utoipa::path(get, path = "/api/v1/requirements/{id}/amendments", tag = "requirements", operation_id = "amendments", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "What changed, by whom and why.", body = Vec<Amendment>),
    NotFound,
))]
pub(super) async fn list(State(app): State<AppState>, Id(id): Id) -> Result<Json<Vec<Amendment>>, Error> {
    let pool = app.engine.pool();
    if amendment::text(pool, id).await?.is_none() {
        return Err(requirements::missing(pool, id).await?);
    }
    Ok(Json(amendment::list(pool, id).await?.into_iter().map(Amendment::from).collect()))
}

/// Gives a requirement another text while its run lives. What waits goes on at once with the new text; what was reviewed or
/// approved by the old text is reviewed and approved again. The same text again changes nothing.
#[utoipa::path(post, path = "/api/v1/requirements/{id}/amend", tag = "requirements", request_body = Amend,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The requirement with its new text.", body = Requirement),
        NotFound,
        (status = 409, description = "Its run has ended: resubmit it.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "The reason, the title or the body is invalid.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn amend(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    extract::Json(new): extract::Json<Amend>,
) -> Result<Outcome, Error> {
    let reason = extract::reason(&new.reason)?;
    let once = Once::from_headers(&headers, &caller, &format!("POST /api/v1/requirements/{id}/amend"), &new)?;
    let row = row(&app, id).await?;
    let text = engine::Amendment { title: new.title.as_deref(), body: new.body.as_deref() };
    once.run(app.engine.pool(), async |tx: &mut Connection| {
        app.engine.amend_in(tx, id, text, caller.author(), &reason).await?;
        reply(tx, row).await
    })
    .await
}

/// Cancels the run of a requirement, whatever it waits for.
#[utoipa::path(post, path = "/api/v1/requirements/{id}/cancel", tag = "requirements", operation_id = "cancel_requirement", request_body = api::Control,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The requirement, whose run has ended as cancelled.", body = Requirement),
        NotFound,
        (status = 409, description = "Its run has ended otherwise.", body = Problem, content_type = "application/problem+json"),
        InvalidReason,
    ))]
pub(super) async fn cancel(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    extract::Json(body): extract::Json<api::Control>,
) -> Result<Outcome, Error> {
    let reason = extract::reason(&body.reason)?;
    let once =
        Once::from_headers(&headers, &caller, &format!("POST /api/v1/requirements/{id}/cancel"), &body)?;
    let row = row(&app, id).await?;
    once.run(app.engine.pool(), async |tx: &mut Connection| {
        app.engine.cancel_requirement_in(tx, id, caller.author(), &reason).await?;
        reply(tx, row).await
    })
    .await
}

/// Submits a requirement again whose run ended without a merge: a new requirement in its place, with a run of its own.
#[utoipa::path(post, path = "/api/v1/requirements/{id}/resubmit", tag = "requirements", request_body = Resubmit,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 202, description = "The new requirement is stored and a run works on it.", body = Accepted, headers(("Location" = String, description = "The new requirement."))),
        NotFound,
        (status = 409, description = "Its run is under way, its change is merged, or another requirement took its place.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A field is invalid.", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "The product has as many open runs as its backlog allows; nothing is stored.", body = Problem, content_type = "application/problem+json", headers(("Retry-After" = u32, description = "Seconds."))),
    ))]
pub(super) async fn resubmit(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    extract::Json(new): extract::Json<Resubmit>,
) -> Result<Outcome, Error> {
    let once =
        Once::from_headers(&headers, &caller, &format!("POST /api/v1/requirements/{id}/resubmit"), &new)?;
    let row = row(&app, id).await?;
    let (title, body) = (new.title.as_ref().unwrap_or(&row.title), new.body.as_ref().unwrap_or(&row.body));
    let priority = new.priority.or(u8::try_from(row.priority).ok()).unwrap_or_default();
    let requirement = checked(requirement::Requirement::new(&row.product, title, body, priority))?;
    let who = caller.principal();
    let requester = RequestedBy { name: who.name.clone(), forge_login: who.login.clone() };
    let by = caller.author();
    let submission =
        Submission { requirement: &requirement, budget: None, requested_by: Some(&requester), by };
    once.run(app.engine.pool(), async |tx: &mut Connection| {
        let accepted = app.engine.resubmit_in(tx, submission, Some(id)).await?;
        Ok::<_, Error>(requirements::reply(&app, accepted, Some(id)))
    })
    .await
}

async fn row(app: &AppState, id: Uuid) -> Result<store::requirement::Row, Error> {
    let pool = app.engine.pool();
    match store::requirement::get(pool, id).await? {
        Some(row) => Ok(row),
        None => Err(requirements::missing(pool, id).await?),
    }
}

/// The requirement as the transaction leaves it.
async fn reply(tx: &mut Connection, before: store::requirement::Row) -> Result<Reply, Error> {
    let id = before.id;
    let missing = || Error::not_found("requirement", id);
    let text = amendment::text(&mut *tx, id).await?.ok_or_else(missing)?;
    let run = store::run::get(&mut *tx, before.run_id).await?.ok_or_else(missing)?;
    let links = amendment::links(&mut *tx, id).await?;
    let view = api::Requirement {
        title: text.title,
        body: Some(text.body),
        state: run.run.state.as_str().to_owned(),
        step: run.run.step().map(str::to_owned),
        ended_as: run.run.end().map(|end| end.as_str().to_owned()),
        ..api::Requirement::from(before)
    };
    let body = json!(view.with(text.edition, links));
    Ok(Reply { status: StatusCode::OK, location: None, body })
}
