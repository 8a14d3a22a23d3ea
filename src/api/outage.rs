//! Outages of the servers that we call.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::outage;

/// A provider that does not answer. All calls of it are held back, but for one probe at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outage {
    /// `forge <host>`, `git <host>` or `model <host>/<model>`.
    pub provider: String,
    /// When it began.
    pub since: DateTime<Utc>,
    /// When the next probe is due.
    pub next_probe_at: DateTime<Utc>,
    /// How many probes have failed.
    pub probes: i32,
    /// What failed last, in a sentence for people.
    pub last_error: String,
    /// How many jobs wait for the provider, be it as the fallback of a model.
    pub waiting: i64,
}

/// A probe that is due now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutageProbe {
    /// The provider that is probed.
    pub provider: String,
    /// How many jobs wait for it. They are due within two seconds, and the first of them is the probe.
    pub waiting: i64,
}

impl Outage {
    /// The outage of this row, for which so many jobs wait.
    #[must_use]
    pub fn new(row: outage::Row, waiting: i64) -> Self {
        let outage::Row { provider, since, next_probe_at, probes, error } = row;
        Self { provider, since, next_probe_at, probes, last_error: error, waiting }
    }
}
