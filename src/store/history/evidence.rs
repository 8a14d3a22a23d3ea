//! Browser evidence of heads. Rows are appended, and the newest of a head counts; those of earlier runs on the same branch
//! count for a fork, as reviews do. Pictures are blobs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::{PgExecutor, types::Json};
use uuid::Uuid;

use crate::{
    core::{
        evidence::{Evidence, Manifest, Verified},
        sha::Sha,
    },
    store::{
        Connection, Pool, Result,
        audit::Author,
        blob::{self, Hash, Referrer},
    },
};

/// Evidence to be stored.
#[derive(Debug, Clone, Copy)]
pub struct New<'a> {
    /// The run.
    pub run: Uuid,
    /// The head that it is of.
    pub head: &'a Sha,
    /// What tells it from other evidence: SHA-256 in hexadecimal.
    pub digest: &'a str,
    /// The manifests.
    pub manifests: &'a [Manifest],
    /// What was found in it.
    pub found: &'a Evidence,
    /// The same under the policy of the base.
    pub verified: &'a Verified,
    /// The pictures by their hashes.
    pub pictures: &'a BTreeMap<Hash, &'a [u8]>,
    /// Who sent it.
    pub by: Author<'a>,
    /// When it came.
    pub arrived_at: DateTime<Utc>,
}

/// Stored evidence.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its number, in ascending order.
    pub id: i64,
    /// The run that it came for.
    pub run_id: Uuid,
    /// The head that it is of.
    pub head_sha: String,
    /// What tells it from other evidence.
    pub digest: String,
    /// `success` or `failure`, under the policy of the base when it came.
    pub conclusion: String,
    /// The manifests.
    pub manifests: Json<Vec<Manifest>>,
    /// What was found in it.
    pub found: Json<Evidence>,
    /// The same under the policy of the base.
    pub verified: Json<Verified>,
    /// Who sent it.
    pub person: String,
    /// When it came.
    pub arrived_at: DateTime<Utc>,
}

/// Stores evidence with its pictures; its number.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(connection: &mut Connection, new: &New<'_>) -> Result<i64> {
    for (hash, bytes) in new.pictures {
        blob::put(&mut *connection, new.run, Referrer::Evidence, hash, bytes).await?;
    }
    sqlx::query_scalar!(
        "insert into evidence (run_id, head_sha, digest, conclusion, manifests, found, verified, person, key_id, arrived_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning id",
        new.run,
        new.head.as_str(),
        new.digest,
        if new.verified.holds() { "success" } else { "failure" },
        Json(new.manifests) as _,
        Json(new.found) as _,
        Json(new.verified) as _,
        new.by.person,
        new.by.key,
        new.arrived_at
    )
    .fetch_one(connection)
    .await
}

/// The newest evidence of a head.
///
/// # Errors
/// When the database does not answer.
pub async fn newest(executor: impl PgExecutor<'_>, run_id: Uuid, head: &Sha) -> Result<Option<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id, run_id, head_sha, digest, conclusion, manifests as "manifests: _", found as "found: _",
                  verified as "verified: _", person, arrived_at
           from evidence where run_id = any(lineage($1)) and head_sha = $2 order by id desc limit 1"#,
        run_id,
        head.as_str()
    )
    .fetch_optional(executor)
    .await
}

/// The evidence of a run and of earlier runs on the same branch, newest first, at most 50.
///
/// # Errors
/// When the database does not answer.
pub async fn of_run(pool: &Pool, run_id: Uuid) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select id, run_id, head_sha, digest, conclusion, manifests as "manifests: _", found as "found: _",
                  verified as "verified: _", person, arrived_at
           from evidence where run_id = any(lineage($1)) order by id desc limit 50"#,
        run_id
    )
    .fetch_all(pool)
    .await
}

/// The newest evidence that held of other changes of a run's product that were merged into its base branch, newest first, at
/// most 10.
///
/// # Errors
/// When the database does not answer.
pub async fn of_base(pool: &Pool, run_id: Uuid) -> Result<Vec<Row>> {
    sqlx::query_as!(
        Row,
        r#"select e.id, e.run_id, e.head_sha, e.digest, e.conclusion, e.manifests as "manifests: _",
                  e.found as "found: _", e.verified as "verified: _", e.person, e.arrived_at
           from (select other.id, other.state->'progress'->>'head' as head
                 from run this join run other using (product, repository, base_branch)
                 where this.id = $1 and other.id <> all(lineage($1)) and other.ended_as = 'succeeded'
                   and other.created_at > this.created_at - interval '1 year'
                 order by other.ended_at desc limit 50) merged
           join lateral (select * from evidence e
                         where e.run_id = merged.id and e.head_sha = merged.head and e.conclusion = 'success'
                         order by e.id desc limit 1) e on true
           order by e.id desc limit 10"#,
        run_id
    )
    .fetch_all(pool)
    .await
}

/// A picture of the evidence of any run of this run's product.
///
/// # Errors
/// When the database does not answer.
pub async fn picture(pool: &Pool, run_id: Uuid, hash: &Hash) -> Result<Option<Vec<u8>>> {
    sqlx::query_scalar!(
        "select b.body from blob b
         where b.hash = $2 and exists (
             select from blob_use u join run other on other.id = u.run_id
             where u.hash = b.hash and u.place = 'evidence'
               and other.product = (select product from run where id = $1))",
        run_id,
        hash.as_slice()
    )
    .fetch_optional(pool)
    .await
}
