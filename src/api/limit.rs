//! Limits by key.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::store::limit;

/// A key, its limit and how many jobs with it are running now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Limit {
    /// `product:<name>`, `model:<provider>` or `merge:<owner>/<repo>:<base>`.
    pub key: String,
    /// The most jobs that may run at once; absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub most: Option<i32>,
    /// How many are running now: held by a worker.
    pub held: i64,
}

/// The most jobs with a key that may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Most {
    /// 1 to 10,000.
    #[schema(minimum = 1, maximum = 10000)]
    pub most: i32,
}

impl From<limit::Row> for Limit {
    fn from(row: limit::Row) -> Self {
        let limit::Row { key, most, held } = row;
        Self { key, most, held }
    }
}
