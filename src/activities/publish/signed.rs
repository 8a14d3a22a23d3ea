//! Commits where a branch accepts signed ones only: the forge makes and signs them, since it signs nothing that is
//! pushed. The same change is committed here too, for its tests and to recognise the forge's commit by.

use super::{
    super::{Failure, attempt::Attempt},
    Offer,
};
use crate::{
    core::{edit::Written, sha::Sha},
    github::{BranchCommit, Committed, Kind},
    llm::Complaint,
    workspace::{Mirror, Push},
};

/// What the branch holds in place of our commit or beside it.
enum Found {
    /// The forge's commit of the same change: an earlier attempt asked for it.
    Made(Sha),
    /// The parent, so nothing was made yet.
    Parent,
    /// Something else; `None` without a branch.
    Other(Option<Sha>),
}

impl Attempt<'_> {
    /// Whether the run's commits must be signed, and the forge does that for our credential.
    pub(in super::super) async fn forge_signs(&self) -> Result<bool, Failure> {
        let forge = &self.factory.forge;
        if !forge.kind().signs_commits() {
            return Ok(false);
        }
        for branch in [&self.stored.spec.base_branch, self.branch()] {
            if forge.demands_signatures(&self.repo, branch).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why the forge cannot make a commit of these files: it would make every file a plain one.
    pub(super) async fn unsignable(
        &self,
        mirror: &Mirror,
        parent: &Sha,
        files: &[Written],
    ) -> Result<Option<Complaint>, Failure> {
        let kept = files.iter().filter(|file| file.after.is_some()).map(|file| &file.path);
        let executables = mirror.executables(parent, kept).await?;
        Ok(executables.first().map(|path| {
            Complaint::general(&format!(
                "`{path}` is executable and must stay as it is: the branch accepts signed commits only, and the forge, \
                 which makes them, would take that mode from the file"
            ))
        }))
    }

    /// Lets the forge make the commit `ours` on the branch, unless it is there already.
    pub(super) async fn commit_signed(
        &self,
        mirror: &Mirror,
        ours: &Sha,
        offer: Offer<'_>,
        message: &str,
    ) -> Result<(Sha, Push), Failure> {
        let (forge, branch, parent) = (&self.factory.forge, self.branch(), offer.parent);
        match self.found(mirror, ours, parent).await? {
            Found::Made(sha) => return Ok((sha, Push::Done)),
            Found::Parent => {}
            Found::Other(None) if offer.expected.is_none() => {
                forge.create_branch(&self.repo, branch, parent).await?;
            }
            Found::Other(now) => return Ok((ours.clone(), Push::Moved { now })),
        }
        self.check_lease()?;
        let commit = BranchCommit { branch, parent, message, files: offer.files };
        match forge.commit_on_branch(&self.repo, commit).await {
            Ok(Committed::Made(sha)) => self.confirmed(mirror, ours, sha).await,
            Ok(Committed::Moved) => match self.found(mirror, ours, parent).await? {
                Found::Made(sha) => Ok((sha, Push::Done)),
                Found::Parent => Err(Failure::retry("the forge does not show yet where the branch is")),
                Found::Other(now) => Ok((ours.clone(), Push::Moved { now })),
            },
            // A branch that was just created may not be known everywhere yet.
            Err(error) if error.kind() == Kind::NotFound => Err(Failure::retry(error)),
            Err(error) => Err(error.into()),
        }
    }

    /// What the branch holds at the forge right now.
    async fn found(&self, mirror: &Mirror, ours: &Sha, parent: &Sha) -> Result<Found, Failure> {
        let Some(now) = mirror.remote_branch(self.branch()).await? else { return Ok(Found::Other(None)) };
        if now == *parent {
            return Ok(Found::Parent);
        }
        mirror.fetch().await?;
        let is_ours = mirror.holds(&now).await? && mirror.is_made_as(&now, ours).await?;
        Ok(if is_ours { Found::Made(now) } else { Found::Other(Some(now)) })
    }

    /// The commit that the forge says it made, once we have it and it is the change that was tested.
    async fn confirmed(&self, mirror: &Mirror, ours: &Sha, made: Sha) -> Result<(Sha, Push), Failure> {
        mirror.fetch().await?;
        if !mirror.holds(&made).await? {
            return Err(Failure::retry(format!("the forge does not show its commit {} yet", made.short())));
        }
        if !mirror.is_made_as(&made, ours).await? {
            let (made, ours) = (made.short(), ours.short());
            return Err(Failure::last(format!("the forge's commit {made} is not the change of {ours}")));
        }
        Ok((made, Push::Done))
    }
}
