//! A workflow: which step follows which answer.
//!
//! The graph is data (`workflows/*.toml`); what a step *does* and what it may *answer* is Rust.
//! [`Workflow::parse`] refuses a graph that leaves an answer without a road, a step without a way
//! in, or a loop without a bound, so that every run ends whatever the world answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The graph of one kind of run. Immutable, and named by the [`Hash`](Workflow::hash) of its text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    /// The name people use, such as `requirement`.
    pub name: String,
    /// The first step.
    pub start: String,
    /// Where a run goes when a step has used up its attempts.
    pub exhausted: String,
    /// The steps by name.
    #[serde(rename = "step")]
    pub steps: BTreeMap<String, Step>,
    /// The ends by name.
    #[serde(rename = "end")]
    pub ends: BTreeMap<String, End>,
    /// The SHA-256 of the text, in hexadecimal.
    #[serde(skip)]
    pub hash: String,
}

/// One node of the graph.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The activity that does this step's work.
    pub run: Activity,
    /// The queue whose workers may do it.
    #[serde(default)]
    pub queue: Queue,
    /// How often and how fast a failed attempt is tried again.
    #[serde(default)]
    pub retry: Retry,
    /// How long one attempt may take.
    #[serde(default = "ten_minutes", with = "span")]
    pub timeout: Duration,
    /// Where each answer leads.
    pub on: BTreeMap<Outcome, String>,
    /// How often a run may enter this step before it goes to `spent` instead.
    pub visits: Option<u32>,
    /// Where a run goes that may not enter this step again.
    pub spent: Option<String>,
}

/// How failed attempts are tried again: full jitter between nothing and `first * 2^n`, at most `most`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// Attempts in all, the first included. A worker that dies in an attempt has used it up.
    pub attempts: u32,
    /// The ceiling of the first wait.
    #[serde(with = "span")]
    pub first: Duration,
    /// The ceiling of every wait.
    #[serde(with = "span")]
    pub most: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 5, first: Duration::from_secs(2), most: Duration::from_secs(600) }
    }
}

/// A kind of work, with workers of its own, so that slow model calls never hold up a merge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queue {
    /// Work of our own.
    #[default]
    Default,
    /// Steps that wait for a model.
    Llm,
    /// Steps that talk to the forge.
    Github,
}

/// How a run can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The change is merged.
    Succeeded,
    /// It cannot be done; nobody needs to act.
    Failed,
    /// A person is needed.
    Blocked,
    /// Somebody closed it on purpose.
    Cancelled,
}

/// The Rust that does a step's work. Two steps may share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// The model writes the change; branch, commit and pull request are made.
    Generate,
    /// The preflight: tier, docs drift, what this head will need.
    Gate,
    /// The model reviews this head.
    Review,
    /// The model fixes what review and gate found; the head moves.
    Remediate,
    /// The final gate: everything the policy demands, on this head.
    Verdict,
    /// The base is merged into the branch; the head moves.
    Update,
    /// The cleared head is merged into the base.
    Merge,
}

/// What an activity answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The pull request is open.
    Opened,
    /// The model says that it cannot be done, and why.
    Declined,
    /// The pull request was closed, or merged by somebody else.
    Closed,
    /// Nothing stands against going on.
    Passed,
    /// The policy names something that a further change can mend.
    Blocked,
    /// Only a person can go on from here.
    Stopped,
    /// The review found nothing actionable.
    Clean,
    /// The review found something actionable.
    Findings,
    /// The branch has a new head.
    Pushed,
    /// The model found no fix.
    Unfixable,
    /// The head is no longer the one that this step began with.
    Moved,
    /// The policy has cleared this head for the merge.
    Cleared,
    /// The base has moved on and the policy wants the branch up to date.
    Behind,
    /// The base cannot be merged into the branch.
    Conflict,
    /// The change is on the base branch.
    Merged,
    /// The forge does not let us merge.
    Refused,
}

impl Activity {
    /// What this activity may answer. A workflow must say where each answer leads.
    #[must_use]
    pub const fn outcomes(self) -> &'static [Outcome] {
        use Outcome as O;
        match self {
            Self::Generate => &[O::Opened, O::Declined, O::Closed],
            Self::Gate => &[O::Passed, O::Blocked, O::Stopped, O::Closed],
            Self::Review => &[O::Clean, O::Findings, O::Moved],
            Self::Remediate => &[O::Pushed, O::Unfixable, O::Moved],
            Self::Verdict => &[O::Cleared, O::Blocked, O::Behind, O::Moved, O::Stopped, O::Closed],
            Self::Update => &[O::Pushed, O::Conflict, O::Moved],
            Self::Merge => &[O::Merged, O::Moved, O::Behind, O::Refused, O::Closed],
        }
    }
}

/// Why a text is not a workflow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not TOML of the right shape; the message has line and column.
    #[error("{0}")]
    Syntax(String),
    /// A road leads nowhere.
    #[error("`{from}` leads to `{to}`, which is neither a step nor an end")]
    Unknown {
        /// The step or key that leads there.
        from: String,
        /// The name that does not exist.
        to: String,
    },
    /// An answer has no road.
    #[error("step `{step}` does not say where `{outcome}` leads, which `{activity}` can answer")]
    Missing {
        /// The step.
        step: String,
        /// Its activity.
        activity: Activity,
        /// The answer without a road.
        outcome: Outcome,
    },
    /// A road waits for an answer that never comes.
    #[error("step `{step}` awaits `{outcome}`, which `{activity}` never answers")]
    Impossible {
        /// The step.
        step: String,
        /// Its activity.
        activity: Activity,
        /// The answer that never comes.
        outcome: Outcome,
    },
    /// A step or an end that no run can come to.
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
    /// A step that is never tried.
    #[error("step `{0}` allows no attempt: `retry.attempts` must be 1 or more")]
    NoAttempt(String),
    /// A name that stands for a step and an end.
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
        workflow.names_are_known()?;
        workflow.steps_answer_fully()?;
        workflow.everything_is_reachable()?;
        workflow.loops_are_bounded()?;
        Ok(workflow)
    }

    /// The workflow as a Mermaid state diagram, for people.
    #[must_use]
    pub fn diagram(&self) -> String {
        let mut out = format!("stateDiagram-v2\n    [*] --> {}\n", self.start);
        for (name, step) in &self.steps {
            for (outcome, to) in &step.on {
                let _ = writeln!(out, "    {name} --> {to}: {outcome}");
            }
            if let (Some(to), Some(visits)) = (&step.spent, step.visits) {
                let _ = writeln!(out, "    {name} --> {to}: after {visits} visits");
            }
        }
        for (name, end) in &self.ends {
            let _ = writeln!(out, "    {name} --> [*]: {end}");
        }
        out
    }

    fn names_are_known(&self) -> Result<(), Error> {
        let known = |to: &str| self.steps.contains_key(to) || self.ends.contains_key(to);
        let roads = self.steps.iter().flat_map(|(name, step)| {
            step.on.values().chain(&step.spent).map(move |to| (name.as_str(), to.as_str()))
        });
        let mut all =
            [("start", self.start.as_str()), ("exhausted", self.exhausted.as_str())].into_iter().chain(roads);
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

    fn steps_answer_fully(&self) -> Result<(), Error> {
        for (name, step) in &self.steps {
            let (activity, possible) = (step.run, step.run.outcomes());
            if let Some(&outcome) = possible.iter().find(|it| !step.on.contains_key(it)) {
                return Err(Error::Missing { step: name.clone(), activity, outcome });
            }
            if let Some(&outcome) = step.on.keys().find(|it| !possible.contains(it)) {
                return Err(Error::Impossible { step: name.clone(), activity, outcome });
            }
            if step.visits.is_some_and(|visits| visits > 0) != step.spent.is_some() || step.visits == Some(0)
            {
                return Err(Error::HalfBound(name.clone()));
            }
            if step.retry.attempts == 0 {
                return Err(Error::NoAttempt(name.clone()));
            }
        }
        Ok(())
    }

    fn everything_is_reachable(&self) -> Result<(), Error> {
        let mut seen = self.walk(&self.start, |_, _| true);
        seen.insert(&self.start);
        seen.insert(&self.exhausted);
        match self.steps.keys().chain(self.ends.keys()).find(|name| !seen.contains(name.as_str())) {
            Some(name) => Err(Error::Unreachable(name.clone())),
            None => Ok(()),
        }
    }

    /// Once every bound is spent, a step with a bound leads only to where its `spent` does. A run ends if
    /// there is no cycle in what is left then.
    fn loops_are_bounded(&self) -> Result<(), Error> {
        let last_roads = |step: &Step, to: &str| step.spent.as_deref().is_none_or(|spent| spent == to);
        match self.steps.keys().find(|name| self.walk(name, last_roads).contains(name.as_str())) {
            Some(name) => Err(Error::Unbounded(name.clone())),
            None => Ok(()),
        }
    }

    /// What can be reached from `start` by the roads that satisfy `open`.
    fn walk(&self, start: &str, open: impl Fn(&Step, &str) -> bool) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut todo = vec![start];
        while let Some(name) = todo.pop() {
            let Some(step) = self.steps.get(name) else { continue };
            for to in step.on.values().chain(&step.spent).filter(|to| open(step, to)) {
                if seen.insert(to.as_str()) {
                    todo.push(to);
                }
            }
        }
        seen
    }
}

impl Queue {
    /// Every queue there is.
    pub const ALL: [Self; 3] = [Self::Default, Self::Llm, Self::Github];

    /// The word that tables and people use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Llm => "llm",
            Self::Github => "github",
        }
    }
}

impl Queue {
    /// The queue of this word, if this release has it.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|queue| queue.as_str() == word)
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl End {
    /// The word that tables and people use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}

const fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

/// Spans of time as people write them in a workflow: `90s`, `20m`, `48h`.
mod span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, de::Error};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not a span: write 90s, 20m or 48h")))
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

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIREMENT: &str = include_str!("../../../workflows/requirement.toml");

    #[track_caller]
    fn refused(from: &str, to: &str) -> String {
        assert!(REQUIREMENT.contains(from), "{from} is not in the workflow");
        Workflow::parse(&REQUIREMENT.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn the_shipped_workflow_is_accepted() {
        let workflow = Workflow::parse(REQUIREMENT).unwrap();
        assert_eq!(workflow.hash.len(), 64);
        assert_eq!(workflow.steps["remediate"].retry.attempts, 5);
        assert!(workflow.diagram().contains("merge --> done: merged"));
    }

    #[test]
    fn an_answer_without_a_road_is_refused() {
        let error = refused("clean = \"verdict\", ", "");
        assert_eq!(error, "step `review` does not say where `clean` leads, which `review` can answer");
    }

    #[test]
    fn an_impossible_answer_is_refused() {
        let error = refused("opened = \"gate\"", "opened = \"gate\", merged = \"done\"");
        assert_eq!(error, "step `generate` awaits `merged`, which `generate` never answers");
    }

    #[test]
    fn a_road_to_nowhere_is_refused() {
        let error = refused("declined = \"rejected\"", "declined = \"nowhere\"");
        assert_eq!(error, "`generate` leads to `nowhere`, which is neither a step nor an end");
    }

    #[test]
    fn a_step_that_nothing_leads_to_is_refused() {
        assert_eq!(
            refused("rejected    = \"failed\"", "rejected = \"failed\"\nlost = \"failed\""),
            "nothing leads to `lost`"
        );
    }

    #[test]
    fn a_loop_without_a_bound_is_refused() {
        let text = REQUIREMENT
            .replace("visits  = 3\n", "")
            .replace("visits  = 5\n", "")
            .replace("visits  = 8\n", "");
        let text = text.replace("spent   = \"needs_human\"\n", "");
        assert!(matches!(Workflow::parse(&text), Err(Error::Unbounded(_))));
    }

    #[test]
    fn a_spent_step_that_leads_back_is_refused() {
        let error = refused("spent   = \"needs_human\"", "spent   = \"gate\"");
        assert!(error.contains("the loop through `gate` has no bound"), "{error}");
        let error = refused("spent   = \"needs_human\"", "spent   = \"review\"");
        assert!(error.contains("the loop through `gate` has no bound"), "{error}");
    }

    #[test]
    fn half_a_bound_is_refused() {
        let error = refused("visits  = 5\n", "");
        assert_eq!(error, "step `update` needs both `visits` (1 or more) and `spent`, or neither");
        assert!(refused("visits  = 5\n", "visits = 0\n").contains("needs both"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = refused("start     = \"generate\"", "start = \"generate\"\nif = \"tier == high\"");
        assert!(error.contains("unknown field `if`") && error.contains("line"), "{error}");
    }

    #[test]
    fn a_span_without_a_unit_is_refused() {
        assert!(refused("timeout = \"20m\"", "timeout = \"20\"").contains("write 90s, 20m or 48h"));
    }
}
