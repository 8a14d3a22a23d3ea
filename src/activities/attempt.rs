//! One attempt at a step: what it works on, and what it reads of the forge and the repository.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

use super::{Assignment, Factory, Failure, Reply, ledger::position};
use crate::{
    core::{
        policy::PullState,
        requirement::RepoName,
        run::{Progress, Run},
        sha::Sha,
        subject::Subject,
        workflow::Outcome,
    },
    engine::Answer,
    github::Pull,
    store::{amendment, job::Lease, requirement, run::StoredRun},
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
    /// Its text is that of [`Attempt::edition`].
    pub(super) requirement: requirement::Row,
    /// How often the text had been amended when this attempt read it.
    pub(super) edition: i32,
    pub(super) repo: RepoName,
    /// Which fallback answered in place of a model, for the note of the answer.
    pub(super) stood_in: OnceLock<String>,
}

impl<'a> Attempt<'a> {
    pub(super) async fn new(factory: &'a Factory, assignment: Assignment) -> Result<Self, Failure> {
        let Assignment { lease, stored, rounds_left, lost, .. } = assignment;
        let repo = stored.spec.repository.parse().map_err(Failure::last)?;
        let Subject::Requirement(requirement) = stored.spec.subject;
        let requirement = requirement::get(&factory.pool, requirement).await?;
        let missing = || Failure::last("the run's requirement does not exist");
        let mut requirement = requirement.ok_or_else(missing)?;
        // In one statement, so that the text is that of the edition.
        let text = amendment::text(&factory.pool, requirement.id).await?.ok_or_else(missing)?;
        (requirement.title, requirement.body) = (text.title, text.body);
        let edition = text.edition;
        let stood_in = OnceLock::new();
        Ok(Self { factory, lease, stored, rounds_left, lost, requirement, edition, repo, stood_in })
    }

    /// The reply; the note of an answer says so if a fallback had a part in it.
    pub(super) fn remark_on(&self, reply: Reply) -> Reply {
        match (reply, self.stood_in.get()) {
            (Reply::Answer(answer), Some(remark)) => {
                let note = format!("{}; {remark}", answer.note);
                Reply::Answer(Answer { note, ..answer })
            }
            (reply, _) => reply,
        }
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

    /// The mirror, fetched.
    pub(super) async fn mirror(&self) -> Result<Mirror, Failure> {
        let mirror = self.factory.workspaces.mirror(&self.repo);
        mirror.fetch().await?;
        Ok(mirror)
    }

    /// The newest commit of the base branch.
    pub(super) async fn base(&self, mirror: &Mirror) -> Result<Sha, Failure> {
        let branch = &self.stored.spec.base_branch;
        let base = mirror.branch(branch).await?;
        base.ok_or_else(|| Failure::last(format!("{} has no branch `{branch}`", self.repo)))
    }
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
