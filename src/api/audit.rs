//! The audit log: what each person and key did.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::store::audit::{Row, Verification};

/// An act of a person or a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Its number: 1, 2, 3 … without a gap.
    pub seq: i64,
    /// When it was done.
    pub at: DateTime<Utc>,
    /// Who did it: a person, a login on the forge, or `database` for who had access to that.
    pub person: String,
    /// With which key.
    pub key_id: Option<Uuid>,
    /// What was done: `run.pause`, `product.put`.
    pub act: String,
    /// What it was done to: a run's id, a product's name.
    pub subject: String,
    /// The run that it was done to.
    pub run_id: Option<Uuid>,
    /// The product that it was done to.
    pub product: Option<String>,
    /// What was there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What was there afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// Why.
    pub reason: Option<String>,
    /// The id of the request, as its response and the server's log have it.
    pub request_id: Option<String>,
    /// The digest of the chain up to this entry, in hexadecimal digits.
    pub digest: String,
}

/// A page of the log, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntries {
    /// The entries.
    pub items: Vec<AuditEntry>,
    /// The cursor of the next page; absent on the last one.
    pub next_cursor: Option<i64>,
}

/// Whether the log is as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditVerification {
    /// Whether every entry is as it was written, and none is missing.
    pub sound: bool,
    /// How many entries there are, if it is sound.
    pub entries: Option<i64>,
    /// The digest of the last entry, if it is sound. Kept elsewhere, it shows later that the log was not replaced.
    pub head: Option<String>,
    /// The first entry that is not as it was written.
    pub first_bad: Option<i64>,
    /// What is wrong with it.
    pub why: Option<String>,
}

impl From<Row> for AuditEntry {
    fn from(row: Row) -> Self {
        let read = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
        Self {
            seq: row.seq,
            at: row.at,
            person: row.person,
            key_id: row.key_id,
            act: row.act,
            subject: row.subject,
            run_id: row.run_id,
            product: row.product,
            before: read(row.before),
            after: read(row.after),
            reason: row.reason,
            request_id: row.request_id,
            digest: hex::encode(row.digest),
        }
    }
}

impl From<Verification> for AuditVerification {
    fn from(found: Verification) -> Self {
        let none = Self { sound: false, entries: None, head: None, first_bad: None, why: None };
        match found {
            Verification::Sound { rows, head } => {
                Self { sound: true, entries: Some(rows), head: Some(hex::encode(head)), ..none }
            }
            Verification::Broken { seq, why } => {
                Self { first_bad: Some(seq), why: Some(why.to_owned()), ..none }
            }
        }
    }
}
