//! What callers reach over HTTP: REST under `/api/v1`, webhooks, pages, health.

pub mod pages;

use std::sync::Arc;

use secrecy::SecretString;

use crate::engine::Engine;

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

/// Serves until `stop` is cancelled.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    app: App,
    stop: tokio_util::sync::CancellationToken,
) -> anyhow::Result<()> {
    let router = axum::Router::new().merge(pages::router()).with_state(app);
    Ok(axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?)
}
