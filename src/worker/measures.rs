//! Counts the runs that have ended and looks back at them, a few hundred in a transaction; people are notified of what is
//! proposed.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::{engine::Engine, queue::Shared, store::measure};

/// Counts whenever the poller has seen that something is due, until the worker stops. While another process counts, this
/// one does not wait for it.
pub(super) async fn run(engine: Engine, shared: Shared, due: Arc<Notify>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = due.notified() => {}
        }
        if let Err(error) = all_due(&engine, &shared).await {
            tracing::warn!(%error, "runs that have ended were not counted, and will be: {error}");
        }
    }
}

async fn all_due(engine: &Engine, shared: &Shared) -> Result<(), crate::engine::Error> {
    while !shared.stop.is_cancelled() && measure::fold(&shared.pool).await? > 0 {}
    while !shared.stop.is_cancelled() && engine.notify_proposal().await? {}
    Ok(())
}
