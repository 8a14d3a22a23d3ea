//! Answers that move their runs, many in one commit.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::core::run::{Event, Run, State};
use crate::store::{
    Clock, Connection, Result, failpoint,
    job::{Lease, signed},
};

/// One answered attempt, and the run after it.
#[derive(Debug)]
pub struct Transition {
    /// The lease of the attempt.
    pub lease: Lease,
    /// The version of the run before the event.
    pub version: i32,
    /// The run after the event.
    pub run: Run,
    /// The event.
    pub event: Event,
    /// When it happened, by the database's clock.
    pub at: DateTime<Utc>,
    /// The next job; `None` when the run has ended.
    pub next: Option<Next>,
}

/// The next job of a run, which takes the row of the answered one.
#[derive(Debug)]
pub struct Next {
    /// The step.
    pub step: String,
    /// Its queue.
    pub queue: &'static str,
    /// The number of the job in its run.
    pub turn: u32,
    /// The most attempts.
    pub most: u32,
    /// Its keys.
    pub keys: Vec<String>,
    /// The lease token of the worker that continues with it; without one any worker may claim it.
    pub token: Option<Uuid>,
}

/// The result of recording a batch.
#[derive(Debug)]
pub struct RecordedBatch {
    /// The runs whose answers were recorded; of the others nothing has changed.
    pub runs: HashSet<Uuid>,
    /// The database's clock.
    pub clock: Clock,
}

/// Records a batch of answers in one statement and one commit, each fenced by its own lease, and notifies the
/// idle workers of the queues in `notified`.
///
/// # Errors
/// When the database does not answer; then either all of it was done or nothing.
pub async fn record(
    connection: &mut Connection,
    worker: &str,
    lease: Duration,
    batch: &[Transition],
    notified: &[String],
) -> Result<RecordedBatch> {
    failpoint::pass("finish.before")?;
    let columns = Columns::of(batch);
    let row = sqlx::query_file!(
        "src/store/history/transition.sql",
        &columns.job,
        &columns.token,
        &columns.run,
        &columns.version,
        &columns.state,
        &columns.status as &[&str],
        &columns.step as &[Option<&str>],
        &columns.ended_as as &[Option<&str>],
        &columns.pull as &[Option<i64>],
        &columns.kind as &[&str],
        &columns.body,
        &columns.at,
        &columns.attempt,
        &columns.began_at,
        &columns.came_from as &[&str],
        &columns.next_step as &[Option<&str>],
        &columns.next_queue as &[Option<&str>],
        &columns.next_turn as &[Option<i32>],
        &columns.next_most as &[Option<i32>],
        &columns.next_keys as &[Option<String>],
        &columns.next_token as &[Option<Uuid>],
        lease.as_secs_f64(),
        worker,
        notified
    )
    .fetch_one(connection)
    .await?;
    failpoint::pass("finish.after")?;
    Ok(RecordedBatch { runs: row.saved.unwrap_or_default().into_iter().collect(), clock: Clock::at(row.now) })
}

/// The parameters of the statement: a column each, an element an answer.
#[derive(Default)]
struct Columns<'a> {
    job: Vec<i64>,
    token: Vec<Uuid>,
    run: Vec<Uuid>,
    version: Vec<i32>,
    state: Vec<String>,
    status: Vec<&'a str>,
    step: Vec<Option<&'a str>>,
    ended_as: Vec<Option<&'a str>>,
    pull: Vec<Option<i64>>,
    kind: Vec<&'a str>,
    body: Vec<String>,
    at: Vec<DateTime<Utc>>,
    attempt: Vec<i32>,
    began_at: Vec<DateTime<Utc>>,
    came_from: Vec<&'a str>,
    next_step: Vec<Option<&'a str>>,
    next_queue: Vec<Option<&'a str>>,
    next_turn: Vec<Option<i32>>,
    next_most: Vec<Option<i32>>,
    next_keys: Vec<Option<String>>,
    next_token: Vec<Option<Uuid>>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a [Transition]) -> Self {
        let mut ordered: Vec<&Transition> = batch.iter().collect();
        // Statements that change several jobs do so in the order of their ids, so that they never deadlock.
        ordered.sort_by_key(|transition| transition.lease.job);
        let mut columns = Self::default();
        for transition in ordered {
            columns.add_run(transition);
            columns.add_event(transition);
            columns.add_next(transition.next.as_ref());
        }
        columns
    }

    fn add_run(&mut self, Transition { lease, version, run, .. }: &'a Transition) {
        self.job.push(lease.job);
        self.token.push(lease.token);
        self.run.push(lease.run);
        self.version.push(*version);
        self.state.push(json(run));
        self.status.push(run.state.as_str());
        self.step.push(run.step());
        self.ended_as.push(match &run.state {
            State::Ended { end, .. } => Some(end.as_str()),
            State::At { .. } | State::Waiting { .. } | State::Paused { .. } => None,
        });
        self.pull.push(run.progress.pull.and_then(|number| i64::try_from(number).ok()));
    }

    fn add_event(&mut self, Transition { lease, event, at, .. }: &'a Transition) {
        self.kind.push(event.as_str());
        self.body.push(json(event));
        self.at.push(*at);
        self.attempt.push(signed(lease.attempt));
        self.began_at.push(lease.began_at);
        self.came_from.push(&lease.step);
    }

    fn add_next(&mut self, next: Option<&'a Next>) {
        self.next_step.push(next.map(|next| next.step.as_str()));
        self.next_queue.push(next.map(|next| next.queue));
        self.next_turn.push(next.map(|next| signed(next.turn)));
        self.next_most.push(next.map(|next| signed(next.most)));
        self.next_keys.push(next.map(|next| next.keys.join("\n")));
        self.next_token.push(next.and_then(|next| next.token));
    }
}

/// Our own types always serialize: JSON only refuses maps whose keys are not texts.
fn json(document: &impl serde::Serialize) -> String {
    serde_json::to_string(document).unwrap_or_else(|error| unreachable!("a document of ours: {error}"))
}
