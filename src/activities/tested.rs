//! Our own runs of the product's tests: once for each tree, in the sandbox or not at all, and shared between runs.

use std::sync::atomic::{AtomicU32, Ordering};

use chrono::DateTime;

use super::{
    Failure,
    attempt::Attempt,
    consent::{Permit, Permitted},
    ledger::Tests,
    publish::edits,
    test_plan::Forked,
};
use crate::{
    core::{
        consent::Withheld,
        edit::Written,
        policy::{TestFacts, TestRule, red_before},
        sha::Sha,
        tested::{Cause, Fault, TestResult, Tested, fault, put_back},
        words::counted,
    },
    llm::RedTests,
    store::test_run::{self, Place, Purpose},
    workspace::{self, Mirror, NewCommit},
};

/// After this many seconds, tests that could not run for a fault of the machine are run again.
const MACHINE_AGAIN: f64 = 60.0;

/// How often red tests of a change go back to the model before a person is needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounds(u32);

/// A change of the model's before it is pushed.
pub(super) enum Tried {
    /// Its tests pass, or are no fault of it, or are not ours to judge.
    Fine,
    /// Its dependencies are not installed before a person says yes.
    Asks(Box<Withheld>),
    /// A person has refused its dependencies.
    Refused(String, Rounds),
    /// They do not pass, and the change is why.
    Red(Box<RedTests>, Rounds),
}

impl Attempt<'_> {
    /// What a commit's tests come to. A tree that was tested is not tested again, unless its tests see the history, what kept its tests from running
    /// may be gone, or a person sent the run here.
    pub(super) async fn tested(
        &self,
        mirror: &Mirror,
        permitted: &Permitted,
        commit: &Sha,
    ) -> Result<Tested, Failure> {
        let Some(tree) = mirror.tree_of(commit).await? else {
            return Err(Failure::retry(format!("the mirror lacks {}", commit.short())));
        };
        let (pool, repository, digest) =
            (&self.factory.pool, self.repo.to_string(), permitted.plan().digest(commit));
        let place = Place { repository: &repository, tree: &tree, plan: &digest };
        if let Some((known, age)) = test_run::get(pool, place).await?
            && !self.is_stale(&known, age)
        {
            return Ok(known);
        }
        let tested = self.run_plan(mirror, permitted, commit).await?;
        self.check_lease()?;
        test_run::put(pool, place, &tested).await?;
        Ok(tested)
    }

    fn is_stale(&self, known: &Tested, age: f64) -> bool {
        let by_machine = matches!(
            known.cause,
            Some(Cause::Sandbox | Cause::Setup | Cause::Killed | Cause::Timeout | Cause::Command)
        );
        let by_machine = by_machine || known.unmet().is_some_and(|unmet| unmet.by_machine);
        let is_again = by_machine || (self.run().was_sent_here() && !known.is_clean());
        is_again && age > MACHINE_AGAIN
    }

    /// The facts about our own runs for a head; what has not run yet is run.
    pub(super) async fn test_facts(
        &self,
        mirror: &Mirror,
        base: &Sha,
        head: &Sha,
    ) -> Result<TestFacts, Failure> {
        let (plan, forked) = self.plan_of(mirror, base, head).await?;
        if plan.rule != TestRule::Ours {
            return Ok(TestFacts::new(plan.rule));
        }
        let permitted = match self.permit(mirror, plan, (base, forked.as_ref()), head).await? {
            Permit::Given(permitted) => permitted,
            Permit::Withheld(withheld) => return Ok(TestFacts::withheld(*withheld)),
        };
        let facts = self.run_all(mirror, &permitted, forked, head).await?;
        let (pool, run) = (&self.factory.pool, self.lease.run);
        for (commit, purpose, tested) in [
            (Some(head), Purpose::Head, &facts.head),
            (facts.fork_commit.as_ref(), Purpose::Fork, &facts.fork),
            (Some(head), Purpose::ForkTests, &facts.fork_tests),
        ] {
            if let (Some(commit), Some(tested)) = (commit, tested) {
                test_run::note(pool, run, commit, purpose, tested).await?;
            }
        }
        let short = |tested: Option<Tested>| tested.as_ref().map(Tested::without_log);
        Ok(TestFacts {
            head: short(facts.head),
            fork: short(facts.fork),
            fork_tests: short(facts.fork_tests),
            ..facts
        })
    }

    /// The same for a pull request of others, whose tests run in a step of their own: what is known by now.
    pub(super) async fn known_test_facts(
        &self,
        mirror: &Mirror,
        base: &Sha,
        head: &Sha,
    ) -> Result<Option<TestFacts>, Failure> {
        let (plan, forked) = self.plan_of(mirror, base, head).await?;
        if plan.rule != TestRule::Ours {
            return Ok(None);
        }
        let plan = match self.permit(mirror, plan, (base, forked.as_ref()), head).await? {
            Permit::Given(permitted) => permitted.plan().clone(),
            Permit::Withheld(withheld) => return Ok(Some(TestFacts::withheld(*withheld))),
        };
        let (repository, tree) = (self.repo.to_string(), mirror.tree_of(head).await?);
        let known = match &tree {
            Some(tree) => {
                let place = Place { repository: &repository, tree, plan: &plan.digest(head) };
                test_run::get(&self.factory.pool, place).await?
            }
            None => None,
        };
        let head = known.map(|(tested, _)| tested.without_log());
        Ok(Some(TestFacts { head, ..TestFacts::new(plan.rule) }))
    }

    /// The facts about our own runs for a head, as a judgement reads them.
    pub(super) async fn tests_as_facts(
        &self,
        mirror: &Mirror,
        base: &Sha,
        head: &Sha,
    ) -> Result<Option<TestFacts>, Failure> {
        match self.brief.theirs() {
            Some(_) => self.known_test_facts(mirror, base, head).await,
            None => self.test_facts(mirror, base, head).await.map(Some),
        }
    }

    /// All runs about a head, with their logs.
    async fn run_all(
        &self,
        mirror: &Mirror,
        permitted: &Permitted,
        forked: Option<Forked>,
        head: &Sha,
    ) -> Result<TestFacts, Failure> {
        let rule = permitted.plan().rule;
        let on_head = self.tested(mirror, permitted, head).await?;
        let Some(Forked { fork, change }) = forked else {
            return Ok(TestFacts { head: Some(on_head), ..TestFacts::new(rule) });
        };
        let on_fork = self.tested(mirror, permitted, &fork).await?;
        let (over, not_put_back) = match mirror.with_tests_of(head, &fork, &put_back(&change)).await {
            Ok(same) if same == *head => (None, None),
            Ok(commit) => (Some(self.tested(mirror, &permitted.tests_alone(), &commit).await?), None),
            Err(error @ (workspace::Error::Refused { .. } | workspace::Error::TooLarge { .. })) => {
                (None, Some(error.to_string()))
            }
            Err(error) => return Err(error.into()),
        };
        Ok(TestFacts {
            head: Some(on_head),
            fork_commit: Some(fork),
            fork: Some(on_fork),
            fork_tests: over,
            not_put_back,
            ..TestFacts::new(rule)
        })
    }

    /// Tests what the model wrote over `parent`, before anything of it is pushed.
    pub(super) async fn try_out(
        &self,
        mirror: &Mirror,
        (base, parent): (&Sha, &Sha),
        files: &[Written],
    ) -> Result<Tried, Failure> {
        let plan = self.test_plan(mirror).await?;
        if plan.rule != TestRule::Ours {
            return Ok(Tried::Fine);
        }
        // Never pushed: the tests see its tree alone, which the pushed commit has too.
        let message = "a change that is tried out".to_owned();
        let commit =
            NewCommit { parent: parent.clone(), files: edits(files), message, at: DateTime::UNIX_EPOCH };
        let commit = mirror.commit(&commit).await?;
        let (plan, forked) = self.plan_of(mirror, base, &commit).await?;
        let rounds = Rounds(plan.rounds);
        let permitted = match self.permit(mirror, plan, (base, forked.as_ref()), &commit).await? {
            Permit::Given(permitted) => permitted,
            Permit::Withheld(withheld) => {
                return Ok(match withheld.refusal() {
                    Some(refusal) => Tried::Refused(refusal, rounds),
                    None => Tried::Asks(withheld),
                });
            }
        };
        let facts = self.run_all(mirror, &permitted, forked, &commit).await?;
        let Some(head) = facts.head.filter(|head| !head.is_clean()) else { return Ok(Tried::Fine) };
        test_run::note(&self.factory.pool, self.lease.run, &commit, Purpose::Draft, &head).await?;
        Ok(match fault(&head, facts.fork.as_ref()) {
            Fault::Machine => Tried::Fine,
            Fault::Change => Tried::Red(Box::new(red(&head, facts.fork.as_ref())), rounds),
        })
    }

    /// What the pull request says of the tests of a head.
    pub(super) async fn tests_of(&self, mirror: &Mirror, head: &Sha) -> Result<Tests, Failure> {
        let base = self.base(mirror).await?;
        let (plan, forked) = self.plan_of(mirror, &base, head).await?;
        match plan.rule {
            TestRule::Forge => return Ok(Tests::NotRun("left to the forge's checks".to_owned())),
            TestRule::Unset => return Ok(Tests::NotRun("the product has no test command".to_owned())),
            TestRule::Ours => {}
        }
        let permitted = match self.permit(mirror, plan, (&base, forked.as_ref()), head).await? {
            Permit::Given(permitted) => permitted,
            Permit::Withheld(withheld) => {
                let awaited = withheld.awaited().map(|awaited| format!("they wait for {awaited}"));
                return Ok(Tests::NotRun(awaited.or_else(|| withheld.refusal()).unwrap_or_default()));
            }
        };
        let tested = self.tested(mirror, &permitted, head).await?;
        Ok(match tested.result {
            TestResult::Passed if tested.is_clean() => Tests::Passed,
            TestResult::Passed | TestResult::Failed => Tests::Failed(tested.red_log().to_owned()),
            TestResult::NotRun => Tests::NotRun(tested.why),
        })
    }

    /// The red tests of a head, for the model that is to fix it; `None` where they pass, or are no fault of it.
    pub(super) async fn red_tests(&self, mirror: &Mirror, head: &Sha) -> Result<Option<RedTests>, Failure> {
        let base = self.base(mirror).await?;
        let (plan, forked) = self.plan_of(mirror, &base, head).await?;
        if plan.rule != TestRule::Ours {
            return Ok(None);
        }
        // What was refused is among the blockers that the model is shown.
        let Permit::Given(permitted) = self.permit(mirror, plan, (&base, forked.as_ref()), head).await?
        else {
            return Ok(None);
        };
        let facts = self.run_all(mirror, &permitted, forked, head).await?;
        let fork = facts.fork;
        let head = facts.head.filter(|head| !head.is_clean() && fault(head, fork.as_ref()) == Fault::Change);
        Ok(head.map(|head| red(&head, fork.as_ref())))
    }
}

fn red(head: &Tested, fork: Option<&Tested>) -> RedTests {
    RedTests { said: head.sentence(), before: fork.and_then(red_before), log: head.red_log().to_owned() }
}

/// Why a person is needed once a change's tests are red again; `None` while the model has a round left.
pub(super) fn spent(at: &Attempt<'_>, red: &RedTests, most: Rounds, reds: &AtomicU32) -> Option<String> {
    let (said, run) = (&red.said, at.lease.run);
    let rounds = spent_rounds(most, reds)?;
    Some(format!(
        "after {rounds} with the model its tests {said}; nothing was pushed (the log: aspora run tests {run})"
    ))
}

/// The same for dependencies that were refused.
pub(super) fn spent_refused(refusal: &str, most: Rounds, reds: &AtomicU32) -> Option<String> {
    let rounds = spent_rounds(most, reds)?;
    Some(format!(
        "after {rounds} with the model it still brings what was refused; nothing was pushed: {refusal}"
    ))
}

/// The rounds in words, once they are spent.
fn spent_rounds(most: Rounds, reds: &AtomicU32) -> Option<String> {
    let rounds = reds.fetch_add(1, Ordering::Relaxed);
    (rounds >= most.0).then(|| counted(rounds, "round"))
}
