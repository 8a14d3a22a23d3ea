//! A policy tried on the changes that were merged into a branch, beside today's one.

use crate::{
    core::{
        policy::{Error, Simulation, Trial, simulate},
        requirement::ProductName,
        sha::Sha,
    },
    workspace::{self, Mirror},
};

/// A policy that was tried.
#[derive(Debug, Clone)]
pub struct Tried {
    /// The policy that was tried.
    pub tried: Trial,
    /// The one that it was compared with, or why there is none.
    pub today: Result<Trial, Error>,
    /// What came of it.
    pub simulation: Simulation,
}

/// Today's policy: the one at a commit, for these products.
///
/// # Errors
/// When git fails. That the policy is refused is in the answer.
pub async fn policy_today(
    mirror: &Mirror,
    commit: &Sha,
    products: &[ProductName],
) -> Result<Result<Trial, Error>, workspace::Error> {
    let text = mirror.policy(commit).await?;
    Ok(Trial::new(text.as_deref(), products))
}

/// Tries a policy on the newest changes of a branch that ends at `head`, at most `most`. Nothing is changed.
///
/// # Errors
/// When git fails or lacks something.
pub async fn try_policy(
    mirror: &Mirror,
    head: &Sha,
    most: usize,
    tried: Trial,
    today: Result<Trial, Error>,
) -> Result<Tried, workspace::Error> {
    let is_document =
        |path: &str| tried.is_document(path) || today.as_ref().is_ok_and(|today| today.is_document(path));
    let past = mirror.past_changes(head, most, is_document).await?;
    let judge = move || Tried { simulation: simulate(&past, &tried, today.as_ref().ok()), tried, today };
    // Thousands of paths and patterns take a while, in which other tasks of this thread would wait.
    let judged = tokio::task::spawn_blocking(judge).await;
    judged.map_err(|error| workspace::Error::Io { doing: "try the policy", source: error.into() })
}
