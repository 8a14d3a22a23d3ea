//! Test: the product's own tests run on a head that others pushed, where the product asks for it. In the sandbox or not at
//! all: what runs is anybody's code.

use std::future::ready;

use super::{
    Failure, Reply,
    attempt::{Attempt, answer, moved},
    ledger::{TestIntent, Tests},
};
use crate::{
    core::{policy::OwnTests, sha::Sha, workflow::Outcome},
    store::effect,
};

pub(super) async fn perform(at: &Attempt<'_>) -> Result<Reply, Failure> {
    let (head, pull) = (at.head()?, at.pull().await?);
    if pull.head_sha != head {
        return Ok(moved(&head, &pull.head_sha));
    }
    let mirror = at.mirror().await?;
    let (key, intent) = (key(&head), TestIntent { head: head.clone() });
    // A run that was cut off is made again: nobody else has seen it.
    let tests = at.once(&key, &intent, ready(Ok(None)), at.test(&mirror, &head)).await?;
    Ok(answer(Outcome::Tested, format!("{tests} on {}", head.short())))
}

impl Attempt<'_> {
    /// What our own run of the tests of a head came to; `None` where the product leaves them to the forge's checks, or they
    /// have not run yet.
    pub(super) async fn own_tests(&self, head: &Sha) -> Result<Option<OwnTests>, Failure> {
        if !self.brief.theirs().is_some_and(|theirs| theirs.tests) {
            return Ok(None);
        }
        let key = key(head);
        let recorded = match self.observed::<TestIntent>(&key).await? {
            Some(tests) => Some(tests),
            None => {
                let inherited = effect::inherited(&self.factory.pool, self.lease.run, &key).await?;
                inherited.map(|result| super::ledger::observation::<TestIntent>(&key, result)).transpose()?
            }
        };
        Ok(recorded.map(|tests| match tests {
            Tests::Passed => OwnTests::Passed,
            Tests::Failed(_) => OwnTests::Failed,
            Tests::NotRun(why) => OwnTests::NotRun(why),
        }))
    }
}

fn key(head: &Sha) -> String {
    format!("tests/{}", head.short())
}
