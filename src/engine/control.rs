//! What people do to a run, whatever it is doing: pause, resume, cancel, run now, skip, retry.
//!
//! Each is idempotent: if the run is in the wanted state already, the answer is [`Control::Unchanged`] and
//! there is no new event. Every verb locks the job before the run, as a worker's answer does.

use uuid::Uuid;

use super::{
    Actor, Engine, Error,
    advance::{self, lock},
    record, without_nul,
};
use crate::{
    core::{
        consent::Consent,
        job::JobState,
        reason::Reason,
        run::{Event, PauseCause, Run, State},
        sha::Sha,
        workflow::{End, Outcome},
    },
    store::{self, Connection, audit::Author, dead_letter, event, job_control, run::StoredRun},
};

/// How often the locks of a run are tried that changes meanwhile.
const LOCK_TRIES: usize = 5;

/// What to do to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    /// Enqueue no more jobs.
    Pause,
    /// Leave the branch to a person: a pause whose resume accepts what the branch holds then.
    TakeOver,
    /// Continue a paused run.
    Resume,
    /// End the run.
    Cancel,
    /// Make its step due now, whatever it waits for.
    RunNow,
    /// Answer in place of its step, with this outcome.
    Skip(Outcome),
    /// Go back to this step; an ended run without one, to the step where it ended.
    Retry(Option<String>),
}

impl Verb {
    /// Its name in the audit log.
    const fn as_act(&self) -> &'static str {
        match self {
            Self::Pause => "run.pause",
            Self::TakeOver => "run.take-over",
            Self::Resume => "run.resume",
            Self::Cancel => "run.cancel",
            Self::RunNow => "run.run-now",
            Self::Skip(_) => "run.skip",
            Self::Retry(_) => "run.retry",
        }
    }
}

/// Whether a verb changed anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// It is in the history.
    Applied,
    /// The run was in that state already; there is no new event.
    Unchanged,
}

/// Why a run does not allow a verb in its current state. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A worker is running its step.
    #[error("a worker is running `{0}`; wait for its answer, or cancel the run")]
    Running(String),
    /// It changed each time it was about to be locked.
    #[error("the run changed while it was being locked; try again")]
    Contended,
    /// It has ended.
    #[error("the run has ended as {0}; retry it, or fork a new run from one of its steps")]
    Ended(End),
    /// It is paused.
    #[error("the run is paused; resume it first")]
    Paused,
    /// It has not ended.
    #[error("the run has not ended; cancel it first")]
    NotEnded,
    /// Its change is merged.
    #[error("the run's change is merged; submit a new requirement")]
    Merged,
    /// Another run works on its branch.
    #[error("run {0} works on the same branch; cancel it first")]
    BranchInUse(Uuid),
    /// Its first step is done, and repeating it would have to undo the commits on the branch.
    #[error("`{0}` is done and its branch has commits; fork a new run from `{0}`")]
    HasCommits(String),
    /// It asks nothing.
    #[error("the run has no open question; `aspora run questions` lists what it asked and who answered")]
    NoQuestion,
    /// It asks about no such set of dependencies.
    #[error(
        "the run asks about no such set of dependencies now; `aspora run dependencies` shows what it asks, and who answered"
    )]
    NoConsent,
    /// The set was answered otherwise, and what follows from that has begun.
    #[error("these dependencies are {} already, and the change goes on by that", .0.done())]
    ConsentGiven(Consent),
    /// The person opened the pull request.
    #[error("you opened this pull request: another person says whether its dependencies are installed")]
    OwnPull,
    /// No run of the requirement lives.
    #[error("no run of the requirement is under way any more; resubmit it with the new text")]
    Over,
    /// A run of the requirement lives.
    #[error("a run of requirement {0} is under way; amend it, or cancel it first")]
    Alive(Uuid),
    /// Another requirement took its place.
    #[error("requirement {0} took its place; resubmit or amend that one")]
    Superseded(Uuid),
    /// The head that was looked at is not the head now.
    #[error("{}", stale(.given, .now.as_ref()))]
    StaleHead {
        /// The head that was given.
        given: Sha,
        /// The run's head; `None` if it has none yet.
        now: Option<Sha>,
    },
    /// This person has said nothing here that could be withdrawn.
    #[error("you have said nothing of this change here; withdraw a review on the forge there")]
    NothingSaid,
    /// Its change is not on the base.
    #[error("the run's change is not merged: there is nothing to revert")]
    NotMerged,
    /// It is reverted already.
    #[error("run {0} has reverted it already")]
    Reverted(Uuid),
    /// Its pull request is ours.
    #[error("the pull request is ours: it is merged as soon as it is cleared")]
    NotTheirs,
    /// It has no pull request that a later step could continue.
    #[error("the run has no pull request yet; fork it from `{0}`")]
    NoPullRequest(String),
}

fn stale(given: &Sha, now: Option<&Sha>) -> String {
    match now {
        Some(now) => {
            format!("the head is {now} now, not {given}: look at what changed, and name the new head")
        }
        None => "the run has no head yet".to_owned(),
    }
}

/// A run and its job, both locked until the transaction ends.
pub(super) struct LockedRun {
    job: Option<JobState>,
    pub(super) stored: StoredRun,
}

impl Engine {
    /// Pauses a run: once this returns, no new attempt begins. An attempt that has begun may finish: its answer
    /// is recorded, but enqueues nothing until the run is resumed.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn pause(&self, run: Uuid, actor: &str, reason: &Reason) -> Result<Control, Error> {
        self.control(run, &Verb::Pause, actor, reason).await
    }

    /// Resumes a paused run.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn resume(&self, run: Uuid, actor: &str, reason: &Reason) -> Result<Control, Error> {
        self.control(run, &Verb::Resume, actor, reason).await
    }

    /// Ends a run. A worker that is running its step stops at the next renewal of its lease, and its answer does
    /// not count.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn cancel(&self, run: Uuid, actor: &str, reason: &Reason) -> Result<Control, Error> {
        self.control(run, &Verb::Cancel, actor, reason).await
    }

    /// Ends a run's wait: its step is due now.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn run_now(&self, run: Uuid, actor: &str, reason: &Reason) -> Result<Control, Error> {
        self.control(run, &Verb::RunNow, actor, reason).await
    }

    /// Answers in place of a run's step.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn skip(
        &self,
        run: Uuid,
        outcome: Outcome,
        actor: &str,
        reason: &Reason,
    ) -> Result<Control, Error> {
        self.control(run, &Verb::Skip(outcome), actor, reason).await
    }

    /// Sends a run back to a step, or an ended one to where it ended. What it has learnt is kept.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn retry(
        &self,
        run: Uuid,
        step: Option<&str>,
        actor: &str,
        reason: &Reason,
    ) -> Result<Control, Error> {
        self.control(run, &Verb::Retry(step.map(str::to_owned)), actor, reason).await
    }

    /// Does one verb in a transaction of its own.
    ///
    /// # Errors
    /// [`Error::NoRun`]; [`Error::Denied`] and [`Error::Refused`] say why the run does not allow it, and what
    /// to do about it; [`Error::Workflow`] when this release cannot read its workflow. A cancel needs none.
    pub async fn control(
        &self,
        run: Uuid,
        verb: &Verb,
        by: impl Into<Author<'_>>,
        reason: &Reason,
    ) -> Result<Control, Error> {
        let mut tx = self.pool().begin().await?;
        let done = self.control_in(&mut tx, run, verb, by, reason).await?;
        tx.commit().await?;
        Ok(done)
    }

    /// Does one verb inside the caller's transaction, which also records it in the audit log if it changes anything.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn control_in(
        &self,
        tx: &mut Connection,
        run: Uuid,
        verb: &Verb,
        by: impl Into<Author<'_>>,
        reason: &Reason,
    ) -> Result<Control, Error> {
        let (by, locked) = (by.into(), lock_with_job(tx, run).await?);
        let before = record::standing(&locked.stored.run);
        let done = self.apply_verb(tx, locked, verb, by.person, reason).await?;
        if done == Control::Applied {
            record::run_changed(tx, by, verb.as_act(), run, before, reason).await?;
        }
        Ok(done)
    }

    async fn apply_verb(
        &self,
        tx: &mut Connection,
        locked: LockedRun,
        verb: &Verb,
        actor: &str,
        reason: &Reason,
    ) -> Result<Control, Error> {
        let run = locked.stored.spec.id;
        let event = match verb {
            Verb::Pause => pause(&locked, actor, reason)?,
            Verb::TakeOver => take_over(&locked, actor, reason)?,
            Verb::Resume => resume(&locked, reason)?,
            Verb::Cancel => cancel(&locked, reason)?,
            Verb::RunNow => run_now(&locked, reason)?,
            Verb::Skip(outcome) => self.skip_event(&locked, *outcome, reason).await?,
            Verb::Retry(step) => self.retry_event(tx, &locked, step.as_deref(), actor, reason).await?,
        };
        let Some(event) = event else { return Ok(Control::Unchanged) };
        if let Verb::RunNow = verb {
            store::outage::probe_now(tx, run).await?;
        }
        let stored = locked.stored;
        if let Event::Cancelled { reason } = &event {
            advance::end(tx, &stored, actor, &event, stored.run.cancel(reason)?).await?;
            return Ok(Control::Applied);
        }
        let workflow = self.workflow(&stored.spec.workflow_hash).await?;
        self.advance(tx, stored, &workflow, Actor::Other(actor), vec![event]).await?;
        Ok(Control::Applied)
    }

    /// Records that someone asked for what they may not ask for, unless the run has ended or a worker is running its
    /// step: the version of a run whose attempt may answer changes only with its job.
    ///
    /// # Errors
    /// As [`Engine::control`].
    pub async fn not_permitted_in(
        &self,
        tx: &mut Connection,
        run: Uuid,
        actor: &str,
        asked: &str,
        reason: &str,
    ) -> Result<(), Error> {
        let locked = lock_with_job(tx, run).await?;
        let has_ended = matches!(locked.stored.run.state, State::Ended { .. });
        if has_ended || ensure_idle(&locked).is_err() {
            return Ok(());
        }
        let workflow = self.workflow(&locked.stored.spec.workflow_hash).await?;
        let event = Event::NotPermitted { asked: asked.to_owned(), reason: without_nul(reason) };
        self.advance(tx, locked.stored, &workflow, Actor::Other(actor), vec![event]).await
    }

    /// Dismisses an open finding of a run's reviews; a finding that is not open stays as it is, without an event.
    ///
    /// # Errors
    /// As [`Engine::control`]; [`Denied::Running`] while a worker runs the run's step, since its answer would be judged
    /// with the finding.
    pub async fn dismiss(
        &self,
        run: Uuid,
        by: impl Into<Author<'_>>,
        (fingerprint, finding): (&str, &str),
        reason: &Reason,
    ) -> Result<(), Error> {
        let by = by.into();
        let actor = by.person;
        let mut tx = self.pool().begin().await?;
        let locked = lock_with_job(&mut tx, run).await?;
        ensure_idle(&locked)?;
        let why = reason.to_string();
        if store::review::dismiss(&mut tx, run, fingerprint, actor, &why).await? == 0 {
            return Ok(());
        }
        let product = locked.stored.spec.product.clone();
        let workflow = self.workflow(&locked.stored.spec.workflow_hash).await?;
        let (named, finding) = (fingerprint.to_owned(), without_nul(finding));
        let event = Event::FindingDismissed { fingerprint: named, finding, reason: why };
        self.advance(&mut tx, locked.stored, &workflow, Actor::Other(actor), vec![event]).await?;
        record::dismissed(&mut tx, by, (run, &product), fingerprint, reason).await?;
        Ok(tx.commit().await?)
    }

    /// The event of a skip. An outcome that leads to a step which works on a head is one only for a run that has one.
    async fn skip_event(
        &self,
        locked: &LockedRun,
        outcome: Outcome,
        reason: &Reason,
    ) -> Result<Option<Event>, Error> {
        let event = skip(locked, outcome, reason)?;
        let run = &locked.stored.run;
        let workflow = self.workflow(&locked.stored.spec.workflow_hash).await?;
        let step = run.step().and_then(|name| workflow.steps.get(name));
        if let Some(to) = step.and_then(|step| step.on.get(&outcome)) {
            run.can_enter(&workflow, to)?;
        }
        Ok(event)
    }

    /// The event of a retry; `None` if the run is already where the retry would send it.
    async fn retry_event(
        &self,
        tx: &mut Connection,
        locked: &LockedRun,
        step: Option<&str>,
        actor: &str,
        reason: &Reason,
    ) -> Result<Option<Event>, Error> {
        let (stored, id) = (&locked.stored, locked.stored.spec.id);
        let last = event::last(tx, id).await?;
        let ended = matches!(stored.run.state, State::Ended { .. });
        let workflow = self.workflow(&stored.spec.workflow_hash).await?;
        let to = match (step, ended) {
            (Some(step), _) => step.to_owned(),
            (None, true) => {
                let at = last.step.as_deref().unwrap_or(&workflow.start);
                Run::retry_step(&workflow, at, &last.body.0).to_owned()
            }
            (None, false) => return Ok(None),
        };
        if !ended {
            if matches!(&last.body.0, Event::RetriedFrom { step, .. } if *step == to) {
                return Ok(None);
            }
            ensure_idle(locked)?;
        }
        if stored.run.would_repeat(&workflow, &to) {
            return Err(Denied::HasCommits(to).into());
        }
        let event = Event::RetriedFrom { step: to, reason: reason.to_string() };
        // Before the lock of the branch, so that an unknown step is reported as such.
        stored.run.apply(&workflow, &event, stored.now)?;
        let Event::RetriedFrom { step: to, .. } = &event else { return Ok(None) };
        stored.run.can_enter(&workflow, to)?;
        if ended {
            let (repository, branch) = (&stored.spec.repository, &stored.spec.branch);
            if let Some(other) = store::run::live_on_branch(tx, repository, branch, id).await? {
                return Err(Denied::BranchInUse(other).into());
            }
            dead_letter::mark_redriven(tx, id, actor).await?;
        }
        Ok(Some(event))
    }
}

/// Locks a run's job and then the run. A job that was enqueued in between is not locked, so this starts over.
pub(super) async fn lock_with_job(tx: &mut Connection, run: Uuid) -> Result<LockedRun, Error> {
    for _ in 0..LOCK_TRIES {
        let mut inner = store::savepoint(tx).await?;
        let job = job_control::lock(&mut inner, run).await?;
        let stored = lock(&mut inner, run).await?;
        if job.is_some() || !job_control::exists(&mut inner, run).await? {
            inner.commit().await?;
            return Ok(LockedRun { job, stored });
        }
        inner.rollback().await?;
    }
    Err(Denied::Contended.into())
}

/// Checks that no worker is running the run's step.
fn ensure_idle(locked: &LockedRun) -> Result<(), Denied> {
    match locked.job {
        Some(JobState::Running) => {
            Err(Denied::Running(locked.stored.run.step().unwrap_or_default().to_owned()))
        }
        _ => Ok(()),
    }
}

fn pause(locked: &LockedRun, actor: &str, reason: &Reason) -> Result<Option<Event>, Denied> {
    match &locked.stored.run.state {
        State::At { .. } | State::Waiting { .. } => Ok(Some(Event::Paused {
            by: actor.to_owned(),
            reason: reason.to_string(),
            cause: PauseCause::Person,
        })),
        State::Paused { .. } => Ok(None),
        State::Ended { end, .. } => Err(Denied::Ended(*end)),
    }
}

fn take_over(locked: &LockedRun, actor: &str, reason: &Reason) -> Result<Option<Event>, Denied> {
    match &locked.stored.run.state {
        State::Paused(pause) if pause.takeover => Ok(None),
        State::At { .. } | State::Waiting { .. } | State::Paused(_) => {
            Ok(Some(Event::TakenOver { by: actor.to_owned(), reason: reason.to_string() }))
        }
        State::Ended { end, .. } => Err(Denied::Ended(*end)),
    }
}

fn resume(locked: &LockedRun, reason: &Reason) -> Result<Option<Event>, Denied> {
    match &locked.stored.run.state {
        State::Paused { .. } => Ok(Some(Event::Resumed { reason: reason.to_string() })),
        State::At { .. } | State::Waiting { .. } => Ok(None),
        State::Ended { end, .. } => Err(Denied::Ended(*end)),
    }
}

fn cancel(locked: &LockedRun, reason: &Reason) -> Result<Option<Event>, Denied> {
    match &locked.stored.run.state {
        State::Ended { end: End::Cancelled, .. } => Ok(None),
        State::Ended { end, .. } => Err(Denied::Ended(*end)),
        _ => Ok(Some(Event::Cancelled { reason: reason.to_string() })),
    }
}

fn run_now(locked: &LockedRun, reason: &Reason) -> Result<Option<Event>, Denied> {
    ensure_idle(locked)?;
    match (&locked.stored.run.state, locked.job) {
        (State::Paused { .. }, _) => Err(Denied::Paused),
        (State::Ended { end, .. }, _) => Err(Denied::Ended(*end)),
        (State::At { .. }, Some(job)) if job.is_claimable() => Ok(None),
        _ => Ok(Some(Event::Hurried { reason: reason.to_string() })),
    }
}

fn skip(locked: &LockedRun, outcome: Outcome, reason: &Reason) -> Result<Option<Event>, Denied> {
    if let State::Ended { end, .. } = locked.stored.run.state {
        return Err(Denied::Ended(end));
    }
    ensure_idle(locked)?;
    Ok(Some(Event::Skipped { outcome, reason: reason.to_string() }))
}
