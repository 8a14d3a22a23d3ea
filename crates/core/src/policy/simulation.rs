//! What a policy would have said of changes that were merged, side by side with another one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Contents, Outlook, Revised, Tier, Trial};
use crate::{change::Change, requirement::ProductName, sha::Sha};

/// One change that was merged: a commit of the base branch against its first parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastChange {
    /// The commit by which it is on the base branch.
    pub commit: Sha,
    /// What the base branch was before.
    pub parent: Sha,
    /// The first line of the commit's message, which anybody may have written.
    pub subject: String,
    /// When it was committed.
    pub committed_at: DateTime<Utc>,
    /// What it changed.
    pub change: Change,
    /// What reading the changed files found.
    pub contents: Contents,
    /// Bytes of the textual diff; `None` where they are surely below the limit.
    pub diff_bytes: Option<u64>,
}

/// What two policies say of one change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulated {
    /// The commit.
    pub commit: Sha,
    /// The first line of its message.
    pub subject: String,
    /// When it was committed.
    pub committed_at: DateTime<Utc>,
    /// How many paths it changed.
    pub files: usize,
    /// What the policy that is tried says.
    pub said: Outlook,
    /// What today's policy says; `None` if that cannot be read.
    pub today: Option<Outlook>,
}

/// What came of a simulation, newest change first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Simulation {
    /// The changes.
    pub changes: Vec<Simulated>,
    /// What they come to.
    pub summary: Summary,
    /// How the two policies differ and what that would have meant, one sentence each.
    pub words: Vec<String>,
}

/// What a simulation comes to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How many changes were looked at.
    pub changes: usize,
    /// How many of them each tier has, by the policy that is tried.
    pub tiers: BTreeMap<Tier, usize>,
    /// How many of them each tier has today.
    pub tiers_today: BTreeMap<Tier, usize>,
    /// How many have another tier than today.
    pub moved: Vec<Moved>,
    /// How many need a number of approvals more than today (negative: fewer).
    pub approvals: BTreeMap<i64, usize>,
    /// How many need a check that they do not need today.
    pub checks_more: BTreeMap<String, usize>,
    /// How many do not need a check that they need today.
    pub checks_fewer: BTreeMap<String, usize>,
    /// How many would have been blocked, by the policy that is tried.
    pub blocked: usize,
    /// How many are blocked today.
    pub blocked_today: usize,
}

/// How many changes have another tier than today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Their tier today.
    pub from: Tier,
    /// Their tier by the policy that is tried.
    pub to: Tier,
    /// How many.
    pub count: usize,
}

impl Simulated {
    /// Whether the two policies say different things of it.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.today.as_ref().is_some_and(|today| {
            let essence = |said: &Outlook| {
                (said.tier, said.checks.clone(), said.approvals, said.people, said.blocked.clone())
            };
            essence(today) != essence(&self.said)
        })
    }
}

/// Tries a policy on changes, newest first, beside today's one.
#[must_use]
pub fn simulate(past: &[PastChange], tried: &Trial, today: Option<&Trial>) -> Simulation {
    let say = |trial: &Trial, past: &PastChange| {
        let placed = trial.classify(&past.change, Some(&past.contents), past.diff_bytes);
        trial.say(&past.change, &placed)
    };
    let changes: Vec<Simulated> = past
        .iter()
        .map(|past| Simulated {
            commit: past.commit.clone(),
            subject: past.subject.clone(),
            committed_at: past.committed_at,
            files: past.change.files.len(),
            said: say(tried, past),
            today: today.map(|today| say(today, past)),
        })
        .collect();
    let policies = today.and_then(Trial::policy).zip(tried.policy());
    let revised = policies.map(|(before, after)| super::revised(before, after)).unwrap_or_default();
    let words = words(&changes, &revised);
    Simulation { summary: Summary::of(&changes), changes, words }
}

impl Summary {
    fn of(changes: &[Simulated]) -> Self {
        let mut summary = Self { changes: changes.len(), ..Self::default() };
        let mut moved: BTreeMap<(Tier, Tier), usize> = BTreeMap::new();
        for change in changes {
            let said = &change.said;
            *summary.tiers.entry(said.tier).or_default() += 1;
            summary.blocked += usize::from(said.blocked.is_some());
            let Some(today) = &change.today else { continue };
            *summary.tiers_today.entry(today.tier).or_default() += 1;
            summary.blocked_today += usize::from(today.blocked.is_some());
            if today.tier != said.tier {
                *moved.entry((today.tier, said.tier)).or_default() += 1;
            }
            let more = i64::from(said.approvals) - i64::from(today.approvals);
            if more != 0 {
                *summary.approvals.entry(more).or_default() += 1;
            }
            for (checks, others, counts) in [
                (&said.checks, &today.checks, &mut summary.checks_more),
                (&today.checks, &said.checks, &mut summary.checks_fewer),
            ] {
                for check in checks.iter().filter(|check| !others.contains(check)) {
                    *counts.entry(check.clone()).or_default() += 1;
                }
            }
        }
        let moved = moved.into_iter().map(|((from, to), count)| Moved { from, to, count });
        Self { moved: moved.collect(), ..summary }
    }

    /// What it comes to beside today's policy, one sentence each; nothing if nothing differs.
    fn sentences(&self) -> Vec<String> {
        let mut all = self.consequences();
        let checks = self.checks_more.iter().map(|(check, count)| (check, count, "have needed"));
        let fewer = self.checks_fewer.iter().map(|(check, count)| (check, count, "not have needed"));
        for (check, count, word) in checks.chain(fewer) {
            all.push(format!("{} would {word} the check `{check}`", self.share(*count)));
        }
        if self.blocked != self.blocked_today {
            let (now, today) = (self.share(self.blocked), self.blocked_today);
            all.push(format!(
                "{now} would have been blocked for documents that were left behind, today {today}"
            ));
        }
        all
    }

    fn consequences(&self) -> Vec<String> {
        let approvals = self.approvals.iter().map(|(more, count)| {
            let word = if *more < 0 { "fewer" } else { "more" };
            let noun = if more.abs() == 1 { "approval" } else { "approvals" };
            format!("{} would have needed {} {noun} {word}", self.share(*count), number(more.unsigned_abs()))
        });
        let moved = self.moved.iter().map(|moved| {
            format!("{} would have been {} instead of {}", self.share(moved.count), moved.to, moved.from)
        });
        approvals.chain(moved).collect()
    }

    fn share(&self, count: usize) -> String {
        match self.changes {
            1 => format!("{count} of 1 change"),
            all => format!("{count} of the last {all} changes"),
        }
    }
}

/// How two policies differ, each difference with what it would have meant, and what all of them together would have
/// meant beyond that.
fn words(changes: &[Simulated], revised: &[Revised]) -> Vec<String> {
    let mut words: Vec<String> = revised.iter().map(|one| sentence(changes, one)).collect();
    let together = Summary::of(changes).sentences();
    let new = together.into_iter().filter(|all| !words.iter().any(|word| word.contains(all.as_str())));
    let new: Vec<String> = new.map(|sentence| format!("together: {sentence}")).collect();
    words.extend(new);
    words
}

fn sentence(changes: &[Simulated], revised: &Revised) -> String {
    let Some(pattern) = &revised.pattern else { return revised.sentence.clone() };
    let decides = |said: &Outlook| {
        let is_it = |(product, rule): &(Option<ProductName>, String)| {
            product == &revised.product
                && rule.strip_suffix(" (but for letter case)").unwrap_or(rule) == pattern
        };
        said.deciding.iter().any(is_it)
    };
    let touched = |it: &&Simulated| decides(&it.said) || it.today.as_ref().is_some_and(decides);
    let touched: Vec<Simulated> = changes.iter().filter(touched).cloned().collect();
    let all = Summary { changes: changes.len(), ..Summary::default() };
    let meant = Summary { changes: changes.len(), ..Summary::of(&touched) }.consequences();
    let meant = match (touched.len(), meant.is_empty()) {
        (0, _) => format!("it decides nothing of {}", all.share(0).trim_start_matches("0 of ")),
        (count, true) => format!("{} come out alike", all.share(count)),
        (_, false) => meant.join(", "),
    };
    format!("{}; {meant}", revised.sentence)
}

fn number(count: u64) -> String {
    match count {
        1 => "one".to_owned(),
        2 => "two".to_owned(),
        3 => "three".to_owned(),
        more => more.to_string(),
    }
}
