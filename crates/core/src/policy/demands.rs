//! What a tier demands before a merge, and what two policies demand together.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{GATE_CHECK, Person, REVIEW_CHECK, Tier};

/// Everything one tier demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demands {
    /// The checks that must have succeeded on the head, the factory's own included.
    pub checks: Vec<CheckDemand>,
    /// How many people must approve the head.
    pub approvals: u32,
    /// Whether only people count, and at least one is needed.
    pub human: bool,
    /// Whether the head must contain the newest commit of the base branch.
    pub up_to_date: bool,
    /// After this many minutes without progress a check has failed; `None`: as the product says.
    #[serde(default)]
    pub deadline_minutes: Option<u32>,
    /// The rules that demand approvals, for people.
    #[serde(default)]
    pub approvals_by: Vec<String>,
}

/// One check that a tier demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckDemand {
    /// The name as the forge reports it.
    pub name: String,
    /// If set, only this app's report counts.
    pub app: Option<App>,
    /// If set, a commit status satisfies it.
    #[serde(default)]
    pub status: Option<StatusBy>,
    /// Whether `skipped` counts as success.
    pub skipped_counts: bool,
    /// The rules that demand it, for people.
    #[serde(default)]
    pub by: Vec<String>,
}

/// Who reports a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum App {
    /// The app's number on the forge.
    Id(u64),
    /// The app's slug.
    Slug(String),
}

/// Whose commit status satisfies a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatusBy {
    /// Of any account that may push.
    Anyone,
    /// Of this account.
    Login(String),
}

impl StatusBy {
    /// Whether a status of this account counts.
    pub(super) fn admits(&self, creator: Option<&Person>) -> bool {
        match self {
            Self::Anyone => true,
            Self::Login(login) => creator.is_some_and(|creator| creator.is_called(login)),
        }
    }
}

impl fmt::Display for StatusBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("a commit status"),
            Self::Login(login) => write!(f, "a commit status of {login}"),
        }
    }
}

impl App {
    /// The app that a text names: by its number if it is one, and otherwise by its slug.
    #[must_use]
    pub fn named(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Slug(text.to_owned()), Self::Id)
    }
}

impl CheckDemand {
    /// A check by any app, of which only `success` counts.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), app: None, status: None, skipped_counts: false, by: Vec::new() }
    }
}

impl CheckDemand {
    /// Whether both are the same name by the same reporter.
    #[must_use]
    pub fn reported_by(&self, other: &Self) -> bool {
        self.name == other.name && self.app == other.app && self.status == other.status
    }
}

impl Demands {
    /// What is demanded without a policy: the factory's review, and two people.
    #[must_use]
    pub fn without_a_policy() -> Self {
        let checks = vec![CheckDemand::named(GATE_CHECK), CheckDemand::named(REVIEW_CHECK)];
        let demands = Self {
            checks,
            approvals: 2,
            human: true,
            up_to_date: true,
            deadline_minutes: None,
            approvals_by: Vec::new(),
        };
        demands.stated("there is no policy: everything is critical")
    }

    /// The same, with the rule that demands all of it.
    #[must_use]
    pub fn stated(mut self, rule: &str) -> Self {
        for check in &mut self.checks {
            check.by = vec![rule.to_owned()];
        }
        let needed = self.approvals_needed();
        self.approvals_by = (needed > 0).then(|| rule.to_owned()).into_iter().collect();
        self
    }

    /// How many approvals a merge needs: at least one if a person is demanded.
    #[must_use]
    pub fn approvals_needed(&self) -> u32 {
        self.approvals.max(u32::from(self.human))
    }

    /// Whether a check of this name is among those demanded.
    #[must_use]
    pub fn lists(&self, name: &str) -> bool {
        self.checks.iter().any(|check| check.name == name)
    }

    /// The stricter of each part.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for check in other.checks {
            self.demand(check);
        }
        Self {
            approvals: self.approvals.max(other.approvals),
            human: self.human || other.human,
            up_to_date: self.up_to_date || other.up_to_date,
            deadline_minutes: [self.deadline_minutes, other.deadline_minutes].into_iter().flatten().min(),
            approvals_by: union(self.approvals_by.clone(), other.approvals_by),
            ..self
        }
    }

    /// What the built-in floor adds for a tier, and for a path that needs a person.
    #[must_use]
    pub(super) fn floored(mut self, tier: Tier, human: bool) -> Self {
        if human && !self.human {
            self.approvals_by.push("a file of the change needs a person".to_owned());
        }
        Self { human: self.human || human, up_to_date: self.up_to_date || tier.needs_up_to_date(), ..self }
    }

    pub(super) fn demand(&mut self, check: CheckDemand) {
        match self.checks.iter_mut().find(|known| known.reported_by(&check)) {
            Some(known) => {
                known.skipped_counts &= check.skipped_counts;
                known.by = union(std::mem::take(&mut known.by), check.by);
            }
            None => self.checks.push(check),
        }
    }
}

/// The rules of both, each once.
fn union(mut rules: Vec<String>, more: Vec<String>) -> Vec<String> {
    for rule in more {
        if !rules.contains(&rule) {
            rules.push(rule);
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_is_the_stricter_of_each_part() {
        let demands = |name: &str, approvals, human| Demands {
            checks: vec![CheckDemand {
                name: name.to_owned(),
                app: None,
                status: None,
                skipped_counts: human,
                by: vec![],
            }],
            approvals,
            human,
            up_to_date: human,
            deadline_minutes: None,
            approvals_by: vec![],
        };
        let both = demands("CI", 2, false).and(demands("CI", 0, true)).and(demands("Scan", 1, false));
        assert_eq!(both.checks.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["CI", "Scan"]);
        assert!(!both.checks[0].skipped_counts);
        assert_eq!((both.approvals, both.human, both.up_to_date), (2, true, true));
    }

    #[test]
    fn a_human_rule_without_a_count_still_needs_one_person() {
        let demands = Demands { checks: vec![], approvals: 0, ..Demands::without_a_policy() };
        assert_eq!(demands.approvals_needed(), 1);
    }

    #[test]
    fn every_rule_that_demands_something_is_named_once() {
        let (one, other) = (Demands::without_a_policy(), Demands::without_a_policy());
        let rule = "mergePolicy.high of wealth";
        let both = one.stated(rule).and(other.clone().stated(rule)).and(other.stated("another"));
        assert_eq!(both.approvals_by, [rule, "another"]);
        assert!(both.checks.iter().all(|check| check.by == [rule, "another"]));
        let none = Demands { approvals: 0, human: false, ..Demands::without_a_policy() };
        assert!(none.stated(rule).approvals_by.is_empty());
    }
}
