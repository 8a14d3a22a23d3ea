//! How the head became the head: from our own pushes, those that webhooks announced, and the forge's timeline.

use super::{
    Failure,
    attempt::Attempt,
    ledger::{Observed, Pushed, position},
};
use crate::{
    core::{
        push::{Arrival, Pushes},
        sha::Sha,
    },
    github::Pull,
    store::signal,
    workspace::Mirror,
};

impl Attempt<'_> {
    /// How the pull request's head became the head; `pushes` are our own.
    pub(super) async fn arrival(
        &self,
        (mirror, base): (&Mirror, &Sha),
        pull: &Pull,
        pushes: &[Observed<Pushed>],
    ) -> Result<Arrival, Failure> {
        let (head, spec) = (&pull.head_sha, &self.stored.spec);
        let own = position(pushes, head);
        let up_to = own.map_or(0, |own| own + 1);
        let created = pushes.iter().take(up_to).filter_map(|push| push.observation.branched_from.clone());
        let before = pushes.iter().take(own.unwrap_or_default()).map(|push| push.observation.sha.clone());
        let commits = mirror.commits(base, head).await?;
        let parent = commits.iter().find(|it| it.sha == *head).and_then(|it| it.parents.first().cloned());
        let below = commits.into_iter().map(|it| it.sha).filter(|sha| sha != head);
        let before = before.chain(created).chain(below);
        let announced = signal::pushes(&self.factory.pool, &spec.repository, &spec.branch).await?;
        let pushes = Pushes {
            ours: own.map(|own| pushes[own].at),
            parent,
            before: before.collect(),
            announced: announced.into_iter().filter_map(|(sha, at)| Some((sha.parse().ok()?, at))).collect(),
            forced: self.factory.forge.forced_pushes(&self.repo, pull.number).await?,
        };
        Ok(pushes.arrival(head))
    }
}
