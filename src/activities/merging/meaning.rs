//! What follows for the run from a merge that was not made: a wait with a name, another step, or a person.

use super::super::{
    Reply,
    attempt::{Attempt, answer},
    wait::{wait, wait_for_people},
};
use crate::{
    core::{run::Awaited, workflow::Outcome},
    github::{Meaning, NotMerged},
};

/// How many open conversations are named.
const LISTED: usize = 5;

/// What follows from GitHub's reason.
pub(super) async fn means(at: &Attempt<'_>, NotMerged { meaning, why }: NotMerged) -> Reply {
    let base = &at.stored.spec.base_branch;
    match meaning {
        Meaning::HeadMoved => answer(Outcome::Moved, "the forge says that the head moved"),
        Meaning::NotYet => wait(at, format!("the forge to be ready for the merge: {why}")),
        Meaning::RulesUnmet => {
            let open = open_conversations(at).await;
            wait(at, format!("what the rules of `{base}` demand: {why}{open}"))
        }
        Meaning::Draft => {
            wait_for_people(at, "the pull request, which is a draft".to_owned(), Awaited::Keepers)
        }
        Meaning::Behind | Meaning::Conflict => {
            answer(Outcome::Behind, format!("the forge cannot merge it into `{base}` as it is: {why}"))
        }
        Meaning::Closed => answer(Outcome::Closed, format!("the pull request is no longer open: {why}")),
        Meaning::QueueOnly => answer(
            Outcome::Refused,
            format!("`{base}` takes merges from its merge queue, which cannot be asked here: {why}"),
        ),
        Meaning::Method => answer(
            Outcome::Refused,
            format!(
                "the repository does not allow the merge method of the policy or the product: {why}; {}",
                allowed_methods(at).await
            ),
        ),
        Meaning::NotPermitted => {
            answer(Outcome::Refused, format!("the forge does not allow us to merge: {why}"))
        }
        Meaning::Unknown => answer(Outcome::Refused, format!("the forge cannot merge: {why}")),
    }
}

/// The open conversations on lines, which may be what the rules demand where we may not read them; nothing if there are
/// none, or if the forge does not say.
async fn open_conversations(at: &Attempt<'_>) -> String {
    let Some(pull) = at.progress().pull else { return String::new() };
    let threads = at.factory.forge.threads(&at.repo, pull).await.unwrap_or_default();
    let open = threads.iter().filter(|thread| !thread.is_resolved);
    let urls: Vec<&str> = open.filter_map(|thread| Some(thread.first()?.url.as_str())).take(LISTED).collect();
    if urls.is_empty() { String::new() } else { format!("; conversations are open at {}", urls.join(", ")) }
}

/// The merge methods that would be allowed, as far as the forge says.
async fn allowed_methods(at: &Attempt<'_>) -> String {
    match at.factory.forge.merge_methods(&at.repo, &at.stored.spec.base_branch).await {
        Ok(methods) => format!(
            "{}; set one of them for the product, or in the policy if that names one, then retry the run",
            methods.sentence()
        ),
        Err(error) => format!("which it allows cannot be read: {error}"),
    }
}

/// What follows from what the pull request shows before a merge is asked for.
pub(super) async fn wanting(at: &Attempt<'_>, meaning: Meaning) -> Reply {
    let why = match meaning {
        Meaning::NotYet => "it has not worked out yet whether it merges",
        Meaning::RulesUnmet => "it shows the pull request as blocked",
        Meaning::Behind => "the branch is behind, and a rule wants it up to date",
        Meaning::Conflict => "it conflicts with the base",
        Meaning::HeadMoved
        | Meaning::Draft
        | Meaning::Closed
        | Meaning::QueueOnly
        | Meaning::Method
        | Meaning::NotPermitted
        | Meaning::Unknown => "it says no more",
    };
    means(at, NotMerged { meaning, why: why.to_owned() }).await
}
