//! A policy is checked, and tried on the changes that were merged; nothing is changed.

use axum::{Json, extract::State};

use super::responses::InvalidField;
use crate::{
    api::{NewSimulation, NewValidation, PolicySimulation, Validation},
    http::{
        AppState,
        middleware::{caller::Caller, error::Error, extract},
        policy::{self, Place},
    },
};

/// Names everything that is wrong or odd about a policy, with JSON pointer and line. With a product, its repository is
/// looked at too: patterns that match no file, checks that nobody reports, and checks that its branch does not require.
/// A policy that is refused is an answer, not an error. The body may have 1 MiB.
#[utoipa::path(post, path = "/api/v1/policy/validate", tag = "policy", request_body = NewValidation, responses(
    (status = 200, description = "What was found.", body = Validation),
    InvalidField,
))]
pub(super) async fn validate(
    State(app): State<AppState>,
    caller: Caller,
    extract::LongJson(new): extract::LongJson<NewValidation>,
) -> Result<Json<Validation>, Error> {
    let place = match &new.product {
        Some(name) => Some(Place::find(&app, &caller, name).await?),
        None => None,
    };
    policy::validate(&app, &new.policy, place.as_ref()).await.map(Json)
}

/// What a policy would have said of the newest changes of a product's base branch, beside today's policy: tiers, checks,
/// approvals, and what would have been blocked. The repository is fetched first, for at most a minute. The body may have
/// 1 MiB.
#[utoipa::path(post, path = "/api/v1/policy/simulate", tag = "policy", request_body = NewSimulation, responses(
    (status = 200, description = "What it would have said.", body = PolicySimulation),
    InvalidField,
))]
pub(super) async fn simulate(
    State(app): State<AppState>,
    caller: Caller,
    extract::LongJson(new): extract::LongJson<NewSimulation>,
) -> Result<Json<PolicySimulation>, Error> {
    let place = Place::find(&app, &caller, &new.product).await?;
    policy::simulate(&app, &caller, &new.policy, &place, new.last).await.map(Json)
}
