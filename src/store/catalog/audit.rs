//! The audit log: what each person and key did, in the transaction of the act itself. Rows are chained by digests, so
//! that one that is changed, removed or put in is found.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::core::audit::{Content, Link, START};
use crate::store::{Connection, Pool, Result};

/// Rows that a verification reads at once.
const PAGE: i64 = 1000;

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Author<'a> {
    /// The name, as histories record it.
    pub person: &'a str,
    /// The key; `None` for who acts at the database or on the forge.
    pub key: Option<Uuid>,
    /// The id of the request.
    pub request: Option<&'a str>,
}

/// An act to record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Act<'a> {
    /// What is done: `run.pause`, `product.put`.
    pub act: &'a str,
    /// What it is done to: a run's id, a product's name.
    pub subject: &'a str,
    /// The run, if it is about one.
    pub run: Option<Uuid>,
    /// The product, if it is about one.
    pub product: Option<&'a str>,
    /// What was there before.
    pub before: Option<Value>,
    /// What is there now.
    pub after: Option<Value>,
    /// Why.
    pub reason: Option<&'a str>,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number, without gaps.
    pub seq: i64,
    /// When the act was done.
    pub at: DateTime<Utc>,
    /// Who acted.
    pub person: String,
    /// With which key.
    pub key_id: Option<Uuid>,
    /// What was done.
    pub act: String,
    /// What it was done to.
    pub subject: String,
    /// The run.
    pub run_id: Option<Uuid>,
    /// The product.
    pub product: Option<String>,
    /// What was there before, as JSON.
    pub before: Option<String>,
    /// What is there now, as JSON.
    pub after: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The id of the request.
    pub request_id: Option<String>,
    /// The digest of the chain up to this row.
    pub digest: Vec<u8>,
}

/// Selects rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only acts of this person.
    pub person: Option<String>,
    /// Only acts on this run.
    pub run: Option<Uuid>,
    /// Only rows before this one.
    pub before: Option<i64>,
    /// The most rows.
    pub limit: i64,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// Every row is as it was written, and none is missing.
    Sound {
        /// How many rows there are.
        rows: i64,
        /// The digest of the last one: written down elsewhere, it shows later that the whole chain was not replaced.
        head: Link,
    },
    /// A row is not as it was written.
    Broken {
        /// The first such row.
        seq: i64,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl<'a> From<&'a str> for Author<'a> {
    /// Someone who acts without a key.
    fn from(person: &'a str) -> Self {
        Self { person, key: None, request: None }
    }
}

impl Row {
    fn content(&self) -> Content<'_> {
        Content {
            seq: self.seq,
            at: self.at,
            person: &self.person,
            key: self.key_id,
            act: &self.act,
            subject: &self.subject,
            run: self.run_id,
            product: self.product.as_deref(),
            before: self.before.as_deref(),
            after: self.after.as_deref(),
            reason: self.reason.as_deref(),
            request: self.request_id.as_deref(),
        }
    }
}

/// Appends an act to the log. Concurrent acts wait here for each other until they commit, so this is the last
/// statement of a transaction, or nearly.
///
/// # Errors
/// When the database does not answer.
pub async fn append(connection: &mut Connection, author: Author<'_>, act: Act<'_>) -> Result<()> {
    let head =
        sqlx::query!("select seq, digest from audit_head for update").fetch_one(&mut *connection).await?;
    let seq = head.seq + 1;
    let at = crate::store::now(connection).await?;
    let (before, after) = (act.before.map(|it| it.to_string()), act.after.map(|it| it.to_string()));
    let content = Content {
        seq,
        at,
        person: author.person,
        key: author.key,
        act: act.act,
        subject: act.subject,
        run: act.run,
        product: act.product,
        before: before.as_deref(),
        after: after.as_deref(),
        reason: act.reason,
        request: author.request,
    };
    let digest = content.link(&link(&head.digest));
    sqlx::query!(
        "with head as (update audit_head set seq = $1, digest = $13)
         insert into audit (seq, at, person, key_id, act, subject, run_id, product, before, after, reason,
                            request_id, digest)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9::text::json, $10::text::json, $11, $12, $13)",
        seq,
        at,
        author.person,
        author.key,
        act.act,
        act.subject,
        act.run,
        act.product,
        before,
        after,
        act.reason,
        author.request,
        &digest
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Rows of the log, newest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(pool: &Pool, filter: &Filter) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select seq, at, person, key_id, act, subject, run_id, product, before::text, after::text, reason,
                  request_id, digest
           from audit
           where ($1::text is null or person = $1) and ($2::uuid is null or run_id = $2)
             and ($3::bigint is null or seq < $3)
           order by seq desc limit $4"#,
        filter.person,
        filter.run,
        filter.before,
        filter.limit
    )
    .fetch_all(pool)
    .await
}

/// The newest acts on a run, oldest first, at most 200.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run: Uuid) -> Result<Vec<Row>> {
    let mut rows = sqlx::query_as!(
        Row,
        r#"select seq, at, person, key_id, act, subject, run_id, product, before::text, after::text, reason,
                  request_id, digest
           from audit where run_id = $1 order by seq desc limit 200"#,
        run
    )
    .fetch_all(pool)
    .await?;
    rows.reverse();
    Ok(rows)
}

/// Whether a row has this digest, in hexadecimal digits.
///
/// # Errors
/// When the database does not answer.
pub async fn has_digest(pool: &Pool, digest: &str) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from audit where encode(digest, 'hex') = lower($1)) as "has!""#,
        digest
    )
    .fetch_one(pool)
    .await
}

/// Follows the whole chain, as one snapshot shows it.
///
/// # Errors
/// When the database does not answer.
pub async fn verify(pool: &Pool) -> Result<Verification> {
    let mut tx = pool.begin_with("begin isolation level repeatable read read only").await?;
    let found = verify_in(&mut tx).await?;
    tx.rollback().await?;
    Ok(found)
}

/// Follows the whole chain as a transaction sees it.
///
/// # Errors
/// When the database does not answer.
pub async fn verify_in(connection: &mut Connection) -> Result<Verification> {
    let (mut last, mut chained) = (0, START);
    loop {
        let rows = after(connection, last).await?;
        for row in &rows {
            if row.seq != last + 1 {
                return Ok(Verification::Broken { seq: last + 1, why: "the row is missing" });
            }
            chained = row.content().link(&chained);
            if row.digest != chained {
                let why = "the row is not as it was written, or one before it was removed or put in";
                return Ok(Verification::Broken { seq: row.seq, why });
            }
            last = row.seq;
        }
        if rows.is_empty() {
            break;
        }
    }
    let head = sqlx::query!("select seq, digest from audit_head").fetch_optional(connection).await?;
    let end = head.map(|head| (head.seq, link(&head.digest)));
    Ok(match end {
        Some((seq, digest)) if seq == last && digest == chained => {
            Verification::Sound { rows: last, head: chained }
        }
        Some((seq, _)) if seq < last => {
            Verification::Broken { seq: seq + 1, why: "the row was put in after the end of the chain" }
        }
        Some((seq, _)) if seq == last => {
            Verification::Broken { seq, why: "the recorded end of the chain is another" }
        }
        _ => Verification::Broken { seq: last + 1, why: "the row is missing" },
    })
}

async fn after(connection: &mut Connection, seq: i64) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select seq, at, person, key_id, act, subject, run_id, product, before::text, after::text, reason,
                  request_id, digest
           from audit where seq > $1 order by seq limit $2"#,
        seq,
        PAGE
    )
    .fetch_all(connection)
    .await
}

/// A stored digest; one of another length matches no row.
fn link(digest: &[u8]) -> Link {
    digest.try_into().unwrap_or([0xff; 32])
}
