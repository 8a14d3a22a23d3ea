//! One attempt at a step: what it works on, and what it reads of the forge and the repository.

use std::sync::{Mutex, OnceLock, PoisonError};

use tokio_util::sync::CancellationToken;

use super::{Assignment, Factory, Failure, Reply, brief::Brief, ledger::position};
use crate::{
    core::{
        policy::PullState,
        requirement::RepoName,
        run::{Progress, Run},
        sha::Sha,
        workflow::Outcome,
    },
    engine::Answer,
    github::Pull,
    store::{job::Lease, run::StoredRun},
    workspace::Mirror,
};

/// One attempt and everything it works with.
pub(super) struct Attempt<'a> {
    pub(super) factory: &'a Factory,
    pub(super) lease: Lease,
    pub(super) stored: StoredRun,
    /// How many rounds of remediation are left after this step.
    pub(super) rounds_left: u32,
    /// Cancelled once the lease is lost.
    pub(super) lost: CancellationToken,
    /// What the change is for, as this attempt read it.
    pub(super) brief: Brief,
    pub(super) repo: RepoName,
    /// Which fallback answered in place of a model, for the note of the answer.
    pub(super) stood_in: OnceLock<String>,
    /// Which notes of the product's people the model was shown, for the note of the answer.
    pub(super) noted: OnceLock<String>,
    /// What was read past in the answer of the model that was taken last, for the note of the answer.
    read_past: Mutex<Option<String>>,
}

impl<'a> Attempt<'a> {
    pub(super) async fn new(factory: &'a Factory, assignment: Assignment) -> Result<Self, Failure> {
        let Assignment { lease, stored, rounds_left, lost, .. } = assignment;
        let repo = stored.spec.repository.parse().map_err(Failure::last)?;
        let brief = brief_of(factory, &stored).await?;
        let (stood_in, noted, read_past) = (OnceLock::new(), OnceLock::new(), Mutex::default());
        Ok(Self { factory, lease, stored, rounds_left, lost, brief, repo, stood_in, noted, read_past })
    }

    /// The same attempt with what is stored of its subject by now.
    pub(super) async fn again(&self) -> Result<Self, Failure> {
        Ok(Self {
            factory: self.factory,
            lease: self.lease.clone(),
            stored: self.stored.clone(),
            rounds_left: self.rounds_left,
            lost: self.lost.clone(),
            brief: brief_of(self.factory, &self.stored).await?,
            repo: self.repo.clone(),
            stood_in: self.stood_in.clone(),
            noted: self.noted.clone(),
            read_past: Mutex::new(self.read_past()),
        })
    }

    /// The reply; the note of an answer says so if notes were shown, something was read past in the model's, or a fallback had a
    /// part in it.
    pub(super) fn remark_on(&self, reply: Reply) -> Reply {
        let Reply::Answer(answer) = reply else { return reply };
        let remarks = [self.noted.get().cloned(), self.read_past(), self.stood_in.get().cloned()];
        let note =
            std::iter::once(answer.note).chain(remarks.into_iter().flatten()).collect::<Vec<_>>().join("; ");
        Reply::Answer(Answer { note, ..answer })
    }

    /// Notes what was read past in the model's answer, in place of what an earlier one had.
    pub(super) fn note_read_past(&self, remark: Option<String>) {
        *self.read_past.lock().unwrap_or_else(PoisonError::into_inner) = remark;
    }

    fn read_past(&self) -> Option<String> {
        self.read_past.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) const fn run(&self) -> &Run {
        &self.stored.run
    }

    pub(super) const fn progress(&self) -> &Progress {
        &self.run().progress
    }

    pub(super) fn branch(&self) -> &str {
        &self.stored.spec.branch
    }

    /// The prefix of this step's effect keys: the same for every attempt at this visit of the step.
    pub(super) fn scope(&self) -> String {
        let step = &self.lease.step;
        format!("{step}.{}", self.run().visits.get(step).copied().unwrap_or(1))
    }

    /// The key of a push that this visit of the step makes: its first one, or the next after the forge declined one.
    pub(super) fn push_key(&self, number: u32) -> String {
        match number {
            0 | 1 => format!("{}/push", self.scope()),
            more => format!("{}/push.{more}", self.scope()),
        }
    }

    /// The page of this run.
    pub(super) fn url(&self) -> String {
        format!("{}/runs/{}", self.factory.public_url, self.lease.run)
    }

    /// The head that the run is at.
    pub(super) fn head(&self) -> Result<Sha, Failure> {
        self.progress().head.clone().ok_or_else(|| Failure::last("the run has no head yet"))
    }

    /// The pull request as it is now. A forge that shows a head older than our last push lags behind:
    /// judging the old head again would only cost money, so the attempt is retried later.
    pub(super) async fn pull(&self) -> Result<Pull, Failure> {
        let number = self.progress().pull.ok_or_else(|| Failure::last("the run has no pull request yet"))?;
        let pull = self.factory.forge.pull(&self.repo, number).await?;
        if pull.archived && pull.state == PullState::Open {
            return Err(Failure::last(format!("{} is archived", self.repo)));
        }
        let expected = self.progress().head.as_ref().filter(|head| **head != pull.head_sha);
        if let Some(head) = expected.filter(|_| pull.state == PullState::Open) {
            let pushes = self.pushes().await?;
            if let (Some(shown), Some(pushed)) = (position(&pushes, &pull.head_sha), position(&pushes, head))
                && shown < pushed
            {
                let (shown, pushed) = (pull.head_sha.short(), head.short());
                return Err(Failure::retry(format!("the forge still shows {shown}, not {pushed}")));
            }
        }
        Ok(pull)
    }

    /// The mirror, fetched; with the head of a pull request that others opened, whose branch we may not have.
    pub(super) async fn mirror(&self) -> Result<Mirror, Failure> {
        let mirror = self.factory.workspaces.mirror(&self.repo);
        match (self.brief.theirs(), self.progress().pull) {
            (Some(_), Some(number)) => mirror.fetch_pull(number).await?,
            _ => mirror.fetch().await?,
        }
        Ok(mirror)
    }

    /// The newest commit of the base branch.
    pub(super) async fn base(&self, mirror: &Mirror) -> Result<Sha, Failure> {
        let branch = &self.stored.spec.base_branch;
        let base = mirror.branch(branch).await?;
        base.ok_or_else(|| Failure::last(format!("{} has no branch `{branch}`", self.repo)))
    }
}

async fn brief_of(factory: &Factory, stored: &StoredRun) -> Result<Brief, Failure> {
    let missing = || Failure::last(format!("the run's {} does not exist", stored.spec.subject.kind()));
    Brief::read(&factory.pool, &stored.spec).await?.ok_or_else(missing)
}

/// The step's answer, without progress.
pub(super) fn answer(outcome: Outcome, note: impl Into<String>) -> Reply {
    answer_with(outcome, note, Progress::default())
}

/// The step's answer, with what it learned of the pull request.
pub(super) fn answer_with(outcome: Outcome, note: impl Into<String>, progress: Progress) -> Reply {
    Reply::Answer(Answer { outcome, note: note.into(), progress })
}

/// The answer when the pull request is no longer at the head that the step works on.
pub(super) fn moved(from: &Sha, to: &Sha) -> Reply {
    answer(Outcome::Moved, format!("the head moved from {} to {}", from.short(), to.short()))
}
