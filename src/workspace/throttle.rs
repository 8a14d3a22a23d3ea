//! Outages of the remote, which all workers share: asked before a call over the network, told how it ended.

use std::{fmt, sync::Arc};

use futures::future::BoxFuture;

use super::{error::Error, git::Call, link::Link};
use crate::core::outage::{Held, Outage, Pass};

/// Decides before each call of the remote whether it may be made, and learns how each ended.
pub trait Throttle: fmt::Debug + Send + Sync {
    /// Admits a call.
    ///
    /// # Errors
    /// [`Held`] says for how long no call may be made.
    fn pass(&self) -> BoxFuture<'_, Result<Pass, Held>>;

    /// Learns how a call ended: with an answer, whatever it was, or with this failure of the remote or of the way to
    /// it. A failure may be part of an outage.
    fn ended(&self, pass: Pass, failure: Option<String>) -> BoxFuture<'_, Option<Outage>>;
}

impl Link {
    /// Makes a call over the network, unless the remote is down.
    pub(super) async fn over_network(&self, call: Call<'_>) -> Result<Vec<u8>, Error> {
        let Some(throttle) = self.throttle.as_ref().map(Arc::clone) else { return call.output().await };
        let pass = throttle.pass().await.map_err(Error::Held)?;
        let ended = call.output().await;
        let failure = ended.as_ref().err().filter(|error| error.is_of_network());
        let outage = throttle.ended(pass, failure.map(ToString::to_string)).await;
        match (outage, ended) {
            (Some(outage), Err(error)) => {
                Err(Error::Down { error: Box::new(error), outage: Box::new(outage) })
            }
            (_, ended) => ended,
        }
    }
}
