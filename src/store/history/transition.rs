//! Answers that move runs on, many in one commit.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::core::run::{Event, Run, State};
use crate::store::{
    Clock, Connection, Result, failpoint,
    job::{Lease, signed},
};

/// One answered attempt and what it makes of its run.
#[derive(Debug)]
pub struct Transition {
    /// The attempt.
    pub lease: Lease,
    /// How many events the history had before.
    pub version: i32,
    /// The run after the event.
    pub run: Run,
    /// The event.
    pub event: Event,
    /// When it happened, by the database's clock.
    pub at: DateTime<Utc>,
    /// The job that follows; `None` when the run is over.
    pub next: Option<Next>,
}

/// The job that follows in the place of an answered one.
#[derive(Debug)]
pub struct Next {
    /// The step.
    pub step: String,
    /// Its queue's word.
    pub queue: &'static str,
    /// The number of the job in its run.
    pub turn: u32,
    /// The most attempts.
    pub most: u32,
    /// The keys under which it will be held.
    pub keys: Vec<String>,
    /// The lease of the worker that goes on with it; without one it is anybody's.
    pub token: Option<Uuid>,
}

/// What came of a group.
#[derive(Debug)]
pub struct Recorded {
    /// The runs that have moved; of the others nothing has changed.
    pub moved: HashSet<Uuid>,
    /// The database's clock.
    pub clock: Clock,
}

/// Records a group of answers in one statement and one commit, each fenced by its own lease. Workers that
/// listen for a queue in `tell` are woken.
///
/// # Errors
/// When the database does not answer; then all of it or nothing has happened.
pub async fn record(
    connection: &mut Connection,
    worker: &str,
    lease: Duration,
    group: &[Transition],
    tell: &[String],
) -> Result<Recorded> {
    failpoint::pass("finish.before")?;
    let lines = Lines::of(group);
    let row = sqlx::query_file!(
        "src/store/history/transition.sql",
        &lines.job,
        &lines.token,
        &lines.run,
        &lines.version,
        &lines.state,
        &lines.status as &[&str],
        &lines.step as &[Option<&str>],
        &lines.ended_as as &[Option<&str>],
        &lines.pull as &[Option<i64>],
        &lines.kind as &[&str],
        &lines.body,
        &lines.at,
        &lines.attempt,
        &lines.began_at,
        &lines.came_from as &[&str],
        &lines.next_step as &[Option<&str>],
        &lines.next_queue as &[Option<&str>],
        &lines.next_turn as &[Option<i32>],
        &lines.next_most as &[Option<i32>],
        &lines.next_keys as &[Option<String>],
        &lines.next_token as &[Option<Uuid>],
        lease.as_secs_f64(),
        worker,
        tell
    )
    .fetch_one(connection)
    .await?;
    failpoint::pass("finish.after")?;
    Ok(Recorded { moved: row.saved.unwrap_or_default().into_iter().collect(), clock: Clock::at(row.now) })
}

/// The columns of the statement, a line an answer.
#[derive(Default)]
struct Lines<'a> {
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

impl<'a> Lines<'a> {
    fn of(group: &'a [Transition]) -> Self {
        let mut ordered: Vec<&Transition> = group.iter().collect();
        // Whoever changes several jobs does so in their order, so that no two wait for each other.
        ordered.sort_by_key(|transition| transition.lease.job);
        let mut lines = Self::default();
        for transition in ordered {
            lines.add_run(transition);
            lines.add_event(transition);
            lines.add_next(transition.next.as_ref());
        }
        lines
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

/// Our own documents: they have no key that is not a text, the only thing that JSON refuses.
fn json(document: &impl serde::Serialize) -> String {
    serde_json::to_string(document).unwrap_or_else(|error| unreachable!("a document of ours: {error}"))
}
