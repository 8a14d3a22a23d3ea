//! The requests to merge that one visit of the step has made, in the ledger. There is one at a time; the name
//! that the forge gives to one is part of the key of the next, so every attempt finds the same chain.

use chrono::{DateTime, Utc};

use super::super::{
    Failure,
    attempt::Attempt,
    ledger::{Before, MergeOrderIntent, MergeOrdered, observation},
};
use crate::store::effect;

/// What the ledger knows of these requests.
pub(super) struct Orders {
    /// The key of the next request, or of the one whose answer is not known.
    next: String,
    /// Whether a request was made, answered or not.
    pub(super) any: bool,
    /// The newest merge in the background.
    pub(super) newest: Option<Newest>,
}

/// A merge in the background.
pub(super) struct Newest {
    pub(super) uuid: String,
    /// When its name was recorded.
    pub(super) since: DateTime<Utc>,
}

impl Orders {
    /// Reads the chain that begins at the merge with this key.
    pub(super) async fn read(at: &Attempt<'_>, key: &str) -> Result<Self, Failure> {
        let mut orders = Self { next: format!("{key}/order"), any: false, newest: None };
        while let Some(row) = effect::get(&at.factory.pool, at.lease.run, &orders.next).await? {
            orders.any = true;
            let (Some(result), Some(since)) = (row.result, row.done_at) else { break };
            let MergeOrdered { uuid } = observation::<MergeOrderIntent>(&orders.next, result)?;
            orders.next = match &uuid {
                Some(uuid) => format!("{key}/order/{uuid}"),
                None => format!("{}/again", orders.next),
            };
            orders.newest = uuid.map(|uuid| Newest { uuid, since });
        }
        Ok(orders)
    }

    /// Records the next request before it is made.
    pub(super) async fn begin(&self, at: &Attempt<'_>, intent: &MergeOrderIntent) -> Result<(), Failure> {
        match at.begin(&self.next, intent).await? {
            Before::Fresh(_) | Before::Unknown(_) => Ok(()),
            Before::Done(_) => Err(Failure::retry("another attempt has asked for this merge")),
        }
    }

    /// Records the answer to the next request; does nothing if none was made.
    pub(super) async fn observe(&self, at: &Attempt<'_>, uuid: Option<String>) -> Result<(), Failure> {
        at.observe::<MergeOrderIntent>(&self.next, &MergeOrdered { uuid }).await
    }
}
