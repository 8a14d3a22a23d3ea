//! REST under `/api/v1`, and what programs ask of the server itself. One file for each resource.

mod after_merge;
mod amendments;
mod audit;
mod budgets;
mod controls;
mod dead_letters;
mod dependencies;
mod events;
mod evidence;
mod export;
mod findings;
mod gaps;
mod health;
mod holds;
mod keys;
mod limits;
mod look_back;
mod metrics;
pub mod openapi;
mod opinions;
mod outages;
mod policy;
mod problems;
mod products;
mod proposals;
mod pulls;
mod questions;
mod requirements;
mod responses;
mod reviews;
mod runs;
mod schedules;
mod subscriptions;
mod webhooks;
mod workers;

use std::time::Duration;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{Method, Uri},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{delete, get, post, put},
};

use super::{
    AppState,
    middleware::{
        auth,
        body::Intake,
        error::Error,
        extract::{BODY_LIMIT, LONG_BODY_LIMIT},
        github_webhook::Receiver,
        incident_sender::Senders,
        problem::Kind,
    },
};

/// All routes but the pages'. None is reached without a row in the table of access.
pub(super) fn router(app: &AppState, github: Receiver, senders: Senders) -> Router<AppState> {
    let api = requirements_and_runs().merge(controls()).merge(catalog()).merge(people());
    let api = api.layer(DefaultBodyLimit::max(BODY_LIMIT));
    Router::new()
        .nest("/api/v1", api.merge(webhooks(github, senders)).merge(captured()))
        .route("/openapi.json", get(openapi::show))
        .route("/problems/{code}", get(problems::show))
        .route("/livez", get(health::alive))
        .route("/readyz", get(health::ready))
        .route_layer(from_fn_with_state(app.clone(), guard))
}

/// Lets a request through that may be made, and attaches its caller.
async fn guard(State(app): State<AppState>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let (allowance, mut response) = match auth::admit(&app, &mut parts).await {
        Ok(allowance) => (allowance, next.run(Request::from_parts(parts, body)).await),
        Err(auth::Denial::TooMany(allowance)) => {
            let refusal = Error::from(auth::Denial::TooMany(allowance)).into_response();
            (Some(allowance), refusal)
        }
        Err(denial) => (None, Error::from(denial).into_response()),
    };
    if let Some(allowance) = allowance {
        allowance.show(&mut response);
    }
    response
}

fn people() -> Router<AppState> {
    Router::new()
        .route("/me", get(keys::me))
        .route("/subscriptions", get(subscriptions::list).post(subscriptions::create))
        .route("/subscriptions/{id}", delete(subscriptions::remove))
        .route("/subscriptions/{id}/test", post(subscriptions::test))
        .route("/subscriptions/{id}/deliveries", get(subscriptions::deliveries))
        .route("/subscriptions/{id}/replay", post(subscriptions::replay))
        .route("/keys", get(keys::list).post(keys::create))
        .route("/keys/{id}/revoke", post(keys::revoke))
        .route("/keys/{id}/link", post(keys::link))
        .route("/audit", get(audit::list))
        .route("/audit/verification", get(audit::verify))
        .route("/runs/{id}/audit", get(audit::of_run))
}

fn requirements_and_runs() -> Router<AppState> {
    Router::new()
        .route("/requirements", get(requirements::list).post(requirements::submit))
        .route("/requirements/{id}", get(requirements::show))
        .route("/requirements/{id}/amendments", get(amendments::list))
        .route("/requirements/{id}/amend", post(amendments::amend))
        .route("/requirements/{id}/cancel", post(amendments::cancel))
        .route("/requirements/{id}/resubmit", post(amendments::resubmit))
        .route("/metrics", get(metrics::show))
        .route("/metrics/runs", get(metrics::runs))
        .route("/pulls", get(pulls::list))
        .route("/harness-gaps", get(gaps::list).post(gaps::open))
        .route("/harness-gaps/{id}", get(gaps::show))
        .route("/harness-gaps/{id}/dismiss", post(gaps::dismiss))
        .route("/proposals", get(proposals::list))
        .route("/proposals/{id}", get(proposals::show))
        .route("/proposals/{id}/accept", post(proposals::accept))
        .route("/proposals/{id}/dismiss", post(proposals::dismiss))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/questions", get(questions::list))
        .route("/runs/{id}/answers", post(questions::answer))
        .route("/runs/{id}/dependencies", get(dependencies::list).post(dependencies::say))
        .route("/runs/{id}/after-merge", get(after_merge::after_merge))
        .route("/runs/{id}/look-back", get(look_back::look_back))
        .route("/runs/{id}/why", get(runs::why))
        .route("/runs/{id}/events", get(events::list))
        .route("/runs/{id}/attempts", get(runs::attempts))
        .route("/runs/{id}/findings", get(findings::list))
        .route("/runs/{id}/findings/{fingerprint}/dismiss", post(findings::dismiss))
        .route("/runs/{id}/assessments", get(runs::assessments))
        .route("/runs/{id}/effects", get(runs::effects))
        .route("/runs/{id}/tests", get(runs::tests))
        .route("/runs/{id}/evidence", get(evidence::list))
        .route("/runs/{id}/diff", get(runs::diff))
        .route("/runs/{id}/export", get(export::show))
        .route("/reviews/{owner}/{repo}/pr/{number}/findings", get(reviews::findings))
}

fn controls() -> Router<AppState> {
    Router::new()
        .route("/runs/{id}/pause", post(controls::pause))
        .route("/runs/{id}/resume", post(controls::resume))
        .route("/runs/{id}/cancel", post(controls::cancel))
        .route("/runs/{id}/run-now", post(controls::run_now))
        .route("/runs/{id}/skip", post(controls::skip))
        .route("/runs/{id}/retry", post(controls::retry))
        .route("/runs/{id}/fork", post(controls::fork))
        .route("/runs/{id}/revert", post(after_merge::revert))
        .route("/runs/{id}/approve", post(opinions::approve))
        .route("/runs/{id}/reject", post(opinions::reject))
        .route("/runs/{id}/withdraw", post(opinions::withdraw))
        .route("/dead-letters", get(dead_letters::list))
        .route("/dead-letters/redrive", post(dead_letters::redrive))
}

fn catalog() -> Router<AppState> {
    Router::new()
        .route("/products", get(products::list).post(products::put))
        .route("/products/{name}", get(products::show).patch(products::change).delete(products::remove))
        .route("/products/{name}/proposal", post(products::propose))
        .route("/policy/validate", post(policy::validate).layer(DefaultBodyLimit::max(LONG_BODY_LIMIT)))
        .route("/policy/simulate", post(policy::simulate).layer(DefaultBodyLimit::max(LONG_BODY_LIMIT)))
        .route("/products/{name}/budget", put(budgets::set_product))
        .route("/budgets", get(budgets::list))
        .route("/budgets/default", get(budgets::show_default).put(budgets::set_default))
        .route("/runs/{id}/budget", get(budgets::show_run).put(budgets::set_run))
        .route("/runs/{id}/budget/release", post(budgets::release))
        .route("/limits", get(limits::list))
        .route("/limits/{key}", put(limits::put).delete(limits::remove))
        .route("/queues", get(workers::queues))
        .route("/workers", get(workers::list))
        .route("/workers/{name}/drain", post(workers::drain))
        .route("/holds", get(holds::list).post(holds::put))
        .route("/holds/release", post(holds::release))
        .route("/outages", get(outages::list))
        .route("/outages/{provider}/probe", post(outages::probe))
        .route("/schedules", get(schedules::list))
        .route("/schedules/{name}", get(schedules::show).put(schedules::put).delete(schedules::remove))
        .route("/schedules/{name}/pause", post(schedules::pause))
        .route("/schedules/{name}/resume", post(schedules::resume))
}

fn captured() -> Router<AppState> {
    // Shorter than the time in which every request is answered.
    let intake = Intake::new(evidence::LIMIT).within(Duration::from_secs(25));
    Router::new().route("/evidence", post(evidence::send)).layer(Extension(intake))
}

fn webhooks(github: Receiver, senders: Senders) -> Router<AppState> {
    let incidents = Router::new()
        .route("/webhooks/incidents/{sender}/{product}", post(webhooks::incidents))
        .layer(Extension(senders));
    Router::new().route("/webhooks/github", post(webhooks::github)).layer(Extension(github)).merge(incidents)
}

/// Answers for a path that no route has.
pub(super) async fn unknown(uri: Uri) -> Error {
    Error::new(Kind::NotFound, format!("there is no route {}; /openapi.json lists every route", uri.path()))
}

/// Answers for a method that the route of this path does not support.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Error {
    let detail = format!("{} does not support {method}; the Allow header lists its methods", uri.path());
    Error::new(Kind::MethodNotAllowed, detail)
}
