//! What callers reach over HTTP: REST under `/api/v1`, webhooks, pages, health.

mod budgets;
mod controls;
mod dead_letters;
pub mod error;
mod events;
mod export;
mod extract;
mod health;
mod idempotent;
mod layers;
mod limits;
pub mod openapi;
pub mod pages;
mod products;
mod requirements;
mod reviews;
mod runs;
mod schedules;
mod serve;

mod webhooks;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{Method, Uri},
    middleware::from_fn,
    routing::{get, post, put},
};
use secrecy::SecretString;

pub use self::{
    error::{Error, Kind},
    extract::BODY_LIMIT,
    serve::{Stop, serve},
};
use crate::{api as view, engine::Engine, github::webhook};

/// What every route may use.
#[derive(Clone)]
pub struct App {
    /// The engine, and the database below it.
    pub engine: Engine,
    /// How this server was set up.
    pub settings: Arc<Settings>,
}

/// How this server was set up.
#[derive(Debug)]
pub struct Settings {
    /// The URL under which people reach this server, without a trailing slash.
    pub public_url: String,
    /// The forge's web address, to link to pull requests and commits, without a trailing slash.
    pub forge_url: String,
    /// The keys that webhooks may be signed with; two while a key is being changed.
    pub webhook_secrets: Vec<SecretString>,
    /// The forge is the twin, not GitHub; pages say so.
    pub forge_is_stand_in: bool,
    /// The model is the scripted one; pages say so.
    pub model_is_stand_in: bool,
}

/// All routes of a server.
pub fn router(app: App) -> Router {
    Router::new()
        .nest("/api/v1", api())
        .merge(pages::router())
        .route("/openapi.json", get(openapi::show))
        .route("/problems/{code}", get(health::problem))
        .route("/livez", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(unknown)
        .method_not_allowed_fallback(other_method)
        .layer(from_fn(layers::finish))
        .with_state(app)
}

fn api() -> Router<App> {
    let hooks = Router::new()
        .route("/webhooks/github", post(webhooks::github))
        .layer(DefaultBodyLimit::max(webhook::BODY_LIMIT));
    Router::new()
        .route("/requirements", get(requirements::list).post(requirements::submit))
        .route("/requirements/{id}", get(requirements::show))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/events", get(events::list))
        .route("/runs/{id}/why", get(runs::why))
        .route("/runs/{id}/attempts", get(runs::attempts))
        .route("/runs/{id}/findings", get(runs::findings))
        .route("/runs/{id}/assessments", get(runs::assessments))
        .route("/runs/{id}/effects", get(runs::effects))
        .route("/runs/{id}/diff", get(runs::diff))
        .route("/runs/{id}/budget", get(budgets::show_run).put(budgets::set_run))
        .route("/runs/{id}/budget/release", post(budgets::release))
        .route("/runs/{id}/pause", post(controls::pause))
        .route("/runs/{id}/resume", post(controls::resume))
        .route("/runs/{id}/cancel", post(controls::cancel))
        .route("/runs/{id}/run-now", post(controls::run_now))
        .route("/runs/{id}/skip", post(controls::skip))
        .route("/runs/{id}/retry", post(controls::retry))
        .route("/runs/{id}/fork", post(controls::fork))
        .route("/dead-letters", get(dead_letters::list))
        .route("/dead-letters/redrive", post(dead_letters::redrive))
        .route("/runs/{id}/export", get(export::show))
        .route("/products", get(products::list).post(products::put))
        .route("/limits", get(limits::list))
        .route("/limits/{key}", put(limits::put).delete(limits::remove))
        .route("/schedules", get(schedules::list))
        .route("/schedules/{name}", get(schedules::show).put(schedules::put).delete(schedules::remove))
        .route("/schedules/{name}/pause", post(schedules::pause))
        .route("/schedules/{name}/resume", post(schedules::resume))
        .route("/products/{name}/budget", put(budgets::set_product))
        .route("/budgets", get(budgets::list))
        .route("/reviews/{owner}/{repo}/pr/{number}/findings", get(reviews::findings))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .merge(hooks)
}

async fn unknown(uri: Uri) -> Error {
    Error::new(Kind::NotFound, format!("there is no route {}; /openapi.json lists every route", uri.path()))
}

async fn other_method(method: Method, uri: Uri) -> Error {
    Error::new(
        Kind::MethodNotAllowed,
        format!("{} does not know {method}; the Allow header lists what it knows", uri.path()),
    )
}
