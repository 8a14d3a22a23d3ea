//! What one run counts.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::{Approved, Facts, FindingCount, Happening, Objectives, time};

/// The tier of a run that was never judged.
pub const NO_TIER: &str = "none";
/// The figures that rest on the history: they are kept when retention has deleted it.
const OF_HISTORY: [&str; 8] =
    ["merged", "cleared", "rounds", "opened", "cycle", "first_pull", "spent", "step"];

/// What a run counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// When it counts: at the merge, else at the end.
    pub counted_at: DateTime<Utc>,
    /// The product.
    pub product: String,
    /// The tier, or [`NO_TIER`].
    pub tier: String,
    /// Milliseconds from the submission to the merge, for our own changes.
    pub cycle_ms: Option<i64>,
    /// Milliseconds from the submission to the first pull request, for our own changes.
    pub first_pull_ms: Option<i64>,
    /// The objectives that it is held against: those of when it was counted first.
    pub objectives: Objectives,
    /// What it adds to which figure. `docs/METRICS.md` lists them.
    pub figures: BTreeMap<String, i64>,
}

impl Measure {
    /// What a run counts. `before` is what it counted until now: its objectives stay, and what rests on the history stays
    /// where that is deleted.
    #[must_use]
    pub fn of(facts: &Facts, before: Option<&Self>) -> Self {
        let objectives = before.map_or(facts.objectives, |before| before.objectives);
        let mut measure = Self {
            counted_at: facts.ended_at,
            product: facts.product.clone(),
            tier: facts.tier.clone().unwrap_or_else(|| NO_TIER.to_owned()),
            cycle_ms: None,
            first_pull_ms: None,
            objectives,
            figures: BTreeMap::new(),
        };
        match (&facts.history, before) {
            (Some(history), _) => measure.read(facts, history),
            (None, Some(before)) => measure.keep(before),
            (None, None) => measure.read(facts, &[]),
        }
        measure.ends(facts);
        measure.costs(facts);
        measure.finds(facts);
        if let Some((covered, total)) = facts.coverage.filter(|_| facts.is_ours && facts.is_merged) {
            measure.set("coverage.covered", covered);
            measure.set("coverage.total", total);
        }
        measure.count("incident", facts.incidents);
        measure
    }

    /// The day that it counts on, in UTC.
    #[must_use]
    pub fn day(&self) -> NaiveDate {
        self.counted_at.date_naive()
    }

    fn set(&mut self, figure: &str, amount: i64) {
        self.figures.insert(figure.to_owned(), amount);
    }

    /// Adds to a figure; nothing is no figure.
    fn count(&mut self, figure: &str, amount: i64) {
        if amount != 0 {
            *self.figures.entry(figure.to_owned()).or_default() += amount;
        }
    }

    fn keep(&mut self, before: &Self) {
        self.counted_at = before.counted_at;
        self.cycle_ms = before.cycle_ms;
        self.first_pull_ms = before.first_pull_ms;
        let kept = before.figures.iter().filter(|(name, _)| {
            OF_HISTORY.contains(&name.split_once('.').map_or(name.as_str(), |(head, _)| head))
        });
        self.figures.extend(kept.map(|(name, amount)| (name.clone(), *amount)));
    }

    fn read(&mut self, facts: &Facts, history: &[Happening]) {
        let merge = history.iter().position(|event| event.has_merged).filter(|_| facts.is_merged);
        if let Some(event) = merge.map(|place| &history[place]) {
            self.counted_at = event.at;
        }
        if !facts.is_ours {
            return;
        }
        self.opens(facts, history);
        let rounds = history.iter().filter(|event| event.is_round()).count();
        let rounds = i64::try_from(rounds).unwrap_or(i64::MAX);
        self.count("rounds", rounds);
        let is_cleared = history.iter().any(|event| event.outcome.as_deref() == Some("cleared"));
        if is_cleared || (facts.is_merged && !facts.is_unjudged) {
            self.set("cleared", 1);
            if rounds == 0 {
                self.set("cleared.first_pass", 1);
            }
        }
        if facts.is_merged {
            self.set("merged", 1);
            self.set(how(facts, merge.map(|place| &history[place])), 1);
        }
        if let Some(place) = merge {
            self.takes(facts, &history[..=place]);
        }
    }

    fn opens(&mut self, facts: &Facts, history: &[Happening]) {
        let Some(event) = history.iter().find(|event| event.has_pull) else { return };
        self.set("opened", 1);
        // A fork takes over the pull request of an earlier run, which counts it.
        if event.kind == "forked" {
            return;
        }
        let ms = (event.at - facts.submitted_at).num_milliseconds().max(0);
        self.first_pull_ms = Some(ms);
        self.set("first_pull", ms);
        if ms <= i64::from(self.objectives.first_pull_minutes) * 60_000 {
            self.set("first_pull.met", 1);
        }
    }

    fn takes(&mut self, facts: &Facts, history: &[Happening]) {
        let spent = time::spent(facts.submitted_at, history);
        let ms = spent.by_cause.values().sum();
        self.cycle_ms = Some(ms);
        self.set("cycle", ms);
        if ms <= i64::from(self.objectives.loop_minutes) * 60_000 {
            self.set("cycle.met", 1);
        }
        for (cause, ms) in spent.by_cause {
            self.set(&format!("spent.{cause}"), ms);
        }
        for (step, ms) in spent.by_step {
            self.set(&format!("step.{step}"), ms);
        }
    }

    fn ends(&mut self, facts: &Facts) {
        if !facts.is_ours {
            self.set("theirs", 1);
            if facts.is_merged {
                self.set("theirs.merged", 1);
            }
            return;
        }
        self.set("ended", 1);
        self.set(&format!("ended.{}", facts.ended_as), 1);
    }

    fn costs(&mut self, facts: &Facts) {
        self.count("tokens", facts.tokens);
        self.count("cost", facts.micro_dollars);
        if facts.is_ours && facts.is_merged {
            self.count("cost_of_merged", facts.micro_dollars);
        }
        if facts.tokens > 0 && facts.micro_dollars == 0 {
            self.set("unpriced", 1);
        }
    }

    fn finds(&mut self, facts: &Facts) {
        for found in &facts.findings {
            let FindingCount { reviewer, severity, state, count } = found;
            self.count(&format!("finding.{severity}"), *count);
            self.count(&format!("finding.{severity}.{state}"), *count);
            // The same findings as on the page of a product: only those that can hold a merge say how right a reviewer was.
            let is_actionable = matches!(severity.as_str(), "critical" | "high" | "medium");
            let judged = match state.as_str() {
                "fixed" if is_actionable => "right",
                "dismissed" if is_actionable => "wrong",
                _ => continue,
            };
            self.count(&format!("{judged}.{reviewer}"), *count);
            self.count(&format!("settled.{reviewer}"), *count);
        }
    }
}

/// Which figure says how a change came to be merged: each merge adds to exactly one.
fn how(facts: &Facts, merge: Option<&Happening>) -> &'static str {
    let by_us = merge.is_some_and(|event| event.outcome.as_deref() == Some("merged"));
    match (merge, facts.approved) {
        _ if facts.is_unjudged => "merged.unjudged",
        (Some(_), _) if !by_us => "merged.by_hand",
        (None, _) | (_, None) => "merged.unknown",
        (_, Some(Approved::ByPeople)) => "merged.approved",
        (_, Some(Approved::ByNobody)) => "merged.alone",
    }
}
