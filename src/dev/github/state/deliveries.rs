//! Webhooks on their way to a receiver.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One event as it is sent; a redelivery is equal to the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// `X-GitHub-Delivery`, which GitHub calls the GUID.
    pub id: uuid::Uuid,
    /// `X-GitHub-Event`, such as `pull_request`.
    pub event: String,
    /// The body that is signed and sent.
    pub payload: Value,
}

/// A delivery that is still to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outgoing {
    /// The number of the attempt, which a redelivery does not share.
    pub(crate) id: i64,
    pub(crate) delivery: Delivery,
    pub(crate) owner: HookOwner,
    pub(crate) is_redelivery: bool,
}

/// Whose webhook it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum HookOwner {
    /// The App with this id.
    App(i64),
    /// The repository with this id.
    Repository(i64),
}
