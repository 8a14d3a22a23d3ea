//! Runs together with their jobs, to explain why they do not move.

use std::collections::HashMap;

use uuid::Uuid;

use crate::{
    core::{
        hold::Hold,
        job::{Columns, JobState},
        why::{Breaker, Full, Job},
    },
    store::{
        Pool, Result, budget, job,
        job::unsigned,
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

/// How a run of a list stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The run.
    pub stored: StoredRun,
    /// Its job.
    pub job: Option<Job>,
    /// What its model calls cost, in micro-dollars.
    pub spent: i64,
}

/// How these runs stand, from one snapshot and with a statement for all of them, however many there are.
///
/// # Errors
/// When the database does not answer.
pub async fn of_all(pool: &Pool, ids: &[Uuid]) -> Result<HashMap<Uuid, Standing>> {
    let mut tx = pool.begin_with("begin isolation level repeatable read read only").await?;
    let runs = run::get_all(&mut *tx, ids).await?;
    let mut jobs: HashMap<Uuid, Job> = jobs(&mut *tx, ids).await?.into_iter().collect();
    let keys: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let spent = budget::spent_of_runs(&mut *tx, &keys).await?;
    tx.commit().await?;
    let standing = |stored: StoredRun| {
        let id = stored.spec.id;
        let spent = spent.get(&id.to_string()).copied().unwrap_or_default();
        (id, Standing { stored, job: jobs.remove(&id), spent })
    };
    Ok(runs.into_iter().map(standing).collect())
}

/// The jobs of these runs, and what may keep each from being claimed.
///
/// # Errors
/// When the database does not answer.
pub async fn jobs(executor: impl sqlx::PgExecutor<'_>, runs: &[Uuid]) -> Result<Vec<(Uuid, Job)>> {
    let rows = sqlx::query_file!("src/store/queue/job_standing.sql", runs).fetch_all(executor).await?;
    let jobs = rows.into_iter().map(|row| {
        (
            row.run_id,
            Job {
                queue: row.queue,
                visible_at: row.visible_at,
                attempts: unsigned(row.attempts),
                most: unsigned(row.max_attempts),
                last: row.worker.zip(row.began_at),
                state: JobState::of(
                    &Columns {
                        leased: row.leased,
                        visible_at: row.visible_at,
                        paused: row.paused,
                        lost: unsigned(row.lost),
                        snoozed: row.snoozed,
                    },
                    row.now,
                ),
                lost: unsigned(row.lost) + u32::from(row.leased && row.visible_at <= row.now),
                error: row.last_error,
                held_back: row.delayed_by.map(|key| (key, row.delayed_why)),
                outage: row.outage_error.map(|error| Breaker {
                    open: row.down_since.zip(row.next_probe_at).filter(|_| row.is_down),
                    error,
                }),
                beside: row.beside.zip(row.beside_since),
                full: row.full_key.map(|key| Full {
                    key,
                    held: unsigned(row.full_held.unwrap_or_default()),
                    most: unsigned(row.full_most.unwrap_or_default()),
                }),
                served: row.served,
                hold: row
                    .hold_scope
                    .zip(row.hold_reason)
                    .zip(row.held_by.zip(row.held_since))
                    .map(|((scope, reason), (by, since))| Hold { scope, reason, by, since }),
            },
        )
    });
    Ok(jobs.collect())
}
