//! Budgets: what model calls may use, what is reserved for them, and what they have used.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    core::budget::{Account, Limits, Scope},
    store::budget,
};

/// The most that model calls of a run may use, in place of the default. What is left out has no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBudget {
    /// Tokens, read and written together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Millionths of a dollar; needs ASPORA_PRICES where workers run, and no call is made without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_dollars: Option<u64>,
}

/// The new limits of a run; they replace all earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRunBudget {
    /// Tokens, read and written together; left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Millionths of a dollar; left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_dollars: Option<u64>,
    /// Why, 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// The new limits of all runs of a product together; they replace all earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProductBudget {
    /// Tokens for all time; left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Millionths of a dollar for all time; left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_dollars: Option<u64>,
    /// Tokens on each day in UTC; left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_tokens: Option<u64>,
    /// Millionths of a dollar on each day in UTC; left out: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_micro_dollars: Option<u64>,
    /// Why, 1 to 500 characters.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// A release of what is reserved for a run's calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRelease {
    /// Why, 1 to 500 characters; best, where it was seen that the calls were not charged.
    #[schema(min_length = 1, max_length = 500)]
    pub reason: String,
}

/// A budget: its limits and its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Budget {
    /// The most tokens; absent: no limit.
    pub tokens: Option<u64>,
    /// The most millionths of a dollar; absent: no limit.
    pub micro_dollars: Option<u64>,
    /// Tokens reserved for calls in flight, and for calls that were cut off and may have been charged.
    pub reserved_tokens: u64,
    /// Millionths of a dollar reserved for the same calls, where prices are set.
    pub reserved_micro_dollars: u64,
    /// Tokens that were used.
    pub settled_tokens: u64,
    /// Millionths of a dollar that were used, where prices are set.
    pub settled_micro_dollars: u64,
}

/// The budgets of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProductBudget {
    /// The product.
    pub product: String,
    /// For all time.
    pub total: Budget,
    /// For the current day in UTC.
    pub today: Budget,
    /// Who last set the limits, why and when; absent if they were never set.
    pub last_set: Option<LastSet>,
    /// The runs that the new limits have resumed; absent where none were set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Vec<Uuid>>,
}

/// The limits of each run that has none of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DefaultBudget {
    /// Tokens, read and written together; absent: no limit.
    pub tokens: Option<u64>,
    /// Millionths of a dollar; absent: no limit.
    pub micro_dollars: Option<u64>,
    /// Who last set them, why and when.
    pub last_set: Option<LastSet>,
    /// The runs that the new limits have resumed; absent where none were set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Vec<Uuid>>,
}

/// The budget of a run, and those of its product, which its calls count against as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunBudget {
    /// The run.
    pub run_id: Uuid,
    /// The run's own budget.
    pub run: Budget,
    /// The product.
    pub product: String,
    /// The product's, for all time.
    pub product_total: Budget,
    /// The product's, for the current day in UTC.
    pub product_today: Budget,
    /// Who last set the run's own limits, why and when; absent if they were never set.
    pub last_set: Option<LastSet>,
    /// The calls whose cost is unknown, oldest first.
    pub unsettled: Vec<Unsettled>,
    /// The runs that the new limits have resumed; absent where none were set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Vec<Uuid>>,
    /// How many calls were released; absent if no release was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<u32>,
}

/// The last change of limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastSet {
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// A call for which the most that it can use is reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unsettled {
    /// The call's effect key.
    pub call: String,
    /// The job's number in its run.
    pub turn: i32,
    /// The attempt, from 1.
    pub attempt: i32,
    /// The most tokens that it can have used.
    pub tokens: i64,
    /// The most that it can have cost, where prices were set.
    pub micro_dollars: i64,
    /// When it was reserved.
    pub reserved_at: DateTime<Utc>,
    /// Whether the call is in flight; otherwise it was cut off and may be released.
    pub in_flight: bool,
}

impl NewBudget {
    /// The limits that it names.
    #[must_use]
    pub const fn limits(self) -> Limits {
        Limits { tokens: self.tokens, micro_dollars: self.micro_dollars }
    }
}

impl Budget {
    /// The budget of this scope; without an account it has no limit and no use.
    #[must_use]
    pub fn of(accounts: &[Account], scope: Scope) -> Self {
        let found = accounts.iter().find(|account| account.scope == scope);
        let blank = Account { scope, limits: Limits::default(), used: crate::core::budget::Used::default() };
        let Account { limits, used, .. } = found.copied().unwrap_or(blank);
        Self {
            tokens: limits.tokens,
            micro_dollars: limits.micro_dollars,
            reserved_tokens: used.reserved.tokens,
            reserved_micro_dollars: used.reserved.micro_dollars,
            settled_tokens: used.settled.tokens,
            settled_micro_dollars: used.settled.micro_dollars,
        }
    }
}

impl From<budget::OpenReservation> for Unsettled {
    fn from(row: budget::OpenReservation) -> Self {
        let budget::OpenReservation {
            effect_key,
            turn,
            attempt,
            tokens,
            micro_dollars,
            reserved_at,
            in_flight,
        } = row;
        Self { call: effect_key, turn, attempt, tokens, micro_dollars, reserved_at, in_flight }
    }
}

impl From<budget::Change> for LastSet {
    fn from(row: budget::Change) -> Self {
        let budget::Change { reason, updated_by, updated_at } = row;
        Self { reason, by: updated_by, at: updated_at }
    }
}
