//! A policy as a thing to work with: what is wrong with it, and what it would have said.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::core::policy::{self, Linted, Remarked, Simulated};

/// A policy to check.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewValidation {
    /// The policy's text as it is in the file, at most 256 KiB.
    pub policy: String,
    /// A product: then its repository is looked at too, for patterns that match no file, and for checks that nobody
    /// reports or that its branch does not require.
    #[serde(default)]
    pub product: Option<String>,
}

/// What is to be said of a policy.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Validation {
    /// Whether it is a policy: nothing of it is refused.
    pub valid: bool,
    /// SHA-256 of the text, in hexadecimal.
    pub digest: String,
    /// Why it is refused, at most 100; one that only follows from another is left out.
    pub faults: Vec<PolicyRemark>,
    /// What is odd but works.
    pub warnings: Vec<PolicyRemark>,
    /// What does not fit the product's repository, one sentence each; empty without a product.
    pub misfits: Vec<String>,
}

/// One thing about a policy's text.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyRemark {
    /// The JSON pointer of what it is about; empty for the whole text.
    pub pointer: String,
    /// The line of the text, counted from 1.
    pub line: usize,
    /// What is wrong or odd there.
    pub message: String,
}

/// A policy to try on merged changes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSimulation {
    /// The policy's text as it would be in the file, at most 256 KiB.
    pub policy: String,
    /// The product whose repository is looked at.
    pub product: String,
    /// How many of the newest changes of its base branch, from 1 to 1,000.
    #[serde(default = "default_last")]
    pub last: usize,
}

/// What a policy would have said of merged changes, beside today's one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicySimulation {
    /// The products that the changes are judged under.
    pub products: Vec<String>,
    /// The newest commit that was looked at.
    pub head_sha: String,
    /// SHA-256 of the policy that was tried.
    pub digest: String,
    /// SHA-256 of today's policy; `null` if there is none, or it cannot be read.
    pub today_digest: Option<String>,
    /// Why there is nothing of today's policy to compare with.
    pub today_fault: Option<String>,
    /// How the two policies differ and what that would have meant, one sentence each.
    pub words: Vec<String>,
    /// What it comes to.
    pub summary: SimulationSummary,
    /// The changes, newest first.
    pub changes: Vec<SimulatedChange>,
}

/// What a simulation comes to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SimulationSummary {
    /// How many changes were looked at.
    pub changes: usize,
    /// Of how many the two policies say different things.
    pub differing: usize,
    /// How many have each tier, by the policy that was tried.
    pub tiers: BTreeMap<String, usize>,
    /// How many have each tier today.
    pub tiers_today: BTreeMap<String, usize>,
    /// How many would have been blocked for documents that were left behind.
    pub blocked: usize,
    /// How many are blocked for that today.
    pub blocked_today: usize,
}

/// What the two policies say of one change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SimulatedChange {
    /// The commit.
    pub sha: String,
    /// The first line of its message, which anybody may have written.
    pub subject: String,
    /// When it was committed.
    pub committed_at: DateTime<Utc>,
    /// How many paths it changed.
    pub files: usize,
    /// Whether the two policies say different things of it.
    pub differs: bool,
    /// What the policy that was tried says.
    pub tried: PolicyOutlook,
    /// What today's policy says; `null` if it cannot be read.
    pub today: Option<PolicyOutlook>,
}

/// What a policy says of one change, before anybody reviewed it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PolicyOutlook {
    /// `low`, `medium`, `high` or `critical`.
    pub tier: String,
    /// What gave it the tier, in words.
    pub because: String,
    /// The checks that it needs, without the gate's own.
    pub checks: Vec<String>,
    /// How many approvals it needs.
    pub approvals: u32,
    /// How many of them must be people's.
    pub people: u32,
    /// Who would be asked, in words.
    pub asks: String,
    /// What would block it; `null` if nothing does.
    pub blocked: Option<String>,
}

const fn default_last() -> usize {
    200
}

impl Validation {
    /// What was found by reading a policy's text.
    #[must_use]
    pub fn of(digest: String, linted: Linted) -> Self {
        let all = |remarks: Vec<Remarked>| remarks.into_iter().map(PolicyRemark::from).collect();
        let (valid, faults) = (linted.faults.is_empty(), all(linted.faults));
        Self { valid, digest, faults, warnings: all(linted.warnings), misfits: Vec::new() }
    }
}

impl From<Remarked> for PolicyRemark {
    fn from(remark: Remarked) -> Self {
        let Remarked { pointer, line, message } = remark;
        Self { pointer, line, message }
    }
}

impl SimulationSummary {
    /// What these changes come to.
    #[must_use]
    pub fn of(simulation: &policy::Simulation) -> Self {
        let named = |tiers: &BTreeMap<policy::Tier, usize>| {
            tiers.iter().map(|(tier, count)| (tier.to_string(), *count)).collect()
        };
        let summary = &simulation.summary;
        Self {
            changes: summary.changes,
            differing: simulation.changes.iter().filter(|change| change.differs()).count(),
            tiers: named(&summary.tiers),
            tiers_today: named(&summary.tiers_today),
            blocked: summary.blocked,
            blocked_today: summary.blocked_today,
        }
    }
}

impl From<Simulated> for SimulatedChange {
    fn from(change: Simulated) -> Self {
        let differs = change.differs();
        let Simulated { commit, subject, committed_at, files, said, today } = change;
        Self {
            sha: commit.to_string(),
            subject,
            committed_at,
            files,
            differs,
            tried: said.into(),
            today: today.map(PolicyOutlook::from),
        }
    }
}

impl From<policy::Outlook> for PolicyOutlook {
    fn from(outlook: policy::Outlook) -> Self {
        let because = outlook.ground.as_ref().map(policy::Ground::sentence);
        Self {
            tier: outlook.tier.to_string(),
            because: because.unwrap_or_else(|| "nothing changed".to_owned()),
            asks: outlook.asks(),
            checks: outlook.checks,
            approvals: outlook.approvals,
            people: outlook.people,
            blocked: outlook.blocked,
        }
    }
}

impl PolicySimulation {
    /// What came of a simulation up to a commit, with the policies that were compared.
    #[must_use]
    pub fn of(
        head: &crate::core::sha::Sha,
        tried: &policy::Trial,
        today: &Today,
        all: policy::Simulation,
    ) -> Self {
        let digest = |trial: &policy::Trial| trial.policy().map(|policy| policy.digest().to_owned());
        let (today, today_fault) = match today {
            Ok(today) => (Some(today), None),
            Err(fault) => (None, Some(fault.to_string())),
        };
        let today_fault = today_fault.or_else(|| {
            today.filter(|it| it.policy().is_none()).map(|_| "there is no policy today".to_owned())
        });
        Self {
            products: tried.products().iter().map(ToString::to_string).collect(),
            head_sha: head.to_string(),
            digest: digest(tried).unwrap_or_default(),
            today_digest: today.and_then(digest),
            today_fault,
            summary: SimulationSummary::of(&all),
            words: all.words,
            changes: all.changes.into_iter().map(SimulatedChange::from).collect(),
        }
    }
}

/// Today's policy, or why it is refused.
pub type Today = Result<policy::Trial, policy::Error>;
