//! Repositories that were renamed or moved. A product follows its own by the forge's number, whichever webhook shows
//! the new name first. The forge is asked, since a webhook may be old and a name may have been given away.

use std::time::Duration;

use crate::{
    github::webhook::NamedRepository,
    http::{AppState, middleware::error::Error},
    store,
};

/// How long the forge is waited for. GitHub waits 10 s for an answer; the next webhook tries again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Gives the product of a repository the name that the repository has now, and learns its number.
pub(super) async fn follow(app: &AppState, seen: &NamedRepository) -> Result<(), Error> {
    let (Some(forge), Some(id)) = (&app.settings.forge, seen.id) else { return Ok(()) };
    let Ok(number) = i64::try_from(id) else { return Ok(()) };
    if !store::repository::is_unsettled(app.engine.pool(), number, &seen.name).await? {
        return Ok(());
    }
    let now = match tokio::time::timeout(PATIENCE, forge.repository(&seen.name)).await {
        Ok(Ok(now)) if now.id == id => now,
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => {
            tracing::warn!(%error, "could not ask what {} is called now: {error}", seen.name);
            return Ok(());
        }
        Err(_) => return Ok(()),
    };
    for former in app.engine.settle_repository(number, &now.name).await? {
        tracing::info!(
            repository.id = id,
            "{former} is called {} now: its product and runs follow",
            now.name
        );
    }
    Ok(())
}
