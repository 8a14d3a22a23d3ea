//! Approvals that a push makes stale.

use super::{
    host::Turn,
    refusal::Refusal,
    rules,
    state::{Pull, Review},
};

/// Dismisses the approvals of a pull request whose new head has another diff, where its base wants that; the dismissed
/// ones. A head that only brings the base in keeps them (docs.github.com "About protected branches").
pub(crate) async fn dismiss(
    turn: &Turn<'_>,
    repo: &str,
    pull: &Pull,
    after: &str,
) -> Result<Vec<Review>, Refusal> {
    let wanted =
        |it: &_| rules::of_branch(it, &pull.base_ref).iter().any(|(_, rules)| rules.dismiss_stale_reviews);
    if !turn.read(repo, wanted)? {
        return Ok(Vec::new());
    }
    let git = turn.git(repo);
    let base = git.branch(&pull.base_ref).await?.unwrap_or_else(|| pull.base_sha.clone());
    if git.patch_id(&base, &pull.head_sha).await? == git.patch_id(&base, after).await? {
        return Ok(Vec::new());
    }
    Ok(turn.write(repo, |it, _| {
        let stale = |review: &&mut Review| review.pull == pull.number && review.state == "APPROVED";
        let dismiss = |review: &mut Review| {
            "DISMISSED".clone_into(&mut review.state);
            review.clone()
        };
        it.reviews.iter_mut().filter(stale).map(dismiss).collect()
    })?)
}
