//! Judging every recorded decision again from its recorded facts.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Engine, Error};
use crate::{
    core::policy::{Difference, judged_again},
    store::assessment::{self, Decided},
};

/// How many decisions are read at once.
const PER_READ: i64 = 100;

/// Which decisions are judged again.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Those of this product; of all, if it is `None`.
    pub product: Option<String>,
    /// Those made at this time or later.
    pub since: Option<DateTime<Utc>>,
    /// At most so many, the newest; all, if it is `None`.
    pub most: Option<usize>,
}

/// What came of judging decisions again.
#[derive(Debug, Clone, Default)]
pub struct Rejudged {
    /// How many were judged again.
    pub judged: usize,
    /// Whether there are older ones that were not, because of `most`.
    pub is_cut: bool,
    /// Those that come out otherwise, or whose facts this release cannot read, newest first.
    pub differing: Vec<Differing>,
}

/// A decision that comes out otherwise than it was recorded.
#[derive(Debug, Clone)]
pub struct Differing {
    /// The decision, with its facts and its report.
    pub decided: Decided,
    /// What differs; empty if the facts cannot be read.
    pub differences: Vec<Difference>,
    /// Why the facts cannot be read.
    pub unreadable: Option<String>,
}

impl Rejudged {
    /// How many differ in what was decided, and not in its words alone.
    #[must_use]
    pub fn decide_otherwise(&self) -> usize {
        self.differing.iter().filter(|one| one.decides()).count()
    }
}

impl Differing {
    /// Whether it differs in what was decided, and not in its words alone.
    #[must_use]
    pub fn decides(&self) -> bool {
        self.unreadable.is_some() || self.differences.iter().any(|difference| difference.decides)
    }

    /// The run that it was made in.
    #[must_use]
    pub const fn run(&self) -> Uuid {
        self.decided.run_id
    }
}

impl Engine {
    /// Judges recorded decisions again, newest first. Nothing is changed.
    ///
    /// # Errors
    /// [`Error::Store`] when the database does not answer.
    pub async fn judge_again(&self, which: &Which) -> Result<Rejudged, Error> {
        let mut all = Rejudged::default();
        let mut before = i64::MAX;
        let (product, since) = (which.product.as_deref(), which.since);
        loop {
            let rows = assessment::before(self.pool(), before, product, since, PER_READ).await?;
            let Some(last) = rows.last() else { return Ok(all) };
            before = last.id;
            for decided in rows {
                if which.most.is_some_and(|most| all.judged >= most) {
                    all.is_cut = true;
                    return Ok(all);
                }
                all.judged += 1;
                all.differing.extend(differing(decided));
            }
            // Judging takes a while and waits for nothing: other tasks of this thread come first.
            tokio::task::yield_now().await;
        }
    }
}

fn differing(decided: Decided) -> Option<Differing> {
    match judged_again(&decided.stage, &decided.facts, &decided.report) {
        Ok(differences) if differences.is_empty() => None,
        Ok(differences) => Some(Differing { decided, differences, unreadable: None }),
        Err(why) => Some(Differing { decided, differences: Vec::new(), unreadable: Some(why) }),
    }
}
