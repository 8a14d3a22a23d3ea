//! The description of the REST interface, OpenAPI 3.1, made from the routes themselves.

mod complete;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::OpenApi;

use self::complete::Complete;
use super::{
    after_merge, amendments, audit, budgets, controls, dead_letters, dependencies, events, evidence, export,
    findings, gaps, health, holds, keys, limits, look_back, metrics, opinions, outages, policy, products,
    proposals, pulls, questions, requirements, reviews, runs, schedules, subscriptions, webhooks, workers,
};
use crate::{api, http::middleware::error::Error};

#[derive(OpenApi)]
#[openapi(
    modifiers(&Complete),
    info(
        title = "Aspora",
        description = "The code factory: a requirement becomes a judged, reviewed and merged pull request. \
                       Every failure is an RFC 9457 problem (`application/problem+json`, schema Problem)."
    ),
    paths(
        requirements::submit, requirements::list, requirements::show,
        amendments::list, amendments::amend, amendments::cancel, amendments::resubmit,
        questions::list, questions::answer, dependencies::list, dependencies::say,
        metrics::show, metrics::runs, pulls::list, gaps::open, gaps::list, gaps::show, gaps::dismiss, proposals::list, proposals::show, proposals::accept, proposals::dismiss, look_back::look_back, runs::show, events::list, runs::why, runs::attempts, findings::list, findings::dismiss, runs::assessments, runs::effects, runs::tests,
        runs::diff, after_merge::after_merge, after_merge::revert, export::show, evidence::send, evidence::list,
        budgets::list, budgets::show_default, budgets::set_default, budgets::set_product, budgets::show_run, budgets::set_run, budgets::release,
        controls::pause, controls::resume, controls::cancel, controls::run_now, controls::skip, controls::retry,
        controls::fork, opinions::approve, opinions::reject, opinions::withdraw, dead_letters::list, dead_letters::redrive,
        products::list, products::show, products::put, products::change, products::remove, products::propose, policy::validate, policy::simulate, limits::list, limits::put, limits::remove, reviews::findings,
        holds::list, holds::put, holds::release, outages::list, outages::probe,
        workers::list, workers::drain, workers::queues,
        schedules::list, schedules::show, schedules::put, schedules::remove, schedules::pause, schedules::resume,
        audit::list, audit::of_run, audit::verify, keys::create, keys::link, keys::list, keys::me, keys::revoke, subscriptions::create, subscriptions::deliveries, subscriptions::list, subscriptions::remove, subscriptions::replay, subscriptions::test,
        webhooks::github, webhooks::incidents, health::alive, health::ready,
    ),
    components(schemas(api::Event, api::Problem)),
    tags(
        (name = "requirements", description = "Submit requirements and list them."),
        (name = "runs", description = "Follow the run of a requirement, and control it."),
        (name = "metrics", description = "What the factory did, and how well; and the runs behind each figure."),
        (name = "budgets", description = "Limit what model calls may use, and see what they have used."),
        (name = "dead letters", description = "Jobs that used up their attempts."),
        (name = "products", description = "The products that requirements are for."),
        (name = "policy", description = "Check a risk policy, and try it on the changes that were merged."),
        (name = "limits", description = "How many jobs may run at once."),
        (name = "holds", description = "Stop everything, a product, a queue or a worker, and release it."),
        (name = "queues", description = "What is due, runs and waits, by kind of work."),
        (name = "workers", description = "The processes that work, and how they are drained."),
        (name = "outages", description = "Providers that do not answer, and probes by hand."),
        (name = "schedules", description = "Requirements that are submitted again and again."),
        (name = "harness gaps", description = "Incidents whose case is missing, with their clocks."),
        (name = "proposals", description = "What follows from causes that come in runs again and again."),
        (name = "evidence", description = "What a browser showed of a head, verified here."),
        (name = "reviews", description = "What reviews found, for a pull request's own checks."),
        (name = "subscriptions", description = "Where people are notified, and what became of each message."),
        (name = "keys", description = "API keys, and who the caller is."),
        (name = "audit", description = "What people and keys did."),
        (name = "webhooks", description = "Deliveries of the forge."),
        (name = "health", description = "Whether the server is alive and ready."),
    )
)]
struct Document;

/// The whole description as JSON, ending in a line feed.
///
/// # Errors
/// When it cannot be written as JSON, which a test rules out.
pub fn document() -> Result<String, serde_json::Error> {
    Document::openapi().to_pretty_json().map(|text| text + "\n")
}

/// The description, for programs.
pub(super) async fn show() -> Result<Response, Error> {
    let text = document().map_err(|_| Error::internal())?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}
