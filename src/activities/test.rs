//! Test: the product's own tests run on a head that others pushed, where the product asks for it. In the sandbox or not at
//! all: what runs is anybody's code.

use super::{
    Failure, Reply,
    attempt::{Attempt, answer, moved},
};
use crate::core::workflow::Outcome;

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let (head, pull) = (at.head()?, at.pull().await?);
    if pull.head_sha != head {
        return Ok(moved(&head, &pull.head_sha));
    }
    let mirror = at.mirror().await?;
    let base = at.base(&mirror).await?;
    // A run that was cut off is made again: nobody else has seen it.
    let facts = at.test_facts(&mirror, &base, &head).await?;
    let said = match (&facts.withheld, &facts.head) {
        (Some(withheld), _) => withheld.awaited().or_else(|| withheld.refusal()).unwrap_or_default(),
        (None, Some(head)) => head.sentence(),
        (None, None) => "were not asked for".to_owned(),
    };
    Ok(answer(Outcome::Tested, format!("tests of {}: {said}", head.short())))
}
