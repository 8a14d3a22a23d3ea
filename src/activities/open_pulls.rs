//! How many pull requests of ours may be open in a repository at once. A run that would open one more waits before a model
//! is paid, so that a mistake (a schedule, a loop of another system) cannot flood a repository.

use super::{Failure, Reply, attempt::Attempt, wait::wait_rarely};
use crate::{
    core::retro::WAITS_FOR_PLACE,
    store::{open_pull, product},
};

/// Takes a place for this run's pull request; the wait for one, if all are taken.
pub(super) async fn take_place(at: &Attempt<'_>) -> Result<Option<Reply>, Failure> {
    let (pool, run, repository) = (&at.factory.pool, at.lease.run, at.repo.to_string());
    let product = product::get(pool, &at.stored.spec.product).await?;
    let most = product.and_then(|product| product.open_pulls).unwrap_or(product::OPEN_PULLS);
    // Only where what is stored leaves no place is the forge asked what people have closed or merged.
    if open_pull::take_place(pool, run, &repository, most.into(), None).await? {
        return Ok(None);
    }
    let open = at.factory.forge.open_branches(&at.repo).await?;
    if open_pull::take_place(pool, run, &repository, most.into(), Some(&open)).await? {
        return Ok(None);
    }
    let reason = format!("{WAITS_FOR_PLACE}{repository} to be merged or closed; at most {most} may be open");
    Ok(Some(wait_rarely(at, reason)))
}
