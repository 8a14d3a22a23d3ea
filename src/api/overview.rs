//! A product at a glance: what its policy demands, what became of its runs, and how right its reviewers were.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Product;
use crate::{
    core::policy::{CheckFact, Conclusion, Facts, Outline, POLICY_PATH, Policy, TierOutline},
    store::{overview, shadow},
};

/// A product at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// Its settings.
    pub product: Product,
    /// What the policy at its base demanded when a change was last judged; absent if none was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyOverview>,
    /// The checks of its base at that time.
    pub base: Vec<BaseCheck>,
    /// What became of its newest runs: at most 1,000 of the last 30 days.
    pub runs: RunFigures,
    /// What their reviews came to, by reviewer.
    pub reviewers: Vec<ReviewerFigures>,
    /// How the verdicts on pull requests of others, which nobody was shown, compare with what people did. Absent while
    /// there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowFigures>,
}

/// What the policy at a base demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PolicyOverview {
    /// The base commit that it was read from.
    pub commit: String,
    /// When it was read.
    pub read_at: DateTime<Utc>,
    /// Why there are no tiers: there is no policy, it cannot be read, or it does not name the product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// The tiers that it names, the strictest first.
    pub tiers: Vec<TierOverview>,
    /// A change of these paths must change a document too.
    pub documented: Vec<String>,
    /// The documents that satisfy this.
    pub documents: Vec<String>,
    /// A change of these paths needs evidence from a browser.
    pub shown: Vec<String>,
    /// The flows that this evidence must cover.
    pub flows: Vec<String>,
}

/// One tier of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TierOverview {
    /// `critical`, `high`, `medium` or `low`.
    pub tier: String,
    /// A change of a path that matches one of these is at least of this tier.
    pub patterns: Vec<String>,
    /// The checks that must succeed on the head.
    pub checks: Vec<String>,
    /// How many must approve the head.
    pub approvals: u32,
    /// Whether only people count; else a clean review by the Code Review Agent counts as one.
    pub human: bool,
    /// Whether the head must contain the newest commit of the base.
    pub up_to_date: bool,
}

/// A check of the base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BaseCheck {
    /// Its name.
    pub name: String,
    /// The app that reported it.
    pub app: String,
    /// Its conclusion, or `pending`.
    pub conclusion: String,
}

/// What became of runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunFigures {
    /// Still open.
    pub open: i64,
    /// Ended as intended.
    pub succeeded: i64,
    /// Ended because a person is needed.
    pub blocked: i64,
    /// Failed.
    pub failed: i64,
    /// Cancelled, or closed by a person.
    pub cancelled: i64,
}

/// What one reviewer's reviews came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReviewerFigures {
    /// Its name; `builtin` is our own agent.
    pub name: String,
    /// Complete reviews.
    pub complete: i64,
    /// Reviews that failed or did not come in time; none of them was taken for clean.
    pub failed: i64,
    /// What they found, by severity, the gravest first.
    pub findings: Vec<FindingFigures>,
    /// Of the actionable findings that were fixed or dismissed, the share that was fixed: 0 to 1. Absent while there
    /// are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
}

/// How the last verdict on each pull request of others, made in shadow mode, compares with what people did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShadowFigures {
    /// Cleared, and merged by people: it would have been right.
    pub cleared_and_merged: i64,
    /// Blocked, and closed without a merge: it would have been right.
    pub blocked_and_closed: i64,
    /// Not cleared, and merged all the same: it would have been in the way, or people overlooked something.
    pub held_and_merged: i64,
    /// Closed without a merge and not blocked, which says nothing of the verdict.
    pub closed_otherwise: i64,
    /// Still open.
    pub open: i64,
}

/// The findings of one severity. One that was seen on several heads counts once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingFigures {
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub severity: String,
    /// All of them.
    pub found: i64,
    /// Fixed by a later commit.
    pub fixed: i64,
    /// Dismissed by a person: the reviewer was wrong.
    pub dismissed: i64,
    /// Not found again, though nothing had changed there.
    pub gone: i64,
    /// Open, or the run ended with it.
    pub open: i64,
}

impl PolicyOverview {
    /// What the policy at the base of recorded facts says of their product.
    #[must_use]
    pub fn of(facts: &Facts) -> Self {
        let none = Self {
            commit: facts.base.to_string(),
            read_at: facts.at,
            fault: None,
            tiers: Vec::new(),
            documented: Vec::new(),
            documents: Vec::new(),
            shown: Vec::new(),
            flows: Vec::new(),
        };
        let Some(text) = &facts.base_policy else {
            let fault = format!("there is no {POLICY_PATH}: every change is critical");
            return Self { fault: Some(fault), ..none };
        };
        let policy = match Policy::parse(text.as_bytes()) {
            Ok(policy) => policy,
            Err(error) => return Self { fault: Some(error.to_string()), ..none },
        };
        let Some(outline) = policy.outline(&facts.product) else {
            let fault = format!(
                "it does not name `{}`: its changes are judged under all products, by the strictest",
                facts.product
            );
            return Self { fault: Some(fault), ..none };
        };
        let Outline { tiers, documented, documents, shown, flows, merge_method: _ } = outline;
        Self {
            tiers: tiers.into_iter().map(TierOverview::from).collect(),
            documented,
            documents,
            shown,
            flows,
            ..none
        }
    }
}

impl From<TierOutline> for TierOverview {
    fn from(outline: TierOutline) -> Self {
        let TierOutline { tier, patterns, demands } = outline;
        Self {
            tier: tier.as_str().to_owned(),
            patterns,
            approvals: demands.approvals_needed(),
            human: demands.human,
            up_to_date: demands.up_to_date || tier.needs_up_to_date(),
            checks: demands.checks.into_iter().map(|check| check.name).collect(),
        }
    }
}

impl BaseCheck {
    /// The checks of the base in recorded facts, by name.
    #[must_use]
    pub fn all(facts: &Facts) -> Vec<Self> {
        let checks = facts.ci.as_ref().map(|ci| ci.base.checks.as_slice()).unwrap_or_default();
        let mut all: Vec<Self> = checks.iter().map(Self::from).collect();
        all.sort_by(|a, b| (&a.name, &a.app).cmp(&(&b.name, &b.app)));
        all
    }
}

impl From<&CheckFact> for BaseCheck {
    fn from(check: &CheckFact) -> Self {
        Self {
            name: check.name.clone(),
            app: check.app_slug.clone(),
            conclusion: word(check.conclusion).unwrap_or_else(|| "pending".to_owned()),
        }
    }
}

/// A conclusion as the forge writes it.
fn word(conclusion: Option<Conclusion>) -> Option<String> {
    let value = serde_json::to_value(conclusion?).ok()?;
    value.as_str().map(str::to_owned)
}

impl From<overview::Runs> for RunFigures {
    fn from(runs: overview::Runs) -> Self {
        let overview::Runs { open, succeeded, blocked, failed, cancelled } = runs;
        Self { open, succeeded, blocked, failed, cancelled }
    }
}

impl ReviewerFigures {
    /// The figures of all reviewers that have reviewed, by name.
    #[must_use]
    pub fn all(reviews: Vec<overview::Reviews>, found: Vec<overview::Found>) -> Vec<Self> {
        let mut by_name: BTreeMap<String, Vec<overview::Found>> = BTreeMap::new();
        for row in found {
            by_name.entry(row.reviewer.clone()).or_default().push(row);
        }
        reviews
            .into_iter()
            .map(|it| {
                let found = by_name.remove(&it.reviewer).unwrap_or_default();
                Self::new(it, found)
            })
            .collect()
    }

    fn new(reviews: overview::Reviews, found: Vec<overview::Found>) -> Self {
        let findings: Vec<_> = found.into_iter().map(FindingFigures::from).collect();
        let actionable =
            || findings.iter().filter(|it| matches!(it.severity.as_str(), "critical" | "high" | "medium"));
        let fixed: i64 = actionable().map(|it| it.fixed).sum();
        let settled: i64 = fixed + actionable().map(|it| it.dismissed).sum::<i64>();
        let precision = (settled > 0).then(|| fixed as f64 / settled as f64);
        let overview::Reviews { reviewer: name, complete, failed } = reviews;
        Self { name, complete, failed, findings, precision }
    }
}

impl From<overview::Found> for FindingFigures {
    fn from(row: overview::Found) -> Self {
        let overview::Found { reviewer: _, severity, found, fixed, dismissed, gone, open } = row;
        Self { severity, found, fixed, dismissed, gone, open }
    }
}

impl ShadowFigures {
    /// The figures of stored decisions; `None` if there are none.
    #[must_use]
    pub fn of(counts: shadow::Counts) -> Option<Self> {
        let shadow::Counts {
            cleared_and_merged,
            held_and_merged,
            blocked_and_closed,
            closed_otherwise,
            open,
        } = counts;
        (counts != shadow::Counts::default()).then_some(Self {
            cleared_and_merged,
            blocked_and_closed,
            held_and_merged,
            closed_otherwise,
            open,
        })
    }

    /// How many say whether it would have been right, and how many of these say that it would.
    #[must_use]
    pub const fn settled(&self) -> (i64, i64) {
        let right = self.cleared_and_merged + self.blocked_and_closed;
        (right + self.held_and_merged, right)
    }
}
