//! Close: the merged pull request is looked at for its case, the clock of the gap is stopped, and the incident is laid to the
//! run whose change caused it.

use super::{
    Failure, Reply,
    attempt::{Attempt, answer},
    gap,
};
use crate::core::workflow::Outcome;

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let about = at.brief.gap().ok_or_else(|| Failure::last("the run is about no harness gap"))?;
    let number = at.progress().pull.ok_or_else(|| Failure::last("the run has no pull request yet"))?;
    let Some(case) = gap::merged_case(&at.factory.forge, &at.repo, number).await? else {
        return Ok(answer(
            Outcome::Caseless,
            format!("#{number} was merged without a case below tests/harness/"),
        ));
    };
    gap::convert(at.factory, about.id, &case).await?;
    // Who caused it is reported where git can tell it; the case counts either way.
    if let Err(failure) = gap::blame(at, about).await {
        tracing::warn!(gap.id = %about.id, ?failure, "the lines of a fix were not blamed");
    }
    Ok(answer(Outcome::Converted, format!("#{number} merged the case: {}", case.files.join(", "))))
}
