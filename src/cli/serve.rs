//! `aspora serve`: REST, webhooks and pages, without doing jobs.

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::{app::stop_on_signal, args::Serve, settings::Settings};

/// Serves until SIGTERM or Ctrl-C.
///
/// # Errors
/// When a setting is missing or wrong, the database cannot be reached or the address is taken.
pub(super) async fn run(arguments: Serve) -> anyhow::Result<()> {
    let mut settings = Settings::from_env()?;
    settings.listen = arguments.listen;
    settings.public_url = arguments.public_url.map(|url| url.as_str().trim_end_matches('/').to_owned());
    let house = settings.house()?;
    if house.webhook_secrets.is_empty() {
        tracing::warn!("GITHUB_WEBHOOK_SECRET is not set: webhooks are refused and runs rely on looking");
    }
    let stop = stop_on_signal()?;
    let engine = house.engine().await?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("listen on {} (ASPORA_LISTEN)", settings.listen))?;
    tracing::info!("serving on {}", house.public_url);
    house.serve(engine, listener, stop).await
}
