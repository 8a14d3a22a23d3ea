//! Reading a workflow from its text, and refusing one that a run could get lost in.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{Activity, Outcome, Step, Workflow};

/// Why a text is not a workflow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not TOML of the right shape; the message has line and column.
    #[error("{0}")]
    Syntax(String),
    /// A transition leads nowhere.
    #[error("`{from}` leads to `{to}`, which is neither a step nor an end")]
    Unknown {
        /// The step or key that leads there.
        from: String,
        /// The name that does not exist.
        to: String,
    },
    /// An outcome has no transition.
    #[error("step `{step}` has no transition for `{outcome}`, which `{activity}` can answer")]
    Missing {
        /// The step.
        step: String,
        /// Its activity.
        activity: Activity,
        /// The outcome without a transition.
        outcome: Outcome,
    },
    /// A transition for an outcome that never comes.
    #[error("step `{step}` has a transition for `{outcome}`, which `{activity}` never answers")]
    Impossible {
        /// The step.
        step: String,
        /// Its activity.
        activity: Activity,
        /// The outcome that never comes.
        outcome: Outcome,
    },
    /// A step or an end that no run can reach.
    #[error("nothing leads to `{0}`")]
    Unreachable(String),
    /// A loop that nothing stops.
    #[error(
        "the loop through `{0}` has no bound: give one of its steps `visits`, and a `spent` that leads out of it"
    )]
    Unbounded(String),
    /// `visits` without `spent`, or the reverse, or a bound of nothing.
    #[error("step `{0}` needs both `visits` (1 or more) and `spent`, or neither")]
    HalfBound(String),
    /// A step that is never attempted.
    #[error("step `{0}` allows no attempt: `retry.attempts` must be 1 or more")]
    NoAttempt(String),
    /// A step and an end of the same name.
    #[error("`{0}` is both a step and an end")]
    Ambiguous(String),
}

impl Workflow {
    /// Reads and checks a workflow.
    ///
    /// # Errors
    /// The first thing that is wrong with the graph, naming the step.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut workflow: Self = toml::from_str(text).map_err(|error| Error::Syntax(error.to_string()))?;
        workflow.hash = hex::encode(Sha256::digest(text));
        workflow.check_names()?;
        for (name, step) in &workflow.steps {
            check_step(name, step)?;
        }
        workflow.check_reachability()?;
        workflow.check_bounds()?;
        Ok(workflow)
    }

    fn check_names(&self) -> Result<(), Error> {
        let known = |to: &str| self.steps.contains_key(to) || self.ends.contains_key(to);
        let transitions =
            self.steps.iter().flat_map(|(name, step)| step.targets().map(|to| (name.as_str(), to)));
        let mut all = [("start", self.start.as_str()), ("exhausted", self.exhausted.as_str())]
            .into_iter()
            .chain(transitions);
        if let Some((from, to)) = all.find(|(_, to)| !known(to)) {
            return Err(Error::Unknown { from: from.to_owned(), to: to.to_owned() });
        }
        if !self.ends.contains_key(&self.exhausted) {
            return Err(Error::Unknown { from: "exhausted".to_owned(), to: self.exhausted.clone() });
        }
        match self.steps.keys().find(|name| self.ends.contains_key(*name)) {
            Some(name) => Err(Error::Ambiguous(name.clone())),
            None => Ok(()),
        }
    }

    fn check_reachability(&self) -> Result<(), Error> {
        let mut seen = self.walk(&self.start, |_, _| true);
        seen.insert(&self.start);
        seen.insert(&self.exhausted);
        match self.steps.keys().chain(self.ends.keys()).find(|name| !seen.contains(name.as_str())) {
            Some(name) => Err(Error::Unreachable(name.clone())),
            None => Ok(()),
        }
    }

    /// Once every bound is used up, a step with a bound leads only to its `spent`. Every run ends if the
    /// graph that is left then has no cycle.
    fn check_bounds(&self) -> Result<(), Error> {
        let remains = |step: &Step, to: &str| step.spent.as_deref().is_none_or(|spent| spent == to);
        match self.steps.keys().find(|name| self.walk(name, remains).contains(name.as_str())) {
            Some(name) => Err(Error::Unbounded(name.clone())),
            None => Ok(()),
        }
    }

    /// What can be reached from `start` by the transitions that satisfy `open`.
    fn walk(&self, start: &str, open: impl Fn(&Step, &str) -> bool) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut todo = vec![start];
        while let Some(name) = todo.pop() {
            let Some(step) = self.steps.get(name) else { continue };
            for to in step.targets().filter(|to| open(step, to)) {
                if seen.insert(to) {
                    todo.push(to);
                }
            }
        }
        seen
    }
}

impl Step {
    /// Everything that this step leads to.
    fn targets(&self) -> impl Iterator<Item = &str> {
        self.on.values().chain(&self.spent).map(String::as_str)
    }
}

fn check_step(name: &str, step: &Step) -> Result<(), Error> {
    let (activity, possible) = (step.run, step.run.outcomes());
    if let Some(&outcome) = possible.iter().find(|it| !step.on.contains_key(it)) {
        return Err(Error::Missing { step: name.to_owned(), activity, outcome });
    }
    if let Some(&outcome) = step.on.keys().find(|it| !possible.contains(it)) {
        return Err(Error::Impossible { step: name.to_owned(), activity, outcome });
    }
    if step.visits.is_some() != step.spent.is_some() || step.visits == Some(0) {
        return Err(Error::HalfBound(name.to_owned()));
    }
    if step.retry.attempts == 0 {
        return Err(Error::NoAttempt(name.to_owned()));
    }
    Ok(())
}

/// Durations as people write them in a workflow: `90s`, `20m`, `48h`.
pub(super) mod duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, de::Error};

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is not a duration: write 90s, 20m or 48h")))
    }

    fn parse(text: &str) -> Option<Duration> {
        let unit = text.chars().last()?;
        let seconds = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => return None,
        };
        let count: u64 = text.strip_suffix(unit)?.parse().ok()?;
        (count > 0).then(|| count.checked_mul(seconds)).flatten().map(Duration::from_secs)
    }
}
