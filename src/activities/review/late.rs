//! What apps on the forge have said of a head after its review was recorded: it counts as well, until the merge.

use super::{Reviewing as _, Seen, Subject, forge::OnForge};
use crate::{
    activities::{Failure, attempt::Attempt},
    core::{push::Arrival, reviewer::Maker, sha::Sha},
    store::review,
    workspace::Mirror,
};

impl Attempt<'_> {
    /// Adds to the review of a head what apps on the forge have found since; nothing where there is no review yet.
    pub(in crate::activities) async fn add_late_findings(
        &self,
        mirror: &Mirror,
        (pull, arrival): (u64, Arrival),
        (base, head): (&Sha, &Sha),
    ) -> Result<(), Failure> {
        let (pool, run) = (&self.factory.pool, self.lease.run);
        let reviewers = self.reviewers().await?;
        if !reviewers.iter().any(|it| matches!(it.maker, Maker::Forge(_)))
            || review::of_head(pool, run, head.as_str()).await?.is_none()
        {
            return Ok(());
        }
        let subject = Subject { mirror, pull, base, head, diff: None, arrival };
        for reviewer in &reviewers {
            let Maker::Forge(app) = &reviewer.maker else { continue };
            if let Seen::Complete { findings, .. } = (OnForge { reviewer, app }).look(self, &subject).await? {
                review::add(pool, run, head, &findings).await?;
            }
        }
        Ok(())
    }
}
