//! The job table: a row for each run that needs an attempt, and the lease of the worker that has it.
//!
//! A lease is a random token and an end (`visible_at`). No process watches the workers: a job whose lease has
//! run out is claimed by the same statement as a new one. The states of a job are those of [`crate::core::job::JobState`].

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Connection as _;
use uuid::Uuid;

use crate::core::{run::Action, subject::Subject, why::Job, workflow::Queue};
use crate::store::{
    Clock, Connection, Pool, Result, failpoint,
    run::{RunSpec, StoredRun},
};

/// The right of one worker to make one attempt at a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: i64,
    /// Proves that the lease is the current one.
    pub token: Uuid,
    /// The run of the job.
    pub run: Uuid,
    /// The queue it came from.
    pub queue: Queue,
    /// The step to be done.
    pub step: String,
    /// The number of the job in its run.
    pub turn: u32,
    /// This attempt's number, from 1.
    pub attempt: u32,
    /// The most attempts.
    pub most: u32,
    /// How many attempts in a row were lost with their worker before this one.
    pub lost: u32,
    /// The keys of the job, each of which may have a limit.
    pub keys: Vec<String>,
    /// One of them has a limit, so that other jobs may wait for this one.
    pub guarded: bool,
    /// When the attempt began, by the database's clock.
    pub began_at: DateTime<Utc>,
    /// How long the lease lasts after the claim or a renewal.
    pub lasts: Duration,
}

/// A claimed job and its run.
#[derive(Debug)]
pub struct Claim {
    /// The lease.
    pub lease: Lease,
    /// The run at the time of the claim; else why this release cannot read it.
    pub stored: std::result::Result<StoredRun, String>,
}

/// The result of a claim.
#[derive(Debug)]
pub struct ClaimBatch {
    /// The claimed jobs, by rank.
    pub claims: Vec<Claim>,
    /// The queues in which several products had due jobs.
    pub shared: Vec<String>,
    /// Jobs with limited keys are due: only a guarded claim takes them.
    pub guarded_due: bool,
    /// The database's clock.
    pub clock: Clock,
}

/// What a worker claims.
#[derive(Debug, Clone, Copy)]
pub struct ClaimRequest<'a> {
    /// The worker's name.
    pub worker: &'a str,
    /// How long a lease lasts without a renewal.
    pub lease: Duration,
    /// May include a suspect: the worker does none now.
    pub suspects: bool,
    /// May include jobs with limited keys. Such claims of all workers take turns under a lock.
    pub guarded: bool,
}

impl Lease {
    /// Every attempt was used up by workers that were lost.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.attempt > self.most
    }

    /// The job lost two workers in a row and may be what they crashed on: a worker does one such job at a time.
    #[must_use]
    pub const fn is_suspect(&self) -> bool {
        self.lost > 1
    }
}

/// A job to enqueue.
#[derive(Debug)]
pub struct New<'a> {
    /// The run.
    pub run: Uuid,
    /// The product whose share of the queue it uses.
    pub product: &'a str,
    /// 1 (first) to 5 (last).
    pub priority: i16,
    /// Its keys; a merge's key comes first.
    pub keys: &'a [String],
}

/// Inserts the job of an [`Action::Enqueue`]; does nothing for any other action.
///
/// # Errors
/// A unique violation when the run has a job already.
pub async fn enqueue(connection: &mut Connection, new: &New<'_>, action: &Action) -> Result<()> {
    let Action::Enqueue { step, queue, turn, attempts } = action else { return Ok(()) };
    sqlx::query!(
        "insert into job (run_id, step, turn, queue, priority, max_attempts, product, keys, rank, guarded)
         values ($1, $2, $3, $4, $5, $6, $7, $8, now() + ($5::smallint - 1) * interval '5 minutes',
                 coalesce(($8::text[])[1] like 'merge:%', false)
                 or $8 && (select coalesce(array_agg(key), '{}') from key_limit))",
        new.run,
        step,
        signed(*turn),
        queue.as_str(),
        new.priority,
        signed(*attempts),
        new.product,
        new.keys
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Claims due jobs for the free slots of each queue, each with a new token and one more attempt.
///
/// The same statement records attempts whose lease ran out as lost, and takes the signals that have arrived:
/// the attempt reads what they were about anyway.
///
/// # Errors
/// When the database does not answer; nothing is claimed then.
pub async fn claim(
    connection: &mut Connection,
    free: &[(Queue, usize)],
    request: ClaimRequest<'_>,
) -> Result<ClaimBatch> {
    let batch = if request.guarded {
        // The count of a key is only right while no other claim adds to it. The lock is a statement of its own,
        // so that the claim sees everything that was claimed before.
        let mut tx = connection.begin().await?;
        sqlx::query!("select pg_advisory_xact_lock(hashtextextended('aspora.claim', 0))")
            .execute(&mut *tx)
            .await?;
        let batch = claim_in(&mut tx, free, request).await?;
        tx.commit().await?;
        batch
    } else {
        claim_in(connection, free, request).await?
    };
    failpoint::pass("claim.after")?;
    Ok(batch)
}

async fn claim_in(
    connection: &mut Connection,
    free: &[(Queue, usize)],
    request: ClaimRequest<'_>,
) -> Result<ClaimBatch> {
    failpoint::pass("claim.before")?;
    let queues: Vec<String> = free.iter().map(|(queue, _)| queue.as_str().to_owned()).collect();
    let slots: Vec<i64> = free.iter().map(|(_, slots)| i64::try_from(*slots).unwrap_or(i64::MAX)).collect();
    let rows = sqlx::query_file_as!(
        ClaimRow,
        "src/store/queue/job_claim.sql",
        &queues,
        &slots,
        request.lease.as_secs_f64(),
        request.worker,
        request.suspects,
        request.guarded
    )
    .fetch_all(connection)
    .await?;
    let Some(first) = rows.first() else { return Err(crate::store::Error::RowNotFound) };
    let (shared, guarded_due, clock) = (first.shared.clone(), first.guarded_due, Clock::at(first.now));
    let claims = rows.into_iter().filter_map(|row| row.claim(request.lease)).collect();
    Ok(ClaimBatch { claims, shared, guarded_due, clock })
}

/// What is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueWork {
    /// The queues that have due jobs.
    pub queues: Vec<String>,
    /// The queues in which several products have jobs.
    pub shared: Vec<String>,
    /// A timer is due.
    pub timers: bool,
    /// A schedule is due.
    pub ticks: bool,
    /// The last word of an ended run is due.
    pub epilogues: bool,
    /// A run may give a notice, or a delivery is due.
    pub notices: bool,
    /// A look at the conversation of a pull request is due.
    pub conversations: bool,
    /// A look at a harness gap is due.
    pub gaps: bool,
    /// It has to be found out what a deployment contains.
    pub deployments: bool,
    /// The base's own checks are to be looked at after a merge.
    pub watches: bool,
    /// Runs are to be counted.
    pub measures: bool,
}

/// Reads, in one statement, what is due.
///
/// # Errors
/// When the database does not answer.
pub async fn due_work(pool: &Pool, queues: &[Queue]) -> Result<DueWork> {
    let queues: Vec<String> = queues.iter().map(|queue| queue.as_str().to_owned()).collect();
    sqlx::query_file_as!(DueWork, "src/store/queue/job_due_work.sql", &queues).fetch_one(pool).await
}

/// Renews the leases that are still current and returns their tokens. Pass jobs in the order of their ids, so
/// that two statements that change several never deadlock.
///
/// # Errors
/// When the database does not answer; every lease is then as it was.
pub async fn renew(
    executor: impl sqlx::PgExecutor<'_>,
    jobs: &[i64],
    tokens: &[Uuid],
    lease: Duration,
) -> Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"update job set visible_at = now() + make_interval(secs => $3)
         from unnest($1::bigint[], $2::uuid[]) as held (id, token)
         where job.id = held.id and job.lease_token = held.token
         returning held.token as "token!""#,
        jobs,
        tokens,
        lease.as_secs_f64()
    )
    .fetch_all(executor)
    .await
}

/// Deletes the job if the lease is still current; false means that the caller has lost it.
///
/// # Errors
/// When the database does not answer.
pub async fn finish(connection: &mut Connection, lease: &Lease) -> Result<bool> {
    let done = sqlx::query!("delete from job where id = $1 and lease_token = $2", lease.job, lease.token)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends a failed attempt and schedules the next one for a random time between `least` and `ceiling` from now,
/// which is returned; `None` means that the caller has lost the lease.
///
/// # Errors
/// When the database does not answer.
pub async fn schedule_retry(
    connection: &mut Connection,
    lease: &Lease,
    least: Duration,
    ceiling: Duration,
) -> Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        "update job
         set lease_token = null, lost = 0,
             visible_at = clock_timestamp()
                        + make_interval(secs => $3 + random() * greatest($4::float8 - $3::float8, 0))
         where id = $1 and lease_token = $2
         returning visible_at",
        lease.job,
        lease.token,
        least.as_secs_f64(),
        ceiling.as_secs_f64()
    )
    .fetch_optional(connection)
    .await
}

/// Releases a job because its worker shuts down: it is available at once, and the attempt does not count.
///
/// # Errors
/// When the database does not answer; the lease then runs out by itself.
pub async fn release(pool: &Pool, lease: &Lease) -> Result<bool> {
    let queue = lease.queue.as_str();
    let done = sqlx::query_file!("src/store/queue/job_release.sql", lease.job, lease.token, queue)
        .fetch_optional(pool)
        .await?;
    Ok(done.is_some())
}

/// Snoozes a job for `wait` and a random part of `jitter`, because the rate limit or the provider `by` held a call back, and so
/// did `beside`, the fallback of a model. The attempt does not count. False means that the caller has lost the lease.
///
/// # Errors
/// When the database does not answer; the lease then runs out by itself.
pub async fn snooze(
    executor: impl sqlx::PgExecutor<'_>,
    lease: &Lease,
    wait: Duration,
    jitter: Duration,
    by: &str,
    beside: Option<&str>,
) -> Result<bool> {
    let done = sqlx::query_file!(
        "src/store/queue/job_snooze.sql",
        lease.job,
        lease.token,
        wait.as_secs_f64(),
        jitter.as_secs_f64(),
        by,
        beside
    )
    .fetch_optional(executor)
    .await?;
    Ok(done.is_some())
}

/// Gives the attempt of a job that was just snoozed its number for good, and the job one more: it made a call that may
/// have been paid, which the next attempt must not be mistaken for.
///
/// # Errors
/// When the database does not answer.
pub async fn keep_number(connection: &mut Connection, lease: &Lease) -> Result<()> {
    sqlx::query!(
        "update job set attempts = attempts + 1, max_attempts = max_attempts + 1, delayed_tries = delayed_tries + 1
         where id = $1",
        lease.job
    )
    .execute(connection)
    .await
    .map(|_| ())
}

/// Undoes a claim and schedules the job after `rest`: this release cannot read its run, a newer one can.
///
/// # Errors
/// When the database does not answer; the lease then runs out by itself.
pub async fn unclaim(pool: &Pool, lease: &Lease, rest: Duration) -> Result<bool> {
    let done = sqlx::query!(
        "update job set lease_token = null, attempts = attempts - 1, lost = 0,
                        visible_at = now() + make_interval(secs => $3)
         where id = $1 and lease_token = $2",
        lease.job,
        lease.token,
        rest.as_secs_f64()
    )
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The job of a run, and what may keep it from being claimed.
///
/// # Errors
/// When the database does not answer.
pub async fn standing(executor: impl sqlx::PgExecutor<'_>, run_id: Uuid) -> Result<Option<Job>> {
    Ok(super::standing::jobs(executor, &[run_id]).await?.pop().map(|(_, job)| job))
}

/// A row of a claim: what is true of the whole batch, then a job, then its run. A claim of nothing has one row
/// without a job, and a run that was deleted by hand is missing; the left joins make all their columns optional.
struct ClaimRow {
    now: DateTime<Utc>,
    guarded_due: bool,
    shared: Vec<String>,
    id: Option<i64>,
    queue: Option<String>,
    run_id: Option<Uuid>,
    step: Option<String>,
    turn: Option<i32>,
    attempts: Option<i32>,
    max_attempts: Option<i32>,
    lost: Option<i32>,
    keys: Option<Vec<String>>,
    guarded: Option<bool>,
    token: Option<Uuid>,
    began_at: Option<DateTime<Utc>>,
    subject_kind: Option<String>,
    subject_id: Option<Uuid>,
    workflow_hash: Option<String>,
    product: Option<String>,
    repository: Option<String>,
    base_branch: Option<String>,
    branch: Option<String>,
    parent: Option<Uuid>,
    version: Option<i32>,
    state: Option<String>,
    priority: Option<i16>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

impl ClaimRow {
    /// `None` for the row without a job.
    fn claim(mut self, lasts: Duration) -> Option<Claim> {
        let lease = Lease {
            job: self.id?,
            token: self.token?,
            run: self.run_id?,
            queue: self.queue.as_deref()?.parse().ok()?,
            step: self.step.take()?,
            turn: unsigned(self.turn?),
            attempt: unsigned(self.attempts?),
            most: unsigned(self.max_attempts?),
            lost: unsigned(self.lost?),
            keys: self.keys.take()?,
            guarded: self.guarded?,
            began_at: self.began_at?,
            lasts,
        };
        let stored = self.stored(lease.run);
        Some(Claim { lease, stored })
    }

    fn stored(self, id: Uuid) -> std::result::Result<StoredRun, String> {
        let gone = || format!("run {id} is gone");
        let state = self.state.ok_or_else(gone)?;
        let run =
            serde_json::from_str(&state).map_err(|error| format!("this release cannot read it: {error}"))?;
        let subject = Subject::new(&self.subject_kind.ok_or_else(gone)?, self.subject_id.ok_or_else(gone)?)
            .map_err(|unknown| unknown.to_string())?;
        let stored = || {
            let spec = RunSpec {
                id,
                subject,
                workflow_hash: self.workflow_hash?,
                product: self.product?,
                repository: self.repository?,
                base_branch: self.base_branch?,
                branch: self.branch?,
                parent: self.parent,
                priority: self.priority?,
            };
            let (version, created_at, updated_at) = (self.version?, self.created_at?, self.updated_at?);
            Some(StoredRun { spec, version, run, created_at, updated_at, now: self.now })
        };
        stored().ok_or_else(gone)
    }
}

/// Counters are small; a larger one is cut to the largest that the column takes.
pub(in crate::store) fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

pub(in crate::store) fn unsigned(count: i32) -> u32 {
    u32::try_from(count).unwrap_or(0)
}
