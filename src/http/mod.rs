//! What callers reach over HTTP: REST under `/api/v1`, webhooks, pages, health.

mod after_merge;
mod board;
mod look_back;
mod middleware;
mod oidc;
mod overview;
mod pages;
mod picture;
mod policy;
mod proposal;
mod routes;
mod scope;
mod serve;

use std::{collections::BTreeMap, sync::Arc};

use axum::{Extension, Router, middleware::from_fn_with_state};
use secrecy::SecretString;
use tower_http::compression::CompressionLayer;

use self::middleware::{envelope, github_webhook::Receiver, incident_sender::Senders, origin, pace::Paces};
pub use self::{
    middleware::incident_sender::{IncidentSender, SenderKind},
    oidc::{Config as OidcConfig, Provider as OidcProvider},
    routes::openapi,
    serve::serve,
};
use crate::{core::access::Key, engine::Engine, github::Forge, metrics::Metrics, workspace::Workspaces};

/// What every route may use.
#[derive(Clone)]
pub struct AppState {
    /// The engine, and the database below it.
    pub engine: Engine,
    /// How this server was set up.
    pub settings: Arc<Settings>,
}

/// How this server was set up.
#[derive(Debug, Default)]
pub struct Settings {
    /// The URL under which people reach this server, without a trailing slash.
    pub public_url: String,
    /// The forge's web address, to link to pull requests and commits, without a trailing slash.
    pub forge_url: String,
    /// The client of the forge, which is asked about a product when it is put; without one nothing is asked.
    pub forge: Option<Arc<Forge>>,
    /// This machine's copies of the products' repositories, on which policies are tried; without them none is.
    pub workspaces: Option<Workspaces>,
    /// The secrets that webhooks may be signed with; two while one is being changed.
    pub webhook_secrets: Vec<SecretString>,
    /// Who may tell of incidents, by the name in the address of the webhook.
    pub incident_senders: BTreeMap<String, IncidentSender>,
    /// The forge is the twin, not GitHub; pages say so.
    pub forge_is_stand_in: bool,
    /// The model is the scripted one; pages say so.
    pub model_is_stand_in: bool,
    /// Names of this server besides that of its URL, without a port; addresses and `localhost` need none.
    pub hosts: Vec<String>,
    /// Whether people may be notified at private addresses.
    pub notify_private: bool,
    /// The key of the one person of this machine, who is signed in without being asked, on this machine alone. Only
    /// `dev` and `demo` have one.
    pub local_key: Option<Key>,
    /// The identity provider at which people sign in, if one is set up.
    pub oidc: Option<Arc<OidcProvider>>,
    /// Counts requests and webhooks.
    pub metrics: Arc<Metrics>,
}

/// All routes of a server.
pub fn router(app: AppState) -> Router {
    let github = Receiver::new(&app.settings.webhook_secrets);
    let senders = Senders::new(&app.settings.incident_senders);
    routes::router(&app, github, senders)
        .merge(pages::router(&app))
        .fallback(routes::unknown)
        .method_not_allowed_fallback(routes::method_not_allowed)
        .layer(Extension(Paces::default()))
        .layer(from_fn_with_state(app.clone(), origin::check))
        .layer(from_fn_with_state(app.clone(), envelope::finish))
        .layer(from_fn_with_state(app.clone(), pages::for_browsers))
        // Streams of events are left as they are: they would be held back until a block is full.
        .layer(CompressionLayer::new())
        .with_state(app)
}
