//! Subscriptions: where people are notified, and what became of each message.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::{delivery, subscription};

/// A subscription to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubscription {
    /// `webhook` (our JSON, signed as Standard Webhooks), `slack` (an incoming webhook) or `email`.
    #[schema(pattern = "^(webhook|slack|email)$")]
    pub target: String,
    /// The URL or the mail address, up to 2,000 characters. URLs are not shown again.
    pub address: String,
    /// What webhooks are signed with: `whsec_` and 24 to 64 bytes in base64. Left out: a new one, which is returned once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Everything of the products, for a place such as a channel; needs the role `admin`. Otherwise what concerns the caller.
    #[serde(default)]
    pub everything: bool,
    /// Only these products; left out: all of the caller's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub products: Option<Vec<String>>,
    /// Only these kinds of notices: needs_you, merged, failed, over_budget, sla, proposal; left out: all. needs_you includes over_budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<String>>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Subscription {
    /// Its id.
    pub id: Uuid,
    /// Who made it.
    pub owner: String,
    /// `webhook`, `slack` or `email`.
    pub target: String,
    /// The mail address, or of a URL its host alone.
    pub address: String,
    /// Whether it gets everything of its products; otherwise what concerns its owner.
    pub everything: bool,
    /// Only these products; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub products: Option<Vec<String>>,
    /// Only these kinds of notices; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Vec<String>>,
    /// `working`; `failing`, if the last attempt failed; `gone`, if the target said so: nothing is sent until it is tried again.
    pub state: String,
    /// Messages that are due, also later.
    pub due: i64,
    /// Messages that were given up.
    pub dead: i64,
    /// What went wrong last; it can be foreign text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The secret of a webhook that is new: it is shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A message to a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Delivery {
    /// Its id; a webhook carries it as `msg_<id>`.
    pub id: Uuid,
    /// What it says, in a line. It can be foreign text.
    pub headline: String,
    /// The run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Uuid>,
    /// `due`, `delivered` or `dead`.
    pub state: String,
    /// When the next attempt is due, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<DateTime<Utc>>,
    /// Since when it is owed.
    pub owed_at: DateTime<Utc>,
    /// How many attempts there were.
    pub attempts: i32,
    /// The status that the target answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<i32>,
    /// What went wrong last; it can be foreign text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was delivered or given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<DateTime<Utc>>,
}

/// A page of messages, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Deliveries {
    /// The messages.
    pub items: Vec<Delivery>,
    /// Gives the next page as `?cursor=`; absent on the last one.
    pub next_cursor: Option<Uuid>,
}

/// Which dead letters of a subscription to send again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// These messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<Uuid>>,
    /// Every message that was given up; needed if no ids are named.
    #[serde(default)]
    pub all: bool,
}

/// How many messages are sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replayed {
    /// How many.
    pub deliveries: u64,
}

impl From<subscription::Row> for Subscription {
    fn from(row: subscription::Row) -> Self {
        let state = match (&row.gone_at, &row.error) {
            (Some(_), _) => "gone",
            (None, Some(_)) => "failing",
            (None, None) => "working",
        };
        Self {
            id: row.id,
            owner: row.owner,
            target: row.target,
            address: row.shown,
            everything: !row.personal,
            products: row.products,
            kinds: row.kinds,
            state: state.to_owned(),
            due: row.due,
            dead: row.dead,
            error: row.error,
            created_at: row.created_at,
            secret: None,
        }
    }
}

impl From<delivery::Row> for Delivery {
    fn from(row: delivery::Row) -> Self {
        Self {
            id: row.id,
            headline: row.content.0.headline(),
            run_id: row.run_id,
            due_at: Some(row.due_at).filter(|_| row.state == "due"),
            state: row.state,
            owed_at: row.owed_at,
            attempts: row.attempts,
            status: row.status,
            error: row.error,
            ended_at: row.ended_at,
        }
    }
}
