//! Providers that do not answer, and probes by hand.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::request::Parts,
};

use super::responses::{InvalidReason, NotFound};
use crate::{
    api::{Control, Outage, OutageProbe, Problem},
    core::outage::Provider,
    http::{
        AppState,
        middleware::{caller::Caller, error::Error, extract},
    },
    store,
};

/// The provider in the path.
pub(super) struct Named(Provider);

/// Every provider that does not answer, the oldest outage first.
///
/// The jobs that need it wait; it is probed by itself, at least once a minute while jobs wait.
#[utoipa::path(get, path = "/api/v1/outages", tag = "outages", responses(
    (status = 200, description = "The outages, and how many jobs wait.", body = Vec<Outage>),
))]
pub(super) async fn list(State(app): State<AppState>) -> Result<Json<Vec<Outage>>, Error> {
    let pool = app.engine.pool();
    let mut all = Vec::new();
    for row in store::outage::list(pool).await? {
        let waiting = store::outage::waiting(pool, &row.provider).await?;
        all.push(Outage::new(row, waiting));
    }
    Ok(Json(all))
}

/// Probes a provider now: the jobs that wait for it are due, and the first of them makes the call. An answer ends the
/// outage; another failure continues it.
#[utoipa::path(post, path = "/api/v1/outages/{provider}/probe", tag = "outages", request_body = Control,
    params(("provider" = String, Path, description = "`forge <host>`, `git <host>` or `model <host>/<model>`, percent-encoded.")),
    responses(
        (status = 200, description = "The next probe is due.", body = OutageProbe),
        (status = 400, description = "Not a provider.", body = Problem, content_type = "application/problem+json"),
        NotFound,
        InvalidReason,
    ))]
pub(super) async fn probe(
    State(app): State<AppState>,
    caller: Caller,
    Named(provider): Named,
    extract::Json(body): extract::Json<Control>,
) -> Result<Json<OutageProbe>, Error> {
    let reason = extract::reason(&body.reason)?;
    let waiting = app.engine.probe(&provider, caller.author(), &reason).await?;
    let missing =
        || Error::not_found("outage of", format!("`{provider}`; GET /api/v1/outages lists them all"));
    Ok(Json(OutageProbe { provider: provider.to_string(), waiting: waiting.ok_or_else(missing)? }))
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let provider = extract::path(parts, state, "provider").await?.parse::<Provider>();
        provider.map(Self).map_err(|wrong| Error::parameter("provider", wrong.to_string()))
    }
}
