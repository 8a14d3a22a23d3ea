//! The fast path of an answer: many answers in one commit.
//!
//! Most answers find their run as their worker left it. The worker itself folds those into the run, and they
//! are recorded in batches: whatever arrives while one batch is being written makes the next. An answer that no
//! longer fits (its run was paused, its lease was lost) drops out of its batch alone and takes the slow path,
//! [`Engine::answer`], which reads the run again.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

use super::{Answer, Engine, Error, without_nul};
use crate::{
    core::{
        run::{Action, Event},
        workflow::Queue,
    },
    store::{
        self, Clock, PoolConn,
        blob::INLINE,
        job::Lease,
        run::StoredRun,
        transition::{self, Next, Transition},
    },
};

/// How a worker batches its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// The most answers in one commit; with 1, each is committed alone.
    pub size: usize,
    /// The most commits at once.
    pub concurrency: usize,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { size: 256, concurrency: 2 }
    }
}

/// Which worker does the next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handoff {
    /// This worker continues with it at once, under a new lease.
    Continue,
    /// Any worker; this one serves the queue and is about to claim, so no notification is needed.
    Release,
    /// Any worker; idle workers are notified.
    Notify,
}

/// An answer, folded into its run and ready to be recorded.
#[derive(Debug)]
pub struct Pending {
    transition: Transition,
    before: StoredRun,
    next_queue: Option<Queue>,
}

/// The next step of a run, of which this worker has the lease.
#[derive(Debug)]
pub struct NextStep {
    /// The new lease.
    pub lease: Lease,
    /// The run after the answer.
    pub stored: StoredRun,
    /// The database's clock.
    pub clock: Clock,
}

/// The result of recording a pending answer.
#[derive(Debug)]
pub enum Recorded {
    /// The answer is in the history. The next step, if any, is for any worker.
    Committed,
    /// The answer is in the history, and this worker continues.
    Continued(Box<NextStep>),
    /// Nothing has changed: use the slow path.
    NotRecorded,
}

/// Records the pending answers of a worker in batches.
#[derive(Debug, Clone)]
pub struct GroupCommit {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
struct Request {
    pending: Pending,
    notify: bool,
    reply: oneshot::Sender<Recorded>,
}

impl Engine {
    /// Folds an answer into the run as it was when the attempt began. `None` if more follows than a job or an
    /// end, so that the answer must take the slow path.
    ///
    /// # Errors
    /// [`Error::Refused`] when the graph has no edge for the answer, [`Error::Workflow`] when this release
    /// cannot read the graph.
    pub async fn prepare(
        &self,
        lease: &Lease,
        before: &StoredRun,
        clock: &Clock,
        answer: Answer,
    ) -> Result<Option<Pending>, Error> {
        // What an outage held goes on with an event of its own.
        if !before.run.held.is_empty() {
            return Ok(None);
        }
        let Answer { outcome, note, progress } = answer;
        let event = Event::Answered { turn: lease.turn, outcome, note: without_nul(&note), progress };
        let workflow = self.workflow(&before.spec.workflow_hash).await?;
        let at = clock.now();
        let (run, actions) = before.run.apply(&workflow, &event, at)?;
        let (next, next_queue) = match actions.as_slice() {
            [Action::Finish(_)] => (None, None),
            [Action::Enqueue { step, queue, turn, attempts }] => {
                let keys = self.keys(&before.spec, &workflow, step);
                let (step, turn, most) = (step.clone(), *turn, *attempts);
                (Some(Next { step, queue: queue.as_str(), turn, most, keys, token: None }), Some(*queue))
            }
            _ => return Ok(None),
        };
        if !fits_inline(&event) {
            return Ok(None);
        }
        let (lease, before) = (lease.clone(), before.clone());
        let transition = Transition { lease, version: before.version, run, event, at, next };
        Ok(Some(Pending { transition, before, next_queue }))
    }
}

/// A longer note is stored as a blob, which only the slow path does.
fn fits_inline(event: &Event) -> bool {
    !matches!(event, Event::Answered { note, .. } if note.len() > INLINE)
}

impl Pending {
    /// The queue of the next step, if there is a next step.
    #[must_use]
    pub const fn next_queue(&self) -> Option<Queue> {
        self.next_queue
    }

    /// Whether this worker may continue with the next step: it has the same queue and keys.
    #[must_use]
    pub fn can_continue(&self) -> bool {
        let lease = &self.transition.lease;
        self.next_queue == Some(lease.queue)
            && self.transition.next.as_ref().is_some_and(|next| next.keys == lease.keys)
    }

    /// What a committed answer comes to: the next step, if it got a token.
    fn committed(self, clock: Clock) -> Recorded {
        let Transition { lease, version, run, at, next, .. } = self.transition;
        let Some((next, token)) = next.and_then(|next| next.token.map(|token| (next, token))) else {
            return Recorded::Committed;
        };
        let lease = Lease {
            token,
            step: next.step,
            turn: next.turn,
            attempt: 1,
            most: next.most,
            lost: 0,
            began_at: at,
            ..lease
        };
        let stored = StoredRun { version: version + 1, run, updated_at: at, now: clock.now(), ..self.before };
        Recorded::Continued(Box::new(NextStep { lease, stored, clock }))
    }
}

impl GroupCommit {
    /// Records pending answers for `worker` until the last handle is dropped.
    #[must_use]
    pub fn open(engine: &Engine, worker: &Arc<str>, lease: Duration, limits: BatchLimits) -> Self {
        let size = limits.size.max(1);
        let (requests, receiver) = mpsc::channel(size * 2);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..limits.concurrency.max(1) {
            let (engine, worker) = (engine.clone(), Arc::clone(worker));
            let completer = BatchCompleter { engine, worker, lease, size, conn: None };
            tokio::spawn(completer.run(Arc::clone(&receiver)));
        }
        Self { requests }
    }

    /// Records a pending answer with others that arrive at the same time.
    pub async fn record(&self, mut pending: Pending, handoff: Handoff) -> Recorded {
        if let (Handoff::Continue, Some(next)) = (handoff, pending.transition.next.as_mut()) {
            next.token = Some(Uuid::new_v4());
        }
        let (reply, recorded) = oneshot::channel();
        let request = Request { pending, notify: handoff == Handoff::Notify, reply };
        if self.requests.send(request).await.is_err() {
            return Recorded::NotRecorded;
        }
        recorded.await.unwrap_or(Recorded::NotRecorded)
    }
}

/// Writes batches, one after the other.
struct BatchCompleter {
    engine: Engine,
    worker: Arc<str>,
    lease: Duration,
    size: usize,
    /// Its connection, kept between batches: the pool would ping it each time.
    conn: Option<PoolConn>,
}

impl BatchCompleter {
    async fn run(mut self, receiver: Arc<Mutex<mpsc::Receiver<Request>>>) {
        let mut requests = Vec::with_capacity(self.size);
        loop {
            if receiver.lock().await.recv_many(&mut requests, self.size).await == 0 {
                return;
            }
            self.complete(requests.drain(..)).await;
        }
    }

    async fn complete(&mut self, requests: impl Iterator<Item = Request>) {
        let (mut batch, mut rest, mut notified) = (Vec::new(), Vec::new(), Vec::new());
        for Request { pending: Pending { transition, before, next_queue }, notify, reply } in requests {
            if let (true, Some(queue)) = (notify, next_queue) {
                notified.push(queue.as_str().to_owned());
            }
            // Other jobs may wait for a key of this one.
            if transition.lease.guarded {
                notified.extend(Queue::ALL.map(|queue| queue.as_str().to_owned()));
            }
            batch.push(transition);
            rest.push((before, next_queue, reply));
        }
        notified.sort_unstable();
        notified.dedup();
        match self.record(&batch, &notified).await {
            Ok(recorded) => {
                for (transition, (before, next_queue, reply)) in batch.into_iter().zip(rest) {
                    let is_recorded = recorded.runs.contains(&transition.lease.run);
                    let pending = Pending { transition, before, next_queue };
                    let result =
                        if is_recorded { pending.committed(recorded.clock) } else { Recorded::NotRecorded };
                    let _ = reply.send(result);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "{} answers were not recorded together: {error}", batch.len());
                rest.into_iter().for_each(|(.., reply)| drop(reply.send(Recorded::NotRecorded)));
            }
        }
    }

    async fn record(
        &mut self,
        batch: &[Transition],
        notified: &[String],
    ) -> store::Result<transition::RecordedBatch> {
        let mut conn = match self.conn.take() {
            Some(conn) => Some(conn),
            None => Some(self.engine.pool().acquire().await?),
        };
        let record = async |conn: &mut store::Connection| {
            transition::record(conn, &self.worker, self.lease, batch, notified).await
        };
        let recorded = store::with_timeout(self.lease * 2, &mut conn, record).await?;
        self.conn = conn;
        Ok(recorded)
    }
}
