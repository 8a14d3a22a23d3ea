//! The merge call, and what its answers mean for the run.

use std::time::Duration;

use super::{
    super::{Failure, Reply, attempt::Attempt, ledger::MergeOrderIntent, wait::wait},
    meaning::{means, wanting},
    order::Orders,
    settled::{became, record},
    stack,
};
use crate::{
    core::{merge_method::MergeMethod, policy::Clearance, workflow::Queue},
    github::{Meaning, Merge, Order, PendingMerge, Pull, hindrance, text},
    store::{hold, product},
};

/// When a merge that is held is tried again; it is claimed only once the hold is released.
const HELD: Duration = Duration::from_secs(1);

/// Merges the cleared head. The caller has judged it a moment ago, and compared the base.
///
/// What GitHub shows as blocked is never merged past, even where we could bypass the rule.
pub(in super::super) async fn call(
    at: &Attempt<'_>,
    key: &str,
    pull: &Pull,
    clearance: &Clearance,
) -> Result<Reply, Failure> {
    // The first read makes GitHub work out whether it merges; the second one shows it, as a rule.
    let again = match hindrance(pull) {
        Some(Meaning::NotYet) => Some(at.pull().await?),
        Some(_) | None => None,
    };
    let pull = again.as_ref().unwrap_or(pull);
    if let Some(meaning) = hindrance(pull) {
        return Ok(wanting(at, meaning).await);
    }
    if let Some(wait) = stack::below(at, pull).await? {
        return Ok(wait);
    }
    // A hold that was placed while this attempt ran: nothing is merged until it is released.
    let concerned = std::iter::once(&at.stored.spec.product).chain(&at.brief.products);
    let concerned: Vec<String> = concerned.cloned().collect();
    if let Some(hold) = hold::of(&at.factory.pool, &concerned, Queue::Github.as_str()).await? {
        return Err(Failure::Snooze { until: HELD, why: format!("hold:{}", hold.scope) });
    }
    at.check_lease()?;
    let head = clearance.head();
    let orders = Orders::read(at, key).await?;
    orders.begin(at, &MergeOrderIntent { pull: pull.number, sha: head.clone() }).await?;
    let merge = order(at, key, pull, clearance).await?;
    let uuid = match &merge {
        Merge::Pending(PendingMerge { uuid, head: Some(pending) }) if pending == head => Some(uuid.clone()),
        Merge::Pending(_) | Merge::Merged(_) | Merge::Enqueued(_) | Merge::Refused(_) => None,
    };
    let ours = uuid.is_some();
    orders.observe(at, uuid).await?;
    match merge {
        Merge::Merged(sha) => record(at, key, sha, head.clone()).await,
        Merge::Refused(refused) => Ok(means(at, refused).await),
        Merge::Pending(_) if !ours => Ok(wait(
            at,
            "another merge of this pull request to end, which is not of the cleared head".to_owned(),
        )),
        Merge::Pending(_) | Merge::Enqueued(_) => became(at, key, merge, head, at.stored.now).await,
    }
}

/// The merge method: what the policy at the base names, and else the product's as it is now; of several products that a pull
/// request is judged for, the first one's.
async fn method(at: &Attempt<'_>, clearance: &Clearance) -> Result<MergeMethod, Failure> {
    if let Some(method) = clearance.merge_method() {
        return Ok(method);
    }
    let product = product::get(&at.factory.pool, &at.brief.products[0]).await?;
    product.map_or(Ok(MergeMethod::Merge), |product| product.merge_method.parse().map_err(Failure::last))
}

async fn order(at: &Attempt<'_>, key: &str, pull: &Pull, clearance: &Clearance) -> Result<Merge, Failure> {
    let title = format!("{} (#{})", text::line(&pull.title), pull.number);
    let order = Order {
        method: method(at, clearance).await?,
        title: &title,
        message: &at.signed("", key),
        stacked: pull.stack.is_some(),
    };
    Ok(at.factory.forge.merge(&at.repo, pull.number, clearance, order).await?)
}
