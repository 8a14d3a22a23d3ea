//! A run together with its job, to explain why it does not move.

use uuid::Uuid;

use crate::{
    core::why::Job,
    store::{
        Pool, Result, job,
        run::{self, StoredRun},
    },
};

/// A run and its job, from one snapshot.
///
/// # Errors
/// When the database does not answer.
pub async fn with_job(pool: &Pool, id: Uuid) -> Result<Option<(StoredRun, Option<Job>)>> {
    let mut tx = pool.begin_with("begin isolation level repeatable read read only").await?;
    let Some(stored) = run::get(&mut *tx, id).await? else { return Ok(None) };
    let job = job::standing(&mut *tx, id).await?;
    tx.commit().await?;
    Ok(Some((stored, job)))
}
