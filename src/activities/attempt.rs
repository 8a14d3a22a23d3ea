//! One attempt at a step: what it is about, and the protocol by which it acts on the world.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Assignment, Factory, Failure, Reply, ledger::pushes};
use crate::{
    core::{requirement::RepoName, run::Progress, sha::Sha, subject::Subject, workflow::Outcome},
    engine::Answer,
    github::{Pull, PullState},
    store::{
        effect::{self, Begun, Intent},
        requirement,
    },
    workspace::Mirror,
};

/// One attempt and everything it works with.
pub(super) struct Attempt<'a> {
    pub(super) factory: &'a Factory,
    pub(super) task: Assignment,
    /// What it is all about.
    pub(super) requirement: requirement::Row,
    pub(super) repo: RepoName,
}

/// The kinds of effects, as the ledger names them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    ModelCall,
    Push,
    PullRequest,
    CheckRun,
    Review,
    Merge,
}

/// What is known before an act.
pub(super) enum Before<T> {
    /// It is done.
    Done(T),
    /// It was meant before and may be done: look first.
    Unknown(Intent),
    /// Nobody tried it.
    Fresh(Intent),
}

impl<'a> Attempt<'a> {
    pub(super) async fn new(factory: &'a Factory, task: Assignment) -> Result<Self, Failure> {
        let spec = &task.run.spec;
        let repo = spec.repository.parse().map_err(Failure::last)?;
        let Subject::Requirement(requirement) = spec.subject;
        let requirement = requirement::get(&factory.pool, requirement).await?;
        let requirement = requirement.ok_or_else(|| Failure::last("the run's requirement is gone"))?;
        Ok(Self { factory, task, requirement, repo })
    }

    /// The prefix of this step's effect keys: the same for every attempt at this visit of the step.
    pub(super) fn scope(&self) -> String {
        let step = &self.task.lease.step;
        format!("{step}.{}", self.task.run.run.visits.get(step).copied().unwrap_or(1))
    }

    pub(super) fn branch(&self) -> &str {
        &self.task.run.spec.branch
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.task.run.run.progress
    }

    /// The page of this run.
    pub(super) fn url(&self) -> String {
        format!("{}/runs/{}", self.factory.public_url, self.task.lease.run)
    }

    /// The head that this step is about.
    pub(super) fn head(&self) -> Result<Sha, Failure> {
        self.progress().head.clone().ok_or_else(|| Failure::last("the run has no head yet"))
    }

    /// The pull request as it is now. A forge that still shows a head from before our last push lags
    /// behind: judging that head again would only cost money, so the attempt is put off.
    pub(super) async fn pull(&self) -> Result<Pull, Failure> {
        let number = self.progress().pull.ok_or_else(|| Failure::last("the run has no pull request yet"))?;
        let pull = self.factory.forge.pull(&self.repo, number).await?;
        let expected = self.progress().head.as_ref().filter(|head| **head != pull.head_sha);
        if let Some(head) = expected.filter(|_| pull.state == PullState::Open) {
            let effects = effect::of_lineage(&self.factory.pool, self.task.lease.run).await?;
            let ours: Vec<&str> = pushes(&effects).map(|(sha, _)| sha).collect();
            let place = |sha: &Sha| ours.iter().position(|ours| *ours == sha.as_str());
            if let (Some(shown), Some(pushed)) = (place(&pull.head_sha), place(head))
                && shown < pushed
            {
                let (shown, pushed) = (pull.head_sha.short(), head.short());
                return Err(Failure::retry(format!("the forge still shows {shown}, not {pushed}")));
            }
        }
        Ok(pull)
    }

    /// The mirror, brought up to date.
    pub(super) async fn mirror(&self) -> Result<Mirror, Failure> {
        let mirror = self.factory.workspaces.mirror(&self.repo);
        mirror.fetch().await?;
        Ok(mirror)
    }

    /// The newest commit of the base branch.
    pub(super) async fn base(&self, mirror: &Mirror) -> Result<Sha, Failure> {
        let branch = &self.task.run.spec.base_branch;
        let base = mirror.branch(branch).await?;
        base.ok_or_else(|| Failure::last(format!("{} has no branch `{branch}`", self.repo)))
    }

    /// Writes down what is meant, before it is done.
    pub(super) async fn begin<T: DeserializeOwned>(
        &self,
        key: &str,
        kind: Kind,
        request: &Value,
    ) -> Result<Before<T>, Failure> {
        if self.task.lost.is_cancelled() {
            return Err(Failure::LeaseLost);
        }
        let begun = effect::begin(&self.factory.pool, &self.task.lease, key, kind.as_str(), request).await?;
        Ok(match begun {
            Begun::Fresh(intent) => Before::Fresh(intent),
            Begun::Unknown(intent) => Before::Unknown(intent),
            Begun::Done(_, result) => Before::Done(read(key, result)?),
            Begun::LeaseLost => return Err(Failure::LeaseLost),
        })
    }

    /// Records what came of it.
    pub(super) async fn observe(&self, key: &str, result: &impl Serialize) -> Result<(), Failure> {
        let result = serde_json::to_value(result).map_err(Failure::last)?;
        Ok(effect::observe(&self.factory.pool, self.task.lease.run, key, &result).await?)
    }

    /// As [`Attempt::once`], for what a head has only one of: a run that went before on the same branch may
    /// have made it.
    pub(super) async fn once_a_head<T: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        kind: Kind,
        request: &Value,
        find: impl Future<Output = Result<Option<T>, Failure>>,
        act: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match effect::inherited(&self.factory.pool, self.task.lease.run, key).await? {
            Some(made) => read(key, made),
            None => self.once(key, kind, request, find, act).await,
        }
    }

    /// Does an act at most once: what is known to be done is not done again, and what may be done is
    /// looked for with `find` before `act`. Neither future runs before its turn.
    pub(super) async fn once<T: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        kind: Kind,
        request: &Value,
        find: impl Future<Output = Result<Option<T>, Failure>>,
        act: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let found = match self.begin(key, kind, request).await? {
            Before::Done(result) => return Ok(result),
            Before::Unknown(_) => Box::pin(find).await?,
            Before::Fresh(_) => None,
        };
        let result = match found {
            Some(result) => result,
            None => Box::pin(act).await?,
        };
        self.observe(key, &result).await?;
        Ok(result)
    }
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ModelCall => "llm_call",
            Self::Push => "push",
            Self::PullRequest => "pull_request",
            Self::CheckRun => "check_run",
            Self::Review => "review",
            Self::Merge => "merge",
        }
    }
}

/// An answer that taught nothing new.
pub(super) fn answer(outcome: Outcome, note: impl Into<String>) -> Reply {
    learnt(outcome, note, Progress::default())
}

/// An answer and what was learnt on the way.
pub(super) fn learnt(outcome: Outcome, note: impl Into<String>, progress: Progress) -> Reply {
    Reply::Answer(Answer { outcome, note: note.into(), progress })
}

/// What the ledger kept.
pub(super) fn read<T: DeserializeOwned>(key: &str, result: Value) -> Result<T, Failure> {
    serde_json::from_value(result)
        .map_err(|error| Failure::last(format!("read what came of `{key}`: {error}")))
}
