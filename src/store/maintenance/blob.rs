//! Long texts of JSON documents, and pictures, stored in a table of their own, once for each content.
//!
//! A stored document has `{"$blob": "<sha256>", "size": <bytes>}` in place of a long text; the functions of this room
//! restore the text. Short fields stay in the document, so that SQL can query them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::PgExecutor;
use uuid::Uuid;

use crate::store::{Connection, Error, Result};

/// The maximum size of a text, in bytes, that stays in its document.
pub const INLINE: usize = 32 * 1024;
/// How many rows are deleted at once.
const BATCH: i64 = 1_000;
/// The field that marks a reference to a blob.
const MARK: &str = "$blob";

/// SHA-256 of a content.
pub type Hash = [u8; 32];

/// The table of a document that refers to a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::store) enum Referrer {
    Event,
    Effect,
    Assessment,
    Evidence,
}

impl Referrer {
    pub(in crate::store) const fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Effect => "effect",
            Self::Assessment => "assessment",
            Self::Evidence => "evidence",
        }
    }
}

/// A document with references to blobs, and their texts.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::store) struct Extracted {
    pub(in crate::store) document: Value,
    texts: BTreeMap<Hash, String>,
}

impl Extracted {
    pub(in crate::store) fn has_no_blobs(&self) -> bool {
        self.texts.is_empty()
    }
}

/// Extracts long texts from a document, and texts with a NUL, which `jsonb` cannot store.
pub(in crate::store) fn extract(document: &Value) -> Extracted {
    let mut texts = BTreeMap::new();
    let document = extract_into(document, &mut texts);
    Extracted { document, texts }
}

/// Stores the texts of a document of this run, in the transaction that stores the document.
///
/// # Errors
/// When the database does not answer.
pub(in crate::store) async fn insert(
    connection: &mut Connection,
    run_id: Uuid,
    referrer: Referrer,
    extracted: &Extracted,
) -> Result<()> {
    // In the order of their hashes, so that two writers of the same texts cannot deadlock.
    for (hash, text) in &extracted.texts {
        put(connection, run_id, referrer, hash, text.as_bytes()).await?;
    }
    Ok(())
}

/// Stores a content that a run refers to. Several of one transaction are stored in the order of their hashes.
///
/// # Errors
/// When the database does not answer.
pub(in crate::store) async fn put(
    connection: &mut Connection,
    run_id: Uuid,
    referrer: Referrer,
    hash: &Hash,
    content: &[u8],
) -> Result<()> {
    // A sweep that selects this row now waits for us and then sees that it is in use.
    sqlx::query!(
        "insert into blob (hash, body) values ($1, $2)
         on conflict (hash) do update set used_at = now() where blob.used_at < now() - interval '1 hour'",
        hash.as_slice(),
        content
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "insert into blob_use (run_id, place, hash) values ($1, $2, $3) on conflict do nothing",
        run_id,
        referrer.as_str(),
        hash.as_slice()
    )
    .execute(&mut *connection)
    .await
    .map(|_| ())
}

/// Restores the texts of documents.
///
/// # Errors
/// [`Error::Decode`] when a text is missing or not UTF-8, and when the database does not answer.
pub(in crate::store) async fn restore(
    executor: impl PgExecutor<'_>,
    mut documents: Vec<&mut Value>,
) -> Result<()> {
    documents.retain(|value| has_mark(value));
    if documents.is_empty() {
        return Ok(());
    }
    let mut hashes = BTreeSet::new();
    documents.iter().for_each(|value| collect_hashes(value, &mut hashes));
    let hashes: Vec<Vec<u8>> = hashes.into_iter().map(Vec::from).collect();
    let rows =
        sqlx::query!("select hash, body from blob where hash = any($1)", &hashes).fetch_all(executor).await?;
    let mut texts = BTreeMap::new();
    for row in rows {
        texts.insert(row.hash, String::from_utf8(row.body).map_err(|error| Error::Decode(Box::new(error)))?);
    }
    documents.iter_mut().try_for_each(|value| restore_in(value, &texts))
}

/// Deletes blobs that have no references and were not stored within `days`; how many were deleted.
///
/// # Errors
/// When the database does not answer; what was deleted stays deleted.
pub async fn sweep(connection: &mut Connection, days: f64) -> Result<u64> {
    let mut swept = 0;
    loop {
        // The outer condition is evaluated again after the lock, so that a blob stored meanwhile stays.
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

/// How many blobs [`sweep`] would delete.
///
/// # Errors
/// When the database does not answer.
pub async fn count_unused(connection: &mut Connection, days: f64) -> Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from blob b where used_at < now() - make_interval(secs => $1::float8 * 86400)
           and not exists (select from blob_use u where u.hash = b.hash)"#,
        days
    )
    .fetch_one(connection)
    .await
}

fn extract_into(value: &Value, texts: &mut BTreeMap<Hash, String>) -> Value {
    match value {
        Value::String(text) if text.len() > INLINE || text.contains('\0') => {
            let hash: Hash = Sha256::digest(text).into();
            texts.entry(hash).or_insert_with(|| text.clone());
            json!({ MARK: hex::encode(hash), "size": text.len() })
        }
        Value::Array(items) => items.iter().map(|item| extract_into(item, texts)).collect(),
        Value::Object(fields) => {
            // A field that has the name of our mark is escaped with another `$`, which reading removes.
            let field = |(name, value): (&String, &Value)| {
                let name = if is_mark(name) { format!("${name}") } else { name.clone() };
                (name, extract_into(value, texts))
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

/// The hash, if this is a reference to a blob.
fn reference(fields: &Map<String, Value>) -> Option<Hash> {
    let hash = fields.get(MARK)?.as_str()?;
    let is_ours = fields.len() == 2 && fields.get("size").is_some_and(Value::is_u64);
    hex::decode(hash).ok().filter(|_| is_ours)?.try_into().ok()
}

fn collect_hashes(value: &Value, hashes: &mut BTreeSet<Hash>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_hashes(item, hashes)),
        Value::Object(fields) => match reference(fields) {
            Some(hash) => drop(hashes.insert(hash)),
            None => fields.values().for_each(|value| collect_hashes(value, hashes)),
        },
        _ => {}
    }
}

fn restore_in(value: &mut Value, texts: &BTreeMap<Vec<u8>, String>) -> Result<()> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| restore_in(item, texts)),
        Value::Object(fields) => {
            if let Some(hash) = reference(fields) {
                let missing = || Error::Decode(format!("the blob {} is missing", hex::encode(hash)).into());
                let text = texts.get(hash.as_slice()).ok_or_else(missing)?;
                *value = Value::String(text.clone());
                return Ok(());
            }
            fields.values_mut().try_for_each(|value| restore_in(value, texts))?;
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

    fn texts(extracted: &Extracted) -> BTreeMap<Vec<u8>, String> {
        extracted.texts.iter().map(|(hash, text)| (hash.to_vec(), text.clone())).collect()
    }

    fn round_trip(document: &Value) -> Value {
        let extracted = extract(document);
        let mut value = extracted.document.clone();
        restore_in(&mut value, &texts(&extracted)).unwrap();
        value
    }

    #[test]
    fn only_long_texts_and_those_with_a_nul_are_extracted() {
        let check = |text: String, is_extracted: bool| {
            let document = json!({ "a": [{ "b": text }], "n": 1 });
            assert_eq!(!extract(&document).has_no_blobs(), is_extracted, "{} bytes", text.len());
            assert_eq!(round_trip(&document), document);
        };
        check("x".repeat(INLINE), false);
        check("x".repeat(INLINE + 1), true);
        check("ü".repeat(INLINE / 2 + 1), true);
        check("a\0b".to_owned(), true);
        check(String::new(), false);
    }

    #[test]
    fn the_same_text_is_extracted_once() {
        let long = "x".repeat(INLINE + 1);
        let extracted = extract(&json!({ "a": long, "b": [long] }));
        assert_eq!(extracted.texts.len(), 1);
        assert_eq!(extracted.document["a"], extracted.document["b"][0]);
        assert_eq!(extracted.document["a"]["size"], INLINE + 1);
    }

    #[test]
    fn a_document_that_has_our_mark_is_not_changed() {
        let hash = "0".repeat(64);
        for document in [
            json!({ "$blob": hash, "size": 1 }),
            json!({ "$$blob": hash, "size": 1 }),
            json!({ "a": [{ "$blob": { "$blob": hash, "size": 1 }, "size": 1 }] }),
            json!({ "$blob": 1, "$$$blob": { "$": 1, "$blobs": 2 } }),
        ] {
            assert_eq!(round_trip(&document), document);
        }
    }

    #[test]
    fn a_missing_blob_is_an_error_that_names_it() {
        let mut extracted = extract(&json!({ "a": "x".repeat(INLINE + 1) }));
        let error = restore_in(&mut extracted.document, &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains("is missing"), "{error}");
    }
}
