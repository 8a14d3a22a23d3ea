//! Long texts of JSON documents, kept apart and once for each content.
//!
//! In a stored document `{"$blob": "<sha256>", "size": <bytes>}` stands for a text. Whoever reads through
//! this room sees the text; short fields stay where they are, so that SQL can ask for them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::store::{Connection, Error, Result};

/// The longest text, in bytes, that stays in its document.
pub const INLINE: usize = 32 * 1024;
/// How many rows are swept at once.
const BATCH: i64 = 1_000;
/// What stands in a document for a text that is kept apart.
const MARK: &str = "$blob";

type Hash = [u8; 32];

/// Where a document that refers to a blob is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Place {
    Event,
    Effect,
    Assessment,
}

impl Place {
    pub(in crate::store) const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Effect => "effect",
            Self::Assessment => "assessment",
        }
    }
}

/// A document as it is stored, and the texts that are kept apart.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct Parted {
    pub(in crate::store) document: Value,
    texts: BTreeMap<Hash, String>,
}

impl Parted {
    pub(in crate::store) fn is_whole(&self) -> bool {
        self.texts.is_empty()
    }
}

/// Takes long texts out of a document, and those with a NUL, which `jsonb` does not hold.
pub(in crate::store) fn part(document: &Value) -> Parted {
    let mut texts = BTreeMap::new();
    let document = parted(document, &mut texts);
    Parted { document, texts }
}

/// Keeps the texts for a document of this run, in the transaction that stores the document.
///
/// # Errors
/// When the database does not answer.
pub(in crate::store) async fn keep(
    connection: &mut Connection,
    run_id: Uuid,
    place: Place,
    parts: &Parted,
) -> Result<()> {
    // In the order of their hashes, so that two writers of the same texts cannot wait for each other.
    for (hash, text) in &parts.texts {
        // A sweeper that looks at this row now waits for us and then sees that it is in use.
        sqlx::query!(
            "insert into blob (hash, body) values ($1, $2)
             on conflict (hash) do update set used_at = now() where blob.used_at < now() - interval '1 hour'",
            hash.as_slice(),
            text.as_bytes()
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query!(
            "insert into blob_use (run_id, place, hash) values ($1, $2, $3) on conflict do nothing",
            run_id,
            place.as_str(),
            hash.as_slice()
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Puts the texts back into documents.
///
/// # Errors
/// [`Error::Decode`] when a text is missing or is no text, and when the database does not answer.
pub(in crate::store) async fn fill(executor: impl PgExecutor<'_>, mut holes: Vec<&mut Value>) -> Result<()> {
    holes.retain(|value| has_mark(value));
    if holes.is_empty() {
        return Ok(());
    }
    let mut hashes = BTreeSet::new();
    holes.iter().for_each(|value| needed(value, &mut hashes));
    let hashes: Vec<Vec<u8>> = hashes.into_iter().map(Vec::from).collect();
    let rows =
        sqlx::query!("select hash, body from blob where hash = any($1)", &hashes).fetch_all(executor).await?;
    let mut texts = BTreeMap::new();
    for row in rows {
        texts.insert(row.hash, String::from_utf8(row.body).map_err(|error| Error::Decode(Box::new(error)))?);
    }
    holes.iter_mut().try_for_each(|value| filled(value, &texts))
}

/// Sweeps blobs that nothing refers to and nobody has kept for `days`; tells how many.
///
/// # Errors
/// When the database does not answer; what was swept stays swept.
pub async fn sweep(connection: &mut Connection, days: f64) -> Result<u64> {
    let mut swept = 0;
    loop {
        // The age is looked at again after the lock: a writer who came first keeps its blob.
        let done = sqlx::query!(
            "delete from blob where used_at < now() - make_interval(secs => $1::float8 * 86400)
             and hash in (
                 select hash from blob b where used_at < now() - make_interval(secs => $1::float8 * 86400)
                 and not exists (select from blob_use u where u.hash = b.hash) limit $2)",
            days,
            BATCH
        )
        .execute(&mut *connection)
        .await?;
        swept += done.rows_affected();
        if done.rows_affected() == 0 {
            return Ok(swept);
        }
    }
}

/// How many blobs would be swept.
///
/// # Errors
/// When the database does not answer.
pub async fn idle(connection: &mut Connection, days: f64) -> Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from blob b where used_at < now() - make_interval(secs => $1::float8 * 86400)
           and not exists (select from blob_use u where u.hash = b.hash)"#,
        days
    )
    .fetch_one(connection)
    .await
}

fn parted(value: &Value, texts: &mut BTreeMap<Hash, String>) -> Value {
    match value {
        Value::String(text) if text.len() > INLINE || text.contains('\0') => {
            let hash: Hash = Sha256::digest(text).into();
            texts.entry(hash).or_insert_with(|| text.clone());
            json!({ MARK: hex::encode(hash), "size": text.len() })
        }
        Value::Array(items) => items.iter().map(|item| parted(item, texts)).collect(),
        Value::Object(fields) => {
            // A field that is called as our mark is gets a sign more, which reading takes off again.
            let field = |(name, value): (&String, &Value)| {
                let name = if is_mark(name) { format!("${name}") } else { name.clone() };
                (name, parted(value, texts))
            };
            Value::Object(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

/// `$blob`, `$$blob` and so on.
fn is_mark(name: &str) -> bool {
    name.starts_with('$') && name.trim_start_matches('$') == "blob"
}

fn has_mark(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_mark),
        Value::Object(fields) => fields.iter().any(|(name, value)| is_mark(name) || has_mark(value)),
        _ => false,
    }
}

/// The hash that stands here for a text.
fn hole(fields: &Map<String, Value>) -> Option<Hash> {
    let hash = fields.get(MARK)?.as_str()?;
    let is_ours = fields.len() == 2 && fields.get("size").is_some_and(Value::is_u64);
    hex::decode(hash).ok().filter(|_| is_ours)?.try_into().ok()
}

fn needed(value: &Value, hashes: &mut BTreeSet<Hash>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| needed(item, hashes)),
        Value::Object(fields) => match hole(fields) {
            Some(hash) => drop(hashes.insert(hash)),
            None => fields.values().for_each(|value| needed(value, hashes)),
        },
        _ => {}
    }
}

fn filled(value: &mut Value, texts: &BTreeMap<Vec<u8>, String>) -> Result<()> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| filled(item, texts)),
        Value::Object(fields) => {
            if let Some(hash) = hole(fields) {
                let missing = || Error::Decode(format!("the blob {} is missing", hex::encode(hash)).into());
                let text = texts.get(hash.as_slice()).ok_or_else(missing)?;
                *value = Value::String(text.clone());
                return Ok(());
            }
            fields.values_mut().try_for_each(|value| filled(value, texts))?;
            let escaped = |name: &str| is_mark(name) && name != MARK;
            if fields.keys().any(|name| escaped(name)) {
                let plain = |(name, value): (String, Value)| {
                    (if escaped(&name) { name[1..].to_owned() } else { name }, value)
                };
                *fields = std::mem::take(fields).into_iter().map(plain).collect();
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(parts: &Parted) -> BTreeMap<Vec<u8>, String> {
        parts.texts.iter().map(|(hash, text)| (hash.to_vec(), text.clone())).collect()
    }

    fn again(document: &Value) -> Value {
        let parts = part(document);
        let mut value = parts.document.clone();
        filled(&mut value, &texts(&parts)).unwrap();
        value
    }

    #[test]
    fn only_long_texts_and_those_with_a_nul_are_kept_apart() {
        let check = |text: String, apart: bool| {
            let document = json!({ "a": [{ "b": text }], "n": 1 });
            assert_eq!(!part(&document).is_whole(), apart, "{} bytes", text.len());
            assert_eq!(again(&document), document);
        };
        check("x".repeat(INLINE), false);
        check("x".repeat(INLINE + 1), true);
        check("ü".repeat(INLINE / 2 + 1), true);
        check("a\0b".to_owned(), true);
        check(String::new(), false);
    }

    #[test]
    fn the_same_text_is_kept_once() {
        let long = "x".repeat(INLINE + 1);
        let parts = part(&json!({ "a": long, "b": [long] }));
        assert_eq!(parts.texts.len(), 1);
        assert_eq!(parts.document["a"], parts.document["b"][0]);
        assert_eq!(parts.document["a"]["size"], INLINE + 1);
    }

    #[test]
    fn a_document_that_speaks_as_we_do_is_not_taken_for_ours() {
        let hash = "0".repeat(64);
        for document in [
            json!({ "$blob": hash, "size": 1 }),
            json!({ "$$blob": hash, "size": 1 }),
            json!({ "a": [{ "$blob": { "$blob": hash, "size": 1 }, "size": 1 }] }),
            json!({ "$blob": 1, "$$$blob": { "$": 1, "$blobs": 2 } }),
        ] {
            assert_eq!(again(&document), document);
        }
    }

    #[test]
    fn a_blob_that_is_gone_is_an_error_that_names_it() {
        let mut parts = part(&json!({ "a": "x".repeat(INLINE + 1) }));
        let error = filled(&mut parts.document, &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains("is missing"), "{error}");
    }
}
