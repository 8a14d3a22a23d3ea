//! API keys, and who a caller is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{core::access::Principal, store::api_key};

/// A key to issue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// Its owner, who is added if there is no such person: 1 to 64 letters, digits, spaces and `.-_@+'`.
    #[schema(min_length = 1, max_length = 64)]
    pub person: String,
    /// The owner's login on the forge. They cannot approve their own critical change. Absent: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forge_login: Option<String>,
    /// `viewer`, `pm`, `engineer`, `admin` or `agent`.
    #[schema(pattern = "^(viewer|pm|engineer|admin|agent)$")]
    pub role: String,
    /// The products that it may touch. Absent: all, also those that are added later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 100)]
    pub products: Option<Vec<String>>,
    /// When it ends by itself. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// How many requests it may make in a minute at each server. Absent: 6,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 6000000)]
    pub requests_per_minute: Option<i32>,
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    /// Its id.
    pub id: Uuid,
    /// The part of it that is no secret.
    pub prefix: String,
    /// Its owner.
    pub person: String,
    /// The owner's login on the forge.
    pub forge_login: Option<String>,
    /// `viewer`, `pm`, `engineer`, `admin` or `agent`.
    pub role: String,
    /// The products that it may touch; absent: all.
    pub products: Option<Vec<String>>,
    /// `active`, `expired` or `revoked`.
    pub state: String,
    /// When it was issued.
    pub created_at: DateTime<Utc>,
    /// Who issued it.
    pub created_by: String,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// How many requests it may make in a minute at each server; absent: 6,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<i32>,
}

/// A key that was issued.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct IssuedKey {
    /// The key itself. It is shown this once and stored nowhere.
    pub secret: String,
    /// What is stored of it.
    pub key: Key,
}

/// Who the caller is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The person.
    pub person: String,
    /// The person's login on the forge.
    pub forge_login: Option<String>,
    /// `viewer`, `pm`, `engineer`, `admin` or `agent`.
    pub role: String,
    /// The products that the key may touch; absent: all.
    pub products: Option<Vec<String>>,
    /// The key's id.
    pub key: Uuid,
}

impl From<api_key::Row> for Key {
    fn from(row: api_key::Row) -> Self {
        let state = match (row.revoked_at, row.is_expired) {
            (Some(_), _) => "revoked",
            (None, true) => "expired",
            (None, false) => "active",
        };
        Self {
            id: row.id,
            prefix: row.prefix,
            person: row.person,
            forge_login: row.forge_login,
            role: row.role,
            products: row.products,
            state: state.to_owned(),
            created_at: row.created_at,
            created_by: row.created_by,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            requests_per_minute: row.requests_per_minute,
        }
    }
}

impl From<&Principal> for Me {
    fn from(who: &Principal) -> Self {
        Self {
            person: who.name.clone(),
            forge_login: who.login.clone(),
            role: who.role.to_string(),
            products: who.products.names(),
            key: who.key,
        }
    }
}
