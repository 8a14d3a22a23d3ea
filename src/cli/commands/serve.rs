//! `aspora serve`: REST API, webhooks and pages, without a worker.

use std::net::SocketAddr;

use anyhow::Context as _;
use clap::Args;
use tokio::net::TcpListener;
use url::Url;

use super::Exit;
use crate::{
    cli::{app::stop_on_signal, settings::Settings},
    store::api_key,
};

/// The arguments of `aspora serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on.
    #[arg(long, env = "ASPORA_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// URL under which people reach the server [default: http:// and the address].
    #[arg(long, env = "ASPORA_PUBLIC_URL", value_name = "URL")]
    public_url: Option<Url>,
}

/// Serves until SIGTERM or Ctrl-C.
///
/// # Errors
/// When a setting is missing or invalid, the database cannot be reached or the address is in use.
pub(crate) async fn run(options: Serve) -> anyhow::Result<Exit> {
    let mut settings = Settings::from_env()?;
    settings.listen = options.listen;
    settings.public_url = options.public_url.map(|url| url.as_str().trim_end_matches('/').to_owned());
    let app = settings.server()?;
    if app.webhook_secrets.is_empty() {
        tracing::warn!("GITHUB_WEBHOOK_SECRET is not set: webhooks are rejected, and runs poll GitHub");
    }
    let stop = stop_on_signal()?;
    let engine = app.engine().await?;
    if !api_key::any(engine.pool()).await? {
        tracing::warn!(
            "there is no API key, and everything is refused; make the first one at the database: \
             `aspora key create --person NAME --role admin` with DATABASE_URL"
        );
    }
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("listen on {} (ASPORA_LISTEN)", settings.listen))?;
    app.report(Some(engine.pool().clone()), stop.clone()).await?;
    tracing::info!("serving on {}", app.public_url);
    app.serve(engine, listener, stop).await?;
    Ok(Exit::Success)
}
