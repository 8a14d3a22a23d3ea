//! The short road of an answer: many in one commit.
//!
//! Most answers find their run as their worker left it. Those are folded by the worker itself and recorded
//! together: whatever comes while one group is being written makes the next. An answer that does not fit
//! any more (its run was paused, its lease was lost) falls out of its group alone and takes the long road,
//! [`Engine::answer`], which looks again.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

use super::{Answer, Engine, Error, storable};
use crate::{
    core::{
        run::{Action, Event},
        workflow::Queue,
    },
    store::{
        self, Clock, PoolConn,
        blob::INLINE,
        job::{Claim, Lease},
        run::StoredRun,
        transition::{self, Next, Transition},
    },
};

/// How a worker commits its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grouping {
    /// The most answers in one commit; with 1, each is committed alone.
    pub most: usize,
    /// How many commits may be under way at once.
    pub at_once: usize,
}

impl Default for Grouping {
    fn default() -> Self {
        Self { most: 256, at_once: 2 }
    }
}

/// Who does the step that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// This worker goes on with it at once, under a new lease.
    Keep,
    /// Anybody; this worker will look by itself.
    Leave,
    /// Anybody; workers that may be idle must be told.
    Tell,
}

/// An answer, folded and ready to be recorded.
#[derive(Debug)]
pub struct Pending {
    transition: Transition,
    before: StoredRun,
    queue: Option<Queue>,
}

/// What came of a pending.
#[derive(Debug)]
pub enum Recorded {
    /// It is in the history; somebody else goes on, or nobody has to.
    Over,
    /// It is in the history, and this worker holds the job that follows.
    Kept(Box<Claim>, Clock),
    /// Nothing has changed: take the long road.
    Alone,
}

/// Records the pending answers of a worker in groups.
#[derive(Debug, Clone)]
pub struct GroupCommit {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
struct Request {
    pending: Pending,
    tell: bool,
    reply: oneshot::Sender<Recorded>,
}

impl Engine {
    /// Folds an answer into the run that its attempt began with. `None` if what follows is more than a
    /// job or an end, so that it must take the long road.
    ///
    /// # Errors
    /// [`Error::Refused`] when the graph has no road for the answer, [`Error::Workflow`] when this release
    /// cannot read the graph.
    pub async fn prepare(
        &self,
        lease: &Lease,
        before: &StoredRun,
        clock: &Clock,
        answer: Answer,
    ) -> Result<Option<Pending>, Error> {
        let Answer { outcome, note, progress } = answer;
        let event = Event::Answered { turn: lease.turn, outcome, note: storable(&note), progress };
        let workflow = self.workflow(&before.spec.workflow_hash).await?;
        let at = clock.now();
        let (run, actions) = before.run.apply(&workflow, &event, at)?;
        let (next, queue) = match actions.as_slice() {
            [Action::Finish(_)] => (None, None),
            [Action::Enqueue { step, queue, turn, attempts }] => {
                let keys = self.keys(&before.spec, &workflow, step);
                let (step, turn, most) = (step.clone(), *turn, *attempts);
                (Some(Next { step, queue: queue.as_str(), turn, most, keys, token: None }), Some(*queue))
            }
            _ => return Ok(None),
        };
        if !event_fits(&event) {
            return Ok(None);
        }
        let (lease, before) = (lease.clone(), before.clone());
        let transition = Transition { lease, version: before.version, run, event, at, next };
        Ok(Some(Pending { transition, before, queue }))
    }
}

/// Longer words are kept apart from the history, which only the long road does.
fn event_fits(event: &Event) -> bool {
    !matches!(event, Event::Answered { note, .. } if note.len() > INLINE)
}

impl Pending {
    /// The queue of the step that follows, if one does.
    #[must_use]
    pub const fn queue(&self) -> Option<Queue> {
        self.queue
    }

    /// Whether the step that follows may be done under the hold of this one: the same queue and keys.
    #[must_use]
    pub fn may_be_kept(&self) -> bool {
        let lease = &self.transition.lease;
        self.queue == Some(lease.queue)
            && self.transition.next.as_ref().is_some_and(|next| next.keys == lease.keys)
    }

    /// The run and the lease with which this worker goes on.
    fn kept(self, clock: Clock) -> Recorded {
        let Transition { lease, version, run, at, next, .. } = self.transition;
        let Some((next, token)) = next.and_then(|next| next.token.map(|token| (next, token))) else {
            return Recorded::Over;
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
        let run = StoredRun { version: version + 1, run, updated_at: at, now: clock.now(), ..self.before };
        Recorded::Kept(Box::new(Claim { lease, run: Ok(run) }), clock)
    }
}

impl GroupCommit {
    /// Records pending answers for `worker` until the last handle is dropped.
    #[must_use]
    pub fn open(engine: &Engine, worker: &Arc<str>, lease: Duration, grouping: Grouping) -> Self {
        let most = grouping.most.max(1);
        let (requests, waiting) = mpsc::channel(most * 2);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..grouping.at_once.max(1) {
            let (engine, worker) = (engine.clone(), Arc::clone(worker));
            let completer = BatchCompleter { engine, worker, lease, most, conn: None };
            tokio::spawn(completer.run(Arc::clone(&waiting)));
        }
        Self { requests }
    }

    /// Records a pending with others that come at the same time.
    pub async fn record(&self, mut pending: Pending, follow: Follow) -> Recorded {
        if let (Follow::Keep, Some(next)) = (follow, pending.transition.next.as_mut()) {
            next.token = Some(Uuid::new_v4());
        }
        let (reply, recorded) = oneshot::channel();
        let request = Request { pending, tell: follow == Follow::Tell, reply };
        if self.requests.send(request).await.is_err() {
            return Recorded::Alone;
        }
        recorded.await.unwrap_or(Recorded::Alone)
    }
}

struct BatchCompleter {
    engine: Engine,
    worker: Arc<str>,
    lease: Duration,
    most: usize,
    /// Its connection, kept for as long as it works: the pool would ask after its health each time.
    conn: Option<PoolConn>,
}

impl BatchCompleter {
    async fn run(mut self, waiting: Arc<Mutex<mpsc::Receiver<Request>>>) {
        let mut requests = Vec::with_capacity(self.most);
        loop {
            if waiting.lock().await.recv_many(&mut requests, self.most).await == 0 {
                return;
            }
            self.write(requests.drain(..)).await;
        }
    }

    async fn write(&mut self, requests: impl Iterator<Item = Request>) {
        let (mut group, mut rest, mut tell) = (Vec::new(), Vec::new(), Vec::new());
        for Request { pending: Pending { transition, before, queue }, tell: told, reply } in requests {
            if let (true, Some(queue)) = (told, queue) {
                tell.push(queue.as_str().to_owned());
            }
            // Others may wait for a key that this job has held.
            if transition.lease.guarded {
                tell.extend(Queue::ALL.map(|queue| queue.as_str().to_owned()));
            }
            group.push(transition);
            rest.push((before, queue, reply));
        }
        tell.sort_unstable();
        tell.dedup();
        match self.record(&group, &tell).await {
            Ok(recorded) => {
                for (transition, (before, queue, reply)) in group.into_iter().zip(rest) {
                    let is_in = recorded.moved.contains(&transition.lease.run);
                    let pending = Pending { transition, before, queue };
                    let _ = reply.send(if is_in { pending.kept(recorded.clock) } else { Recorded::Alone });
                }
            }
            Err(error) => {
                tracing::debug!(%error, "{} answers were not recorded together: {error}", group.len());
                rest.into_iter().for_each(|(.., reply)| drop(reply.send(Recorded::Alone)));
            }
        }
    }

    async fn record(&mut self, group: &[Transition], tell: &[String]) -> store::Result<transition::Recorded> {
        let mut conn = match self.conn.take() {
            Some(conn) => Some(conn),
            None => Some(self.engine.pool().acquire().await?),
        };
        let record = async |conn: &mut store::Connection| {
            transition::record(conn, &self.worker, self.lease, group, tell).await
        };
        let recorded = store::with_timeout(self.lease * 2, &mut conn, record).await?;
        self.conn = conn;
        Ok(recorded)
    }
}
