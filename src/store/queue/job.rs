//! The job table: who does what next, and who holds it.
//!
//! A lease is a random token and an end. Nobody is asked whether a worker lives: a job whose
//! `visible_at` has passed is claimable by the same statement as a new one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::Connection as _;
use uuid::Uuid;

use crate::core::{
    run::Action,
    subject::Subject,
    why::{Full, Job},
    workflow::Queue,
};
use crate::store::{
    Clock, Connection, Pool, Result, failpoint,
    run::{RunSpec, StoredRun},
};

/// A worker's hold on a job for one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: i64,
    /// What proves the hold.
    pub token: Uuid,
    /// The run that asked.
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
    /// The keys under which it is held.
    pub keys: Vec<String>,
    /// One of them has a limit, so that others may wait for it.
    pub guarded: bool,
    /// When the attempt began, by the database's clock.
    pub began_at: DateTime<Utc>,
    /// How long a claim or a renewal holds.
    pub lasts: Duration,
}

/// A claimed job with the run that asked for it.
#[derive(Debug)]
pub struct Claim {
    /// The hold.
    pub lease: Lease,
    /// The run as it stood when the job was claimed; else why this release cannot read it.
    pub run: std::result::Result<StoredRun, String>,
}

/// What a claim brought.
#[derive(Debug)]
pub struct ClaimBatch {
    /// The jobs, first those whose turn it was first.
    pub claims: Vec<Claim>,
    /// The queues in which several products had due jobs.
    pub shared: Vec<String>,
    /// Jobs with limited keys are due: the next claim must be a guarded one to hand them out.
    pub guarded_due: bool,
    /// The database's clock.
    pub clock: Clock,
}

/// How a worker asks for jobs.
#[derive(Debug, Clone, Copy)]
pub struct ClaimRequest<'a> {
    /// Who asks.
    pub worker: &'a str,
    /// How long a hold lasts without a renewal.
    pub lease: Duration,
    /// The worker does no job now that has lost two workers, and may get one.
    pub suspects: bool,
    /// Jobs with limited keys may be handed out; such claims take turns, all over the factory.
    pub guarded: bool,
}

impl Lease {
    /// All attempts were used up by workers that died in them.
    #[must_use]
    pub const fn is_spent(&self) -> bool {
        self.attempt > self.most
    }

    /// The job may be what killed its workers: no other such job should run beside it.
    #[must_use]
    pub const fn is_suspect(&self) -> bool {
        self.lost > 1
    }
}

/// A job to be queued.
#[derive(Debug)]
pub struct New<'a> {
    /// The run that asks.
    pub run: Uuid,
    /// Whose share of the queue it uses.
    pub product: &'a str,
    /// 1 (first) to 5 (last).
    pub priority: i16,
    /// The keys under which it will be held; a merge's key comes first.
    pub keys: &'a [String],
}

/// Puts the job of an [`Action::Enqueue`] into its queue; other actions are not jobs and do nothing.
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

/// Claims due jobs into the room of each queue, each with a fresh token and one more attempt.
///
/// In the same statement earlier attempts that never ended are marked as lost, and news that came
/// before now are taken: the attempt reads the world afresh.
///
/// # Errors
/// When the database does not answer; nothing is claimed then.
pub async fn claim(
    connection: &mut Connection,
    room: &[(Queue, usize)],
    request: ClaimRequest<'_>,
) -> Result<ClaimBatch> {
    let taken = if request.guarded {
        // Counting what a key holds is only true while nobody else claims under it: the lock comes in a
        // statement of its own, so that the claim sees all that was claimed before.
        let mut tx = connection.begin().await?;
        sqlx::query!("select pg_advisory_xact_lock(hashtextextended('aspora.claim', 0))")
            .execute(&mut *tx)
            .await?;
        let taken = claim_in(&mut tx, room, request).await?;
        tx.commit().await?;
        taken
    } else {
        claim_in(connection, room, request).await?
    };
    failpoint::pass("claim.after")?;
    Ok(taken)
}

async fn claim_in(
    connection: &mut Connection,
    room: &[(Queue, usize)],
    request: ClaimRequest<'_>,
) -> Result<ClaimBatch> {
    failpoint::pass("claim.before")?;
    let queues: Vec<String> = room.iter().map(|(queue, _)| queue.as_str().to_owned()).collect();
    let rooms: Vec<i64> = room.iter().map(|(_, slots)| i64::try_from(*slots).unwrap_or(i64::MAX)).collect();
    let rows = sqlx::query_file_as!(
        Claimed,
        "src/store/queue/job_claim.sql",
        &queues,
        &rooms,
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

/// What a worker must know from time to time.
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
}

/// Looks, in one statement, for anything that is due.
///
/// # Errors
/// When the database does not answer.
pub async fn due_work(pool: &Pool, queues: &[Queue]) -> Result<DueWork> {
    let queues: Vec<String> = queues.iter().map(|queue| queue.as_str().to_owned()).collect();
    sqlx::query_file_as!(DueWork, "src/store/queue/job_look.sql", &queues).fetch_one(pool).await
}

/// Prolongs the leases that are still held and tells the tokens of those. Jobs should come in the order of
/// their numbers, so that two who change several never wait for each other.
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

/// Ends the job if the lease still holds it; false means that the caller is too late.
///
/// # Errors
/// When the database does not answer.
pub async fn finish(connection: &mut Connection, lease: &Lease) -> Result<bool> {
    let done = sqlx::query!("delete from job where id = $1 and lease_token = $2", lease.job, lease.token)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a failed job up until a random moment between `least` and `ceiling` from now, and tells when
/// that is; `None` means that the caller is too late.
///
/// # Errors
/// When the database does not answer.
pub async fn put_off(
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

/// Gives a job back at once because its worker shuts down; the attempt does not count against it.
///
/// # Errors
/// When the database does not answer; the lease then runs out by itself.
pub async fn give_back(pool: &Pool, lease: &Lease) -> Result<bool> {
    let queue = lease.queue.as_str();
    let done = sqlx::query_file!("src/store/queue/job_give_back.sql", lease.job, lease.token, queue)
        .fetch_optional(pool)
        .await?;
    Ok(done.is_some())
}

/// Puts a job off for `wait` and a drawn part of `jitter` because the limit `by` holds its call back; the
/// attempt does not count. False means that the caller is too late.
///
/// # Errors
/// When the database does not answer; the lease then runs out by itself.
pub async fn delay(pool: &Pool, lease: &Lease, wait: Duration, jitter: Duration, by: &str) -> Result<bool> {
    let done = sqlx::query_file!(
        "src/store/queue/job_delay.sql",
        lease.job,
        lease.token,
        wait.as_secs_f64(),
        jitter.as_secs_f64(),
        by
    )
    .fetch_optional(pool)
    .await?;
    Ok(done.is_some())
}

/// Leaves a job alone for `rest`, as if it had not been claimed: this release cannot do it, another may.
///
/// # Errors
/// When the database does not answer; the lease then runs out by itself.
pub async fn leave(pool: &Pool, lease: &Lease, rest: Duration) -> Result<bool> {
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

/// How the job of a run stands, and whatever may keep it from being claimed.
///
/// # Errors
/// When the database does not answer.
pub async fn standing(executor: impl sqlx::PgExecutor<'_>, run_id: Uuid) -> Result<Option<Job>> {
    let row = sqlx::query_file!("src/store/queue/job_standing.sql", run_id).fetch_optional(executor).await?;
    Ok(row.map(|row| Job {
        queue: row.queue,
        visible_at: row.visible_at,
        attempts: unsigned(row.attempts),
        most: unsigned(row.max_attempts),
        last: row.worker.zip(row.began_at),
        held: row.held,
        expired: row.expired,
        lost: unsigned(row.lost),
        error: row.last_error,
        held_back: row.delayed_by.map(|key| (key, row.delayed_why)),
        full: row.full_key.map(|key| Full {
            key,
            held: unsigned(row.full_held.unwrap_or_default()),
            most: unsigned(row.full_most.unwrap_or_default()),
        }),
        served: row.served,
    }))
}

struct Claimed {
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

impl Claimed {
    /// `None` for the row that stands for "nothing".
    fn claim(self, lasts: Duration) -> Option<Claim> {
        let lease = Lease {
            job: self.id?,
            token: self.token?,
            run: self.run_id?,
            queue: self.queue.as_deref()?.parse().ok()?,
            step: self.step.clone()?,
            turn: unsigned(self.turn?),
            attempt: unsigned(self.attempts?),
            most: unsigned(self.max_attempts?),
            lost: unsigned(self.lost?),
            keys: self.keys.clone()?,
            guarded: self.guarded?,
            began_at: self.began_at?,
            lasts,
        };
        let run = self.stored(lease.run);
        Some(Claim { lease, run })
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

/// Counters are small; one that is not is shown as the largest there is.
pub(in crate::store) fn signed(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn unsigned(count: i32) -> u32 {
    u32::try_from(count).unwrap_or(0)
}
