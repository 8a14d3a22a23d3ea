//! The chain of the audit log: each row's digest covers the row and the digest before it.

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A digest of the chain.
pub type Link = [u8; 32];

/// What the first row is chained to.
pub const START: Link = [0; 32];

/// The content of a row, as it is stored: texts of JSON byte by byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content<'a> {
    /// Its number.
    pub seq: i64,
    /// When the act was done, in whole microseconds.
    pub at: DateTime<Utc>,
    /// Who acted.
    pub person: &'a str,
    /// With which key.
    pub key: Option<Uuid>,
    /// What was done.
    pub act: &'a str,
    /// What it was done to.
    pub subject: &'a str,
    /// The run that it was done to.
    pub run: Option<Uuid>,
    /// The product that it was done to.
    pub product: Option<&'a str>,
    /// What was there before, as JSON.
    pub before: Option<&'a str>,
    /// What is there now, as JSON.
    pub after: Option<&'a str>,
    /// Why.
    pub reason: Option<&'a str>,
    /// The id of the request.
    pub request: Option<&'a str>,
}

impl Content<'_> {
    /// The digest of this row after the row with the digest `previous`. Every field has its length before it, and an
    /// absent one differs from an empty one, so that no two contents have the same bytes.
    #[must_use]
    pub fn link(&self, previous: &Link) -> Link {
        let mut hash = Sha256::new();
        hash.update(b"aspora audit 1\0");
        hash.update(previous);
        hash.update(self.seq.to_be_bytes());
        hash.update(self.at.timestamp_micros().to_be_bytes());
        let (key, run) = (self.key.map(Uuid::into_bytes), self.run.map(Uuid::into_bytes));
        let fields: [Option<&[u8]>; 10] = [
            Some(self.person.as_bytes()),
            key.as_ref().map(<[u8; 16]>::as_slice),
            Some(self.act.as_bytes()),
            Some(self.subject.as_bytes()),
            run.as_ref().map(<[u8; 16]>::as_slice),
            self.product.map(str::as_bytes),
            self.before.map(str::as_bytes),
            self.after.map(str::as_bytes),
            self.reason.map(str::as_bytes),
            self.request.map(str::as_bytes),
        ];
        for field in fields {
            hash.update([u8::from(field.is_some())]);
            let bytes = field.unwrap_or_default();
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        }
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Content<'_> = Content {
        seq: 7,
        at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
        person: "ada",
        key: Some(Uuid::from_u128(1)),
        act: "run.pause",
        subject: "run",
        run: Some(Uuid::from_u128(2)),
        product: Some("wealth"),
        before: Some("{\"state\":\"at\"}"),
        after: Some("{\"state\":\"paused\"}"),
        reason: Some("waiting for legal"),
        request: Some("r1"),
    };

    #[test]
    fn every_field_changes_the_digest() {
        let changed = [
            Content { seq: 8, ..ROW },
            Content { at: DateTime::from_timestamp_micros(1_700_000_000_000_002).unwrap(), ..ROW },
            Content { person: "adah", ..ROW },
            Content { key: None, ..ROW },
            Content { act: "run.resume", ..ROW },
            Content { subject: "run2", ..ROW },
            Content { run: Some(Uuid::from_u128(3)), ..ROW },
            Content { product: None, ..ROW },
            Content { before: Some("{\"state\": \"at\"}"), ..ROW },
            Content { after: None, ..ROW },
            Content { reason: Some(""), ..ROW },
            Content { reason: None, ..ROW },
            Content { request: Some("r2"), ..ROW },
        ];
        let mut digests: Vec<Link> = changed.iter().map(|row| row.link(&START)).collect();
        digests.push(ROW.link(&START));
        digests.push(ROW.link(&[1; 32]));
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), changed.len() + 2);
    }

    #[test]
    fn what_moves_from_one_field_to_the_next_changes_the_digest() {
        let (one, other) =
            (Content { act: "ab", subject: "c", ..ROW }, Content { act: "a", subject: "bc", ..ROW });
        assert_ne!(one.link(&START), other.link(&START));
    }

    #[test]
    fn the_digest_of_a_row_stays_what_it_is() {
        assert_eq!(hex::encode(&ROW.link(&START)[..8]), "f649c053c8b3fc9f");
    }
}
