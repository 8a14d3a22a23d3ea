//! The engine: the one transaction in which a run moves.
//!
//! Every verb here is load → apply → append → save → act → commit, in one transaction, with the run's
//! row locked; whoever also needs the run's job locks that first. What an attempt brings is fenced by its
//! lease and by the run's version: whoever is too late gets [`Ack::Fenced`] and has changed nothing.

mod budget;
mod bulk;
mod control;
mod fork;
pub mod group_commit;
mod redrive;
mod replay;
mod schedule;
mod snooze;

use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};

use uuid::Uuid;

use crate::{
    core::{
        limit,
        requirement::Requirement,
        run::{Action, Event, Park, Progress, Refused, Run, State, backoff_ceiling},
        workflow::{self, Outcome, Workflow},
    },
    store::{
        self, Connection, Pool, attempt, dead_letter, event, failpoint,
        job::{self, Lease},
        job_control,
        run::{RunSpec, StoredRun},
        signal::{self, News},
        timer, wake,
    },
};

pub use self::control::{Control, Denied, Verb};

/// The graphs that this release ships, newest text only; older ones live in the database.
const SHIPPED: [&str; 1] = [include_str!("../../workflows/requirement.toml")];

/// The engine over one database.
#[derive(Clone)]
pub struct Engine {
    pool: Pool,
    workflows: Arc<RwLock<HashMap<String, Arc<Workflow>>>>,
    requirement: Arc<Workflow>,
    /// Who answers model calls, as limits name it.
    provider: Arc<str>,
}

/// Why the engine could not do what was asked. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not do it.
    #[error("the database failed: {0}")]
    Store(#[from] store::Error),
    /// There is no such run.
    #[error("there is no run {0}")]
    NoRun(Uuid),
    /// There is no such product.
    #[error("there is no product `{0}`")]
    NoProduct(String),
    /// As many of the product's runs are open as may be.
    #[error("`{product}` has {open} open runs, and at most {most} may be open")]
    BacklogFull {
        /// The product.
        product: String,
        /// The most open runs.
        most: i32,
        /// How many there are.
        open: i64,
    },
    /// The event does not fit the run.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The run does not allow this as it stands.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// There is no such dead letter.
    #[error("there is no dead letter {0}")]
    NoLetter(i64),
    /// This release cannot read the run's graph.
    #[error("this release cannot follow workflow {hash}: {error}")]
    Workflow {
        /// The graph.
        hash: String,
        /// What is wrong with it here.
        error: workflow::Error,
    },
}

/// What an activity learnt and answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The answer.
    pub outcome: Outcome,
    /// The answer in a sentence for people.
    pub note: String,
    /// What was learnt on the way.
    pub progress: Progress,
}

/// Whether what a caller brought counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// It is in the history.
    Committed,
    /// Somebody else holds the job, or the run is elsewhere; nothing has changed.
    Fenced,
}

/// A requirement that was taken, and the run that works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The requirement.
    pub requirement: Uuid,
    /// Its run.
    pub run: Uuid,
}

impl Engine {
    /// An engine that knows this release's graphs; they are kept in the database.
    ///
    /// # Errors
    /// When the database does not answer, or a shipped graph is wrong (which a test rules out).
    pub async fn open(pool: Pool) -> Result<Self, Error> {
        // Without its month a run lies with the rest, which the upkeep mends: no reason to stay closed.
        if let Err(error) = store::partition::prepare(&pool).await {
            tracing::warn!(%error, "could not make the coming months: {error}");
        }
        let mut workflows = HashMap::new();
        let mut requirement = None;
        for source in SHIPPED {
            let parsed =
                Workflow::parse(source).map_err(|error| Error::Workflow { hash: String::new(), error })?;
            let workflow = Arc::new(parsed);
            store::workflow::keep(&pool, &workflow.hash, &workflow.name, source).await?;
            workflows.insert(workflow.hash.clone(), Arc::clone(&workflow));
            requirement.get_or_insert(workflow);
        }
        let Some(requirement) = requirement else { unreachable!("at least one graph is shipped") };
        Ok(Self {
            pool,
            workflows: Arc::new(RwLock::new(workflows)),
            requirement,
            provider: limit::PROVIDER.into(),
        })
    }

    /// The graph that new runs begin with.
    #[must_use]
    pub fn newest(&self) -> Arc<Workflow> {
        Arc::clone(&self.requirement)
    }

    /// The database below.
    #[must_use]
    pub const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Takes a requirement: when this returns, it is in the database with a run and a job.
    ///
    /// # Errors
    /// [`Error::NoProduct`] for an unknown product, [`Error::BacklogFull`] for one with enough to do.
    pub async fn accept(&self, requirement: &Requirement, actor: &str) -> Result<Accepted, Error> {
        let mut tx = self.pool.begin().await?;
        let accepted = self.accept_in(&mut tx, requirement, actor).await?;
        tx.commit().await?;
        Ok(accepted)
    }

    /// Takes a requirement inside the caller's transaction.
    ///
    /// # Errors
    /// [`Error::NoProduct`] for an unknown product, [`Error::BacklogFull`] for one with enough to do.
    pub async fn accept_in(
        &self,
        tx: &mut Connection,
        requirement: &Requirement,
        actor: &str,
    ) -> Result<Accepted, Error> {
        let name = requirement.product.as_str();
        let product =
            store::product::get(&mut *tx, name).await?.ok_or_else(|| Error::NoProduct(name.to_owned()))?;
        if product.backlog.is_some()
            && let Some((most, open)) = store::product::open_runs(tx, name).await?
            && open >= i64::from(most)
        {
            return Err(Error::BacklogFull { product: product.name, most, open });
        }
        let accepted = Accepted { requirement: Uuid::now_v7(), run: Uuid::now_v7() };
        let spec = RunSpec {
            id: accepted.run,
            requirement_id: accepted.requirement,
            workflow_hash: self.requirement.hash.clone(),
            product: product.name,
            repository: product.repository,
            base_branch: product.base_branch,
            branch: format!("aspora/{name}/{}", accepted.run),
            priority: i16::from(requirement.priority),
            parent: None,
        };
        store::requirement::insert(tx, accepted.requirement, requirement, Some(actor)).await?;
        let now = store::now(tx).await?;
        let (run, actions) = Run::start(&self.requirement, now)?;
        store::run::insert(tx, &spec, &run).await?;
        let (step, event) = (run.step(), &Event::Started);
        event::append(tx, event::New { run: accepted.run, seq: 1, at: now, actor, step, event, lease: None })
            .await?;
        self.act(tx, &spec, &self.requirement, &actions).await?;
        Ok(accepted)
    }

    /// Records an activity's answer and asks for what follows.
    ///
    /// # Errors
    /// When the database does not answer; whether the answer counted is then unknown and asking again is safe.
    pub async fn answer(&self, lease: &Lease, worker: &str, answer: Answer) -> Result<Ack, Error> {
        let Answer { outcome, note, progress } = answer;
        let note = storable(&note);
        let event = Event::Answered { turn: lease.turn, outcome, note, progress };
        self.finish(lease, worker, event).await
    }

    /// Lets a step wait without a job, unless its news have come already: then it runs again at once.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn park(
        &self,
        lease: &Lease,
        worker: &str,
        park: Park,
        progress: Progress,
    ) -> Result<Ack, Error> {
        let park = Park { reason: storable(&park.reason), ..park };
        let event = Event::Parked { turn: lease.turn, park, progress };
        self.finish(lease, worker, event).await
    }

    /// Records a failed attempt: tried again after a drawn wait, at least `after`; at the limit a dead letter.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn fail(
        &self,
        lease: &Lease,
        worker: &str,
        error: &str,
        after: Option<Duration>,
    ) -> Result<Ack, Error> {
        if lease.attempt >= lease.most {
            return self.exhaust(lease, worker, error).await;
        }
        let mut tx = self.pool.begin().await?;
        job_control::lock(&mut tx, lease.run).await?;
        let stored = locked(&mut tx, lease.run).await?;
        let workflow = self.workflow(&stored.spec.workflow_hash).await?;
        let retry = workflow.steps.get(&lease.step).map(|step| step.retry.clone()).unwrap_or_default();
        let least = after.unwrap_or_default();
        // Many may have been told the same moment: they come back over a while, not all at once.
        let ceiling = backoff_ceiling(&retry, lease.attempt)
            .max(least + after.map_or(Duration::ZERO, |_| snooze::SPREAD));
        let Some(retry_at) = job::put_off(&mut tx, lease, least, ceiling).await? else {
            return Ok(Ack::Fenced);
        };
        let error = storable(error);
        let event = Event::Failed { turn: lease.turn, attempt: lease.attempt, error, retry_at };
        self.advance(&mut tx, stored, &workflow, By::Attempt(lease, worker), vec![event]).await?;
        tx.commit().await?;
        Ok(Ack::Committed)
    }

    /// Buries a job that must not be tried again and sends its run where the graph says.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn exhaust(&self, lease: &Lease, worker: &str, error: &str) -> Result<Ack, Error> {
        let attempts = lease.attempt.min(lease.most);
        let error = storable(error);
        let event = Event::Exhausted { turn: lease.turn, attempts, error };
        self.finish(lease, worker, event).await
    }

    /// Ends a run whose graph this release cannot follow, so that a person sees it.
    ///
    /// # Errors
    /// As [`Engine::answer`].
    pub async fn block_unsupported(&self, lease: &Lease, worker: &str, reason: &str) -> Result<Ack, Error> {
        let reason = &storable(reason);
        let mut tx = self.pool.begin().await?;
        if !job::finish(&mut tx, lease).await? {
            return Ok(Ack::Fenced);
        }
        let stored = locked(&mut tx, lease.run).await?;
        attempt::end(&mut tx, lease, worker, "failed", reason).await?;
        block_unsupported(&mut tx, &stored, worker, reason).await?;
        tx.commit().await?;
        Ok(Ack::Committed)
    }

    /// Stores news and, if their run waits for them, wakes it in the same transaction. False for a
    /// delivery that is known already.
    ///
    /// # Errors
    /// When the database does not answer; the sender must then send again.
    pub async fn receive_signal(&self, news: &News) -> Result<bool, Error> {
        let mut tx = self.pool.begin().await?;
        let Some((_, run)) = signal::insert(&mut tx, news).await? else { return Ok(false) };
        if let Some(id) = run {
            let stored = locked(&mut tx, id).await?;
            if matches!(&stored.run.state, State::Waiting { park, .. } if park.topics.contains(&news.topic)) {
                signal::take(&mut tx, id, &[news.topic]).await?;
                self.wake(&mut tx, stored, "webhook", Event::Signalled { topic: news.topic }).await?;
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Wakes the runs whose time has come, at most `limit`; tells how many.
    ///
    /// # Errors
    /// When the database does not answer; what was woken stays woken.
    pub async fn wake_due(&self, limit: i64) -> Result<usize, Error> {
        let mut woken = 0;
        for id in timer::due(&self.pool, limit).await? {
            let mut tx = self.pool.begin().await?;
            let stored = locked(&mut tx, id).await?;
            // Another worker may have been quicker: the run's lock makes this look the true one.
            if !timer::is_due(&mut tx, id).await? {
                continue;
            }
            self.wake(&mut tx, stored, "clock", Event::Woken).await?;
            tx.commit().await?;
            woken += 1;
        }
        Ok(woken)
    }

    /// The graph of this hash, from memory or the database.
    ///
    /// # Errors
    /// [`Error::Workflow`] when this release cannot read it.
    pub async fn workflow(&self, hash: &str) -> Result<Arc<Workflow>, Error> {
        let known =
            self.workflows.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(hash).cloned();
        if let Some(workflow) = known {
            return Ok(workflow);
        }
        let source = store::workflow::source(&self.pool, hash).await?;
        let workflow =
            Workflow::parse(&source).map_err(|error| Error::Workflow { hash: hash.to_owned(), error })?;
        let workflow = Arc::new(workflow);
        let mut known = self.workflows.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        known.insert(hash.to_owned(), Arc::clone(&workflow));
        Ok(workflow)
    }

    /// What an attempt brings ends its job; a lost lease changes nothing.
    async fn finish(&self, lease: &Lease, worker: &str, event: Event) -> Result<Ack, Error> {
        let mut tx = self.pool.begin().await?;
        if !job::finish(&mut tx, lease).await? {
            return Ok(Ack::Fenced);
        }
        let stored = locked(&mut tx, lease.run).await?;
        if let Event::Exhausted { attempts, error, .. } = &event {
            dead_letter::insert(&mut tx, lease, *attempts, error).await?;
        }
        let workflow = self.workflow(&stored.spec.workflow_hash).await?;
        let mut events = vec![event];
        // The lost wake-up: news that came while the step was looking end the wait before it begins.
        // A paused run takes none: they wait for its resume.
        if let Event::Parked { park, .. } = &events[0]
            && matches!(stored.run.state, State::At { .. })
            && let Some(topic) = signal::take(&mut tx, lease.run, &park.topics).await?
        {
            events.push(Event::Signalled { topic });
        }
        self.advance(&mut tx, stored, &workflow, By::Attempt(lease, worker), events).await?;
        failpoint::pass("finish.before")?;
        tx.commit().await?;
        failpoint::pass("finish.after")?;
        Ok(Ack::Committed)
    }

    /// Takes a run out of its wait. One whose graph this release cannot follow ends here, for a person
    /// to see: it must not stop the clock for all that wait behind it.
    async fn wake(
        &self,
        tx: &mut Connection,
        stored: StoredRun,
        actor: &str,
        event: Event,
    ) -> Result<(), Error> {
        match self.workflow(&stored.spec.workflow_hash).await {
            Ok(workflow) => self.advance(tx, stored, &workflow, By::Other(actor), vec![event]).await,
            Err(error @ Error::Workflow { .. }) => {
                block_unsupported(tx, &stored, actor, &error.to_string()).await
            }
            Err(error) => Err(error),
        }
    }

    async fn advance(
        &self,
        tx: &mut Connection,
        stored: StoredRun,
        workflow: &Workflow,
        by: By<'_>,
        events: Vec<Event>,
    ) -> Result<(), Error> {
        let (actor, mut lease) = by.parts();
        let (mut run, mut all) = (stored.run, Vec::new());
        let mut seq = stored.version;
        for event in &events {
            seq += 1;
            let (next, actions) = run.apply(workflow, event, stored.now)?;
            let (at, step) = (stored.now, run.step());
            event::append(tx, event::New { run: stored.spec.id, seq, at, actor, step, event, lease }).await?;
            // An attempt brings one event; what else is said in the same breath is not its doing.
            lease = None;
            all.extend(actions);
            run = next;
        }
        if !store::run::save(tx, stored.spec.id, stored.version, seq - stored.version, &run).await? {
            // The row is locked, so this cannot be; should it be, the caller's transaction rolls back.
            return Err(Error::Store(store::Error::RowNotFound));
        }
        self.act(tx, &stored.spec, workflow, &all).await
    }

    /// Does what actions ask for.
    async fn act(
        &self,
        tx: &mut Connection,
        spec: &RunSpec,
        workflow: &Workflow,
        actions: &[Action],
    ) -> Result<(), Error> {
        for action in actions {
            if let Action::Enqueue { step, queue, .. } = action {
                let (run, priority) = (spec.id, spec.priority);
                let keys = &self.keys(spec, workflow, step);
                job::enqueue(tx, &job::New { run, product: &spec.product, priority, keys }, action).await?;
                wake::notify(tx, *queue).await?;
            } else {
                settle(tx, spec.id, action).await?;
            }
        }
        Ok(())
    }

    /// The keys under which the job of a step is held.
    fn keys(&self, spec: &RunSpec, workflow: &Workflow, step: &str) -> Vec<String> {
        let Some(step) = workflow.steps.get(step) else { return Vec::new() };
        let (product, repository, base) = (&spec.product, &spec.repository, &spec.base_branch);
        limit::keys(product, repository, base, step.run, step.queue, &self.provider)
    }
}

/// Who brings events: an attempt of a worker, or somebody else.
#[derive(Clone, Copy)]
enum By<'a> {
    Attempt(&'a Lease, &'a str),
    Other(&'a str),
}

impl<'a> By<'a> {
    const fn parts(self) -> (&'a str, Option<&'a Lease>) {
        match self {
            // A claim that found every attempt used up is none itself.
            Self::Attempt(lease, worker) if lease.is_spent() => (worker, None),
            Self::Attempt(lease, worker) => (worker, Some(lease)),
            Self::Other(actor) => (actor, None),
        }
    }
}

/// Words from outside as Postgres can keep them: it takes no NUL, and an answer that cannot be recorded
/// would be made again and again.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

async fn locked(tx: &mut Connection, id: Uuid) -> Result<StoredRun, Error> {
    store::run::lock(tx, id).await?.ok_or(Error::NoRun(id))
}

async fn block_unsupported(
    tx: &mut Connection,
    stored: &StoredRun,
    actor: &str,
    reason: &str,
) -> Result<(), Error> {
    let id = stored.spec.id;
    let (run, actions) = stored.run.block_unsupported(reason);
    let (event, lease) = (&Event::Stranded { reason: reason.to_owned() }, None);
    let (seq, at, step) = (stored.version + 1, stored.now, stored.run.step());
    event::append(tx, event::New { run: id, seq, at, actor, step, event, lease }).await?;
    let saved = store::run::save(tx, id, stored.version, 1, &run).await?;
    debug_assert!(saved, "the run was locked");
    for action in &actions {
        settle(tx, id, action).await?;
    }
    Ok(())
}

/// Does what an action asks for of the rows that a run has; an [`Action::Enqueue`] needs more than those.
async fn settle(tx: &mut Connection, run: Uuid, action: &Action) -> Result<(), Error> {
    let due = match action {
        Action::ReleaseJob => job_control::release(tx, run).await?,
        Action::MakeJobDue => job_control::hurry(tx, run).await?,
        Action::HoldJob => job_control::hold(tx, run).await.map(|()| None)?,
        Action::DropJob => job_control::take_away(tx, run).await.map(|()| None)?,
        Action::SetTimer(due_at) => timer::set(tx, run, *due_at).await.map(|()| None)?,
        Action::ClearTimer => timer::clear(tx, run).await.map(|()| None)?,
        Action::Enqueue { .. } | Action::Finish(_) => None,
    };
    if let Some(queue) = due {
        wake::ring(tx, &queue).await?;
    }
    Ok(())
}
