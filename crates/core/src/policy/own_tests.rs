//! Our own runs of the product's tests: on the head, where it forked from the base, and the base's tests over the head's
//! code.

use serde::{Deserialize, Serialize};

use super::{Contents, Facts, Node, OwnTests, Remedy, Status, Tier, Wait, reason::Reason, section::Section};
use crate::{
    consent::Withheld,
    sha::Sha,
    tested::{Demanded, Fault, TestResult, Tested, fault, listed},
    words::counted,
};

/// How many names of cases a sentence has.
const NAMED: usize = 5;

/// Who says whether a product's tests pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestRule {
    /// Our own run of them: anything but `passed` blocks at every tier.
    Ours,
    /// The forge's checks alone, because the product says so.
    Forge,
    /// The forge's checks alone, because the product says neither so nor how it is tested.
    Unset,
}

/// What our own runs of the product's tests came to, without their logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestFacts {
    /// Who says whether they pass.
    pub rule: TestRule,
    /// On the head; `None` where they have not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Tested>,
    /// The commit where the head forked from the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork_commit: Option<Sha>,
    /// On that commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork: Option<Tested>,
    /// The tests of that commit over the head's code; `None` where the change touches no test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fork_tests: Option<Tested>,
    /// Why the tests of that commit could not be put over the head's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_put_back: Option<String>,
    /// Why nothing of this head was set up or run: its dependencies are not those of the base, and the product asks a
    /// person before others are installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<Withheld>,
}

impl TestRule {
    /// The rule of a product by its setting (`ours` or `forge`) and whether it says how it is tested.
    #[must_use]
    pub fn of(setting: Option<&str>, has_command: bool) -> Self {
        match (setting, has_command) {
            (Some("forge"), _) => Self::Forge,
            (None, false) => Self::Unset,
            (Some(_), _) | (None, true) => Self::Ours,
        }
    }
}

impl TestFacts {
    /// Facts of a product whose tests do not run here, or have not yet.
    #[must_use]
    pub const fn new(rule: TestRule) -> Self {
        Self {
            rule,
            head: None,
            fork_commit: None,
            fork: None,
            fork_tests: None,
            not_put_back: None,
            withheld: None,
        }
    }

    /// Facts of a head whose dependencies are not installed.
    #[must_use]
    pub fn withheld(withheld: Withheld) -> Self {
        Self { withheld: Some(withheld), ..Self::new(TestRule::Ours) }
    }

    /// Why the change is at least high and needs a person, as far as runs of the tests show it.
    pub(super) fn reasons(&self) -> Vec<Reason> {
        let (Some(head), Some(fork)) = (&self.head, &self.fork) else { return Vec::new() };
        let mut rules = Vec::new();
        let fewer =
            |now: Option<u32>, before: Option<u32>| now.zip(before).filter(|(now, before)| now < before);
        if head.ran()
            && let Some((now, before)) = fewer(head.counts.collected, fork.counts.collected)
        {
            rules.push(format!("its tests are {now}, and {} where it forked", counted(before, "test")));
        }
        if let Some((before, now)) = fewer(fork.counts.skipped, head.counts.skipped) {
            rules.push(format!("{now} of its tests are skipped, and {before} where it forked"));
        }
        rules.extend(self.broken_by_code(fork));
        rules.extend(
            self.not_put_back
                .iter()
                .map(|why| format!("the base's tests cannot be put over its code: {why}")),
        );
        let high = |rule| Reason { human: true, ..Reason::floor(Tier::High, rule) };
        rules.into_iter().map(high).collect()
    }

    /// What of the base's tests does not pass over the change's code, and did on the base's.
    fn broken_by_code(&self, fork: &Tested) -> Option<String> {
        let over = self.fork_tests.as_ref()?;
        let new: Vec<String> =
            over.failures.iter().filter(|name| !fork.failures.contains(name)).cloned().collect();
        let lacks = over.counts.collected.zip(fork.counts.collected).is_some_and(|(over, fork)| over < fork);
        let is_worse = match fork.result {
            TestResult::Passed => !over.passed() || lacks,
            TestResult::Failed => !over.ran() || lacks || !new.is_empty(),
            TestResult::NotRun => false,
        };
        let named = if new.is_empty() { over.sentence() } else { listed(&new, NAMED) };
        is_worse.then(|| format!("the base's tests do not pass over its code: {named}"))
    }
}

/// The section about them; `None` in facts from before there was one, or where others' heads are not tested here.
pub(super) fn judge(facts: &Facts) -> Option<Section> {
    let Some(tests) = &facts.tests else { return earlier(facts) };
    let unjudged = |why: &str| Some(Section::fine(Node::leaf("tests", Status::NotApplicable, why)));
    if let Some(withheld) = &tests.withheld {
        return Some(of_withheld(facts, withheld));
    }
    let mut section = match (tests.rule, &tests.head) {
        (TestRule::Forge, _) => return unjudged("left to the forge's checks, as the product says"),
        (TestRule::Unset, _) => {
            return unjudged("the product has no test command: only the forge's checks decide");
        }
        (TestRule::Ours, None) if facts.pull_state.is_theirs => return None,
        (TestRule::Ours, None) => {
            Section::failed("tests", "the product's tests have not run on this head".to_owned(), Vec::new())
        }
        (TestRule::Ours, Some(head)) => of_head(facts, tests, head),
    };
    section.node.children = parts(tests, facts.contents.as_ref());
    Some(section)
}

/// A head whose dependencies wait for a person, or were refused: then ours goes back to the model.
fn of_withheld(facts: &Facts, withheld: &Withheld) -> Section {
    let Some(what) = withheld.refusal() else {
        let awaited = withheld.awaited().unwrap_or_default();
        let sentence = format!("the product's tests wait for {awaited}");
        return Section::waiting("tests", &sentence, Wait::Dependencies { awaited });
    };
    let remedies = (!facts.pull_state.is_theirs).then(|| Remedy::Tests { what: what.clone() });
    Section::failed("tests", what, remedies.into_iter().collect())
}

fn of_head(facts: &Facts, tests: &TestFacts, head: &Tested) -> Section {
    let counts = head.counts.sentence();
    let counts = if counts.is_empty() { counts } else { format!(" ({counts})") };
    let named =
        if head.failures.is_empty() { String::new() } else { format!(": {}", head.failed_names(NAMED)) };
    let before = tests.fork.as_ref().and_then(red_before).map(|red| format!("; {red}")).unwrap_or_default();
    let sentence = match (head.result, head.unmet()) {
        (TestResult::Passed, None) => {
            let sentence = format!("the product's tests pass in our sandbox{counts}");
            return Section::fine(Node::leaf("tests", Status::Satisfied, sentence));
        }
        (TestResult::Passed, Some(unmet)) => {
            format!("the product's tests pass in our sandbox, but not its {}{before}", unmet.sentence())
        }
        (TestResult::Failed, _) => {
            format!("the product's tests fail in our sandbox{counts}{named}{before}")
        }
        (TestResult::NotRun, _) => format!("the product's tests could not run here: {}{before}", head.why),
    };
    let is_ours_to_fix = !facts.pull_state.is_theirs && fault(head, tests.fork.as_ref()) == Fault::Change;
    let remedies = is_ours_to_fix.then(|| Remedy::Tests { what: sentence.clone() });
    Section::failed("tests", sentence, remedies.into_iter().collect())
}

/// What was wrong before the change.
#[must_use]
pub fn red_before(fork: &Tested) -> Option<String> {
    match fork.result {
        TestResult::Passed => {
            fork.unmet().map(|unmet| format!("without the change too: {}", unmet.sentence()))
        }
        TestResult::Failed if fork.failures.is_empty() => Some("they fail without the change too".to_owned()),
        TestResult::Failed => {
            Some(format!("without the change these fail already: {}", fork.failed_names(NAMED)))
        }
        TestResult::NotRun => Some(format!("without the change they could not run either: {}", fork.why)),
    }
}

fn parts(tests: &TestFacts, contents: Option<&Contents>) -> Vec<Node> {
    let mut nodes: Vec<Node> = tests.head.iter().flat_map(|head| &head.demands).map(demanded).collect();
    let mut say = |name: &str, tested: &Option<Tested>| {
        if let Some(tested) = tested {
            nodes.push(Node::leaf(name, Status::NotApplicable, tested.sentence()));
        }
    };
    say("where it forked", &tests.fork);
    say("the base's tests over its code", &tests.fork_tests);
    for file in contents.into_iter().flat_map(|contents| &contents.tests) {
        nodes.push(Node::leaf(file.path.clone(), Status::NotApplicable, file.sentence()));
    }
    nodes
}

fn demanded(it: &Demanded) -> Node {
    let status = if it.is_met() { Status::Satisfied } else { Status::Failed };
    Node::leaf(it.demand.as_str(), status, it.sentence())
}

/// Facts of earlier releases, which tell a run on others' heads alone.
fn earlier(facts: &Facts) -> Option<Section> {
    Some(match facts.own_tests.as_ref()? {
        OwnTests::Passed => {
            Section::fine(Node::leaf("tests", Status::Satisfied, "the product's tests pass in our sandbox"))
        }
        OwnTests::Failed => {
            let sentence = "the product's tests fail in our sandbox";
            Section::failed("tests", sentence.to_owned(), Vec::new())
        }
        OwnTests::NotRun(why) => {
            Section::failed("tests", format!("the product's tests could not run here: {why}"), Vec::new())
        }
    })
}
