//! Stacked pull requests: a merge takes every layer below along, so each of them must be cleared as well.

use super::super::{Failure, Reply, attempt::Attempt, wait::wait};
use crate::{github::Pull, store::assessment};

/// The wait for the layers below that are not cleared; `None` if nothing is below, or all of it is cleared.
pub(super) async fn below(at: &Attempt<'_>, pull: &Pull) -> Result<Option<Reply>, Failure> {
    if pull.stack.is_none() {
        return Ok(None);
    }
    let layers = at.factory.forge.layers(&at.repo, pull.number).await?;
    if !layers.iter().any(|layer| layer.number == pull.number) {
        return Ok(Some(wait(at, "its stack, whose layers the forge does not show".to_owned())));
    }
    let below = layers.iter().take_while(|layer| layer.number != pull.number);
    let mut uncleared = Vec::new();
    for layer in below.filter(|layer| layer.open) {
        let number = i64::try_from(layer.number).map_err(Failure::last)?;
        let (pool, repository) = (&at.factory.pool, &at.stored.spec.repository);
        if !assessment::has_cleared(pool, repository, number, layer.head.as_str()).await? {
            uncleared.push(format!("#{} at {}", layer.number, layer.head.short()));
        }
    }
    if uncleared.is_empty() {
        return Ok(None);
    }
    Ok(Some(wait(at, format!("the layers below it in its stack to be cleared: {}", uncleared.join(", ")))))
}
