//! Counts the runs that have ended, a few hundred in a transaction.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::{
    queue::Shared,
    store::{self, measure},
};

/// Counts whenever the poller has seen that something is due, until the worker stops. While another process counts, this
/// one does not wait for it.
pub(super) async fn run(shared: Shared, due: Arc<Notify>) {
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = due.notified() => {}
        }
        if let Err(error) = all_due(&shared).await {
            tracing::warn!(%error, "runs that have ended were not counted, and will be: {error}");
        }
    }
}

async fn all_due(shared: &Shared) -> store::Result<()> {
    while !shared.stop.is_cancelled() && measure::fold(&shared.pool).await? > 0 {}
    Ok(())
}
