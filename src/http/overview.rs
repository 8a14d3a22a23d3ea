//! A product at a glance, for REST and the pages.

use crate::{
    api::{BaseCheck, Overview, PolicyOverview, ReviewerFigures, ShadowFigures},
    core::policy::Facts,
    store::{self, Pool, overview, product::Product, shadow},
};

/// Reads everything that is known of a product. The policy is the one that its changes were last judged by: nothing
/// is asked of the forge.
pub(crate) async fn of(pool: &Pool, product: Product) -> store::Result<Overview> {
    let name = product.name.as_str();
    let judged = overview::judged(pool, name).await?;
    let facts = judged.and_then(|judged| serde_json::from_value::<Facts>(judged.facts).ok());
    let (runs, reviews) = (overview::runs(pool, name).await?, overview::reviews(pool, name).await?);
    let found = overview::findings(pool, name).await?;
    Ok(Overview {
        policy: facts.as_ref().map(PolicyOverview::of),
        base: facts.as_ref().map(BaseCheck::all).unwrap_or_default(),
        runs: runs.into(),
        reviewers: ReviewerFigures::all(reviews, found),
        shadow: ShadowFigures::of(shadow::counts(pool, name).await?),
        product: product.into(),
    })
}
