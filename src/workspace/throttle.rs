//! Outages of the remote, which all workers share: asked before a call over the network, and again after it.

use std::fmt;

use futures::future::BoxFuture;

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
