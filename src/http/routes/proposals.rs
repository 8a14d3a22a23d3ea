//! Proposals that follow from what comes in runs again and again: listed, shown, accepted and dismissed.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use serde_json::json;
use uuid::Uuid;

use super::responses::{InvalidField, InvalidReason, NotFound};
use crate::{
    api::{AcceptProposal, DismissProposal, FiledProposal, FiledProposals, Problem},
    engine::{self, Accepting, NotDecided},
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
        Connection,
        retro::proposal::{self, Filter, Row},
    },
};

/// The states that the list may be filtered by.
const STATES: [&str; 3] = ["open", "accepted", "dismissed"];

/// A page of proposals, newest first.
#[utoipa::path(get, path = "/api/v1/proposals", tag = "proposals",
    params(
        ("product" = Option<String>, Query, description = "Only this product."),
        ("state" = Option<String>, Query, description = "`open`, `accepted` or `dismissed`."),
        ("cursor" = Option<Uuid>, Query, description = "The next_cursor of the page before."),
        ("limit" = Option<i32>, Query, description = "1 to 100; default 20.", minimum = 1, maximum = 100),
    ),
    responses(
        (status = 200, description = "A page.", body = FiledProposals),
        (status = 400, description = "A parameter is invalid.", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(app): State<AppState>,
    caller: Caller,
    query: Query,
) -> Result<Json<FiledProposals>, Error> {
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
    let mut rows = proposal::list(app.engine.pool(), &filter).await?;
    let more = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(|row| row.id);
    Ok(Json(FiledProposals { items: rows.into_iter().map(FiledProposal::from).collect(), next_cursor }))
}

/// One proposal, with the runs behind it.
#[utoipa::path(get, path = "/api/v1/proposals/{id}", tag = "proposals", params(("id" = Uuid, Path)), responses(
    (status = 200, description = "The proposal.", body = FiledProposal),
    NotFound,
))]
pub(super) async fn show(State(app): State<AppState>, Id(id): Id) -> Result<Json<FiledProposal>, Error> {
    let row = proposal::get(app.engine.pool(), id).await?;
    Ok(Json(row.ok_or_else(|| Error::not_found("proposal", id))?.into()))
}

/// Accepts an open proposal, with its own text or another. As a `prompt_note` its text is shown to models that write or fix
/// changes of the product from then on; anything else is for people to do.
#[utoipa::path(post, path = "/api/v1/proposals/{id}/accept", tag = "proposals", request_body = AcceptProposal,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The proposal, which is accepted.", body = FiledProposal),
        NotFound,
        (status = 409, description = "It was accepted or dismissed before (`not-allowed`).", body = Problem, content_type = "application/problem+json"),
        InvalidField,
    ))]
pub(super) async fn accept(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    extract::Json(body): extract::Json<AcceptProposal>,
) -> Result<Outcome, Error> {
    let once = Once::from_headers(&headers, &caller, &format!("POST /api/v1/proposals/{id}/accept"), &body)?;
    let (reason, accepting) = (extract::reason(&body.reason)?, accepting(&body)?);
    once.run(app.engine.pool(), async |tx: &mut Connection| {
        reply(app.engine.accept_proposal_in(tx, id, &accepting, &reason, caller.author()).await)
    })
    .await
}

/// As what a body accepts.
fn accepting(body: &AcceptProposal) -> Result<Accepting, Error> {
    let kind = body.kind.as_deref().map(str::parse).transpose();
    let text = body.text.as_deref().map(str::parse).transpose();
    Ok(Accepting {
        kind: kind
            .map_err(|wrong: crate::core::retro::UnknownKind| Error::field("/kind", wrong.to_string()))?,
        text: text
            .map_err(|wrong: crate::core::requirement::Invalid| Error::field("/text", wrong.message))?,
    })
}

/// Dismisses a proposal. One that was accepted can be dismissed too: its note is then shown no more.
#[utoipa::path(post, path = "/api/v1/proposals/{id}/dismiss", tag = "proposals", request_body = DismissProposal,
    params(("id" = Uuid, Path), ("Idempotency-Key" = Option<String>, Header, pattern = "^[!-~]{1,255}$", description = "As for POST /api/v1/requirements.")),
    responses(
        (status = 200, description = "The proposal, which is dismissed.", body = FiledProposal),
        NotFound,
        (status = 409, description = "It was dismissed before (`not-allowed`).", body = Problem, content_type = "application/problem+json"),
        InvalidReason,
    ))]
pub(super) async fn dismiss(
    State(app): State<AppState>,
    caller: Caller,
    Id(id): Id,
    headers: HeaderMap,
    extract::Json(body): extract::Json<DismissProposal>,
) -> Result<Outcome, Error> {
    let once = Once::from_headers(&headers, &caller, &format!("POST /api/v1/proposals/{id}/dismiss"), &body)?;
    let reason = extract::reason(&body.reason)?;
    once.run(app.engine.pool(), async |tx: &mut Connection| {
        reply(app.engine.dismiss_proposal_in(tx, id, &reason, caller.author()).await)
    })
    .await
}

fn reply(decided: Result<Result<Row, NotDecided>, engine::Error>) -> Result<Reply, Error> {
    match decided? {
        Ok(row) => {
            Ok(Reply { status: StatusCode::OK, location: None, body: json!(FiledProposal::from(row)) })
        }
        Err(NotDecided::NoProposal(id)) => Err(Error::not_found("proposal", id)),
        Err(over @ NotDecided::Over(_)) => {
            Err(Error::new(Kind::NotAllowed, format!("{over}; nothing has changed")))
        }
    }
}
