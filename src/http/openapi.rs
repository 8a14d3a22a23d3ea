//! The description of the REST interface, OpenAPI 3.1, made from the routes themselves.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::OpenApi;

use super::{
    budgets, controls, dead_letters, events, export, health, limits, products, requirements, reviews, runs,
    schedules, webhooks,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Aspora",
        description = "The code factory: a requirement becomes a judged, reviewed and merged pull request. \
                       Every failure is an RFC 9457 problem (`application/problem+json`, schema Problem)."
    ),
    paths(
        requirements::submit, requirements::list, requirements::show,
        runs::show, events::list, runs::why, runs::attempts, runs::findings, runs::assessments, runs::effects,
        runs::diff, export::show,
        budgets::list, budgets::set_product, budgets::show_run, budgets::set_run, budgets::release,
        controls::pause, controls::resume, controls::cancel, controls::run_now, controls::skip, controls::retry,
        controls::fork, dead_letters::list, dead_letters::redrive,
        products::list, products::put, limits::list, limits::put, limits::remove, reviews::findings,
        schedules::list, schedules::show, schedules::put, schedules::remove, schedules::pause, schedules::resume,
        webhooks::github, health::alive, health::ready,
    ),
    components(schemas(super::view::Event)),
    tags(
        (name = "requirements", description = "What is asked for."),
        (name = "runs", description = "What became of it."),
        (name = "budgets", description = "What model calls may use, and what they have used."),
        (name = "dead letters", description = "What used up its attempts."),
        (name = "products", description = "Who can be asked for what."),
        (name = "limits", description = "How much may be worked on at once."),
        (name = "schedules", description = "What is asked for again and again."),
        (name = "reviews", description = "What reviews found, for a pull request's own checks."),
        (name = "webhooks", description = "What the forge tells us."),
        (name = "health", description = "Whether the server lives and is ready."),
    )
)]
struct Api;

/// The whole description as JSON, ending in a line feed.
///
/// # Errors
/// When it cannot be written as JSON, which a test rules out.
pub fn document() -> Result<String, serde_json::Error> {
    Api::openapi().to_pretty_json().map(|text| text + "\n")
}

/// The description, for programs.
pub(super) async fn show() -> Result<Response, super::Error> {
    let text = document().map_err(|_| super::Error::new(super::Kind::Internal, ""))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}
