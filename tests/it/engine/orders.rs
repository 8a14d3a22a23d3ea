//! Any order of claims, expiries, answers, failures and signals: the invariants hold after each of them, only the
//! holder of the token is heard, and every run can still end.

use std::{collections::HashMap, time::Duration};

use aspora::{
    core::{
        run::{Park, Progress, Topic},
        workflow::Queue,
    },
    engine::Ack,
    store::job::{self, Lease},
};
use chrono::TimeDelta;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use uuid::Uuid;

use super::support::{TestEngine, advance, answer, assert_sound, news};

const CASES: u32 = 10;

#[derive(Debug, Clone)]
enum Step {
    Accept,
    Claim(Queue),
    /// The picked lease may have been lost long ago.
    Answer(usize, usize),
    Park(usize),
    Fail(usize),
    Exhaust(usize),
    GiveBack(usize),
    Renew,
    Signal(usize, Topic),
    Pass(u64),
    Clock,
}

fn step() -> impl Strategy<Value = Step> {
    let queue = prop_oneof![2 => Just(Queue::Llm), 1 => Just(Queue::Github)];
    let topic = prop_oneof![Just(Topic::Checks), Just(Topic::Push)];
    prop_oneof![
        1 => Just(Step::Accept),
        6 => queue.prop_map(Step::Claim),
        6 => (0..100_usize, 0..10_usize).prop_map(|(lease, outcome)| Step::Answer(lease, outcome)),
        4 => (0..100_usize).prop_map(Step::Park),
        3 => (0..100_usize).prop_map(Step::Fail),
        1 => (0..100_usize).prop_map(Step::Exhaust),
        2 => (0..100_usize).prop_map(Step::GiveBack),
        1 => Just(Step::Renew),
        4 => (0..100_usize, topic).prop_map(|(run, topic)| Step::Signal(run, topic)),
        4 => (1..60_u64).prop_map(Step::Pass),
        2 => Just(Step::Clock),
    ]
}

/// The model: every lease so far, and the token that holds each job.
struct World {
    test: TestEngine,
    runs: Vec<Uuid>,
    leases: Vec<Lease>,
    holder: HashMap<i64, Uuid>,
}

impl World {
    async fn new() -> Self {
        let test = TestEngine::new().await;
        let runs = vec![test.accept().await, test.accept().await];
        Self { test, runs, leases: Vec::new(), holder: HashMap::new() }
    }

    async fn take(&mut self, step: Step, delivery: usize) {
        match step {
            Step::Accept => self.runs.push(self.test.accept().await),
            Step::Claim(queue) => self.claim(queue, 2).await,
            Step::Answer(lease, outcome) => {
                let Some(lease) = self.pick(lease) else { return };
                self.answer(&lease, outcome).await;
            }
            Step::Park(lease) => {
                let Some(lease) = self.pick(lease) else { return };
                let until = self.test.run(lease.run).await.now + TimeDelta::seconds(30);
                let park = Park::new("checks", vec![Topic::Checks], until);
                let moved = self.test.engine.park(&lease, "w", park, Progress::default()).await.unwrap();
                self.counted(&lease, moved == Ack::Committed);
            }
            Step::Fail(lease) => {
                let Some(lease) = self.pick(lease) else { return };
                let moved = self.test.engine.fail(&lease, "w", "e", None).await.unwrap();
                self.counted(&lease, moved == Ack::Committed);
            }
            Step::Exhaust(lease) => {
                let Some(lease) = self.pick(lease) else { return };
                let moved = self.test.engine.exhaust(&lease, "w", "e").await.unwrap();
                self.counted(&lease, moved == Ack::Committed);
            }
            Step::GiveBack(lease) => {
                let Some(lease) = self.pick(lease) else { return };
                let given = job::release(self.test.pool(), &lease).await.unwrap();
                self.counted(&lease, given);
            }
            Step::Renew => self.renew().await,
            Step::Signal(run, topic) => {
                let run = self.runs[run % self.runs.len()];
                self.test.engine.receive_signal(&news(run, topic, &delivery.to_string())).await.unwrap();
            }
            Step::Pass(seconds) => advance(self.test.pool(), Duration::from_secs(seconds)).await,
            Step::Clock => drop(self.test.engine.wake_due(100).await.unwrap()),
        }
    }

    fn pick(&self, index: usize) -> Option<Lease> {
        // The newest first, so that most reports are not fenced off.
        let count = self.leases.len();
        (count > 0).then(|| self.leases[count - 1 - index % count.min(6)].clone())
    }

    async fn claim(&mut self, queue: Queue, limit: usize) {
        for lease in self.test.claim_all(queue, limit).await {
            self.holder.insert(lease.job, lease.token);
            self.leases.push(lease);
        }
    }

    /// A job without attempts left becomes a dead letter, as a worker does it.
    async fn answer(&mut self, lease: &Lease, outcome: usize) {
        let engine = &self.test.engine;
        let moved = if lease.is_spent() {
            engine.exhaust(lease, "w", "every attempt ended with its worker").await.unwrap()
        } else {
            let hash = self.test.run(lease.run).await.spec.workflow_hash;
            let outcomes = engine.workflow(&hash).await.unwrap().steps[&lease.step].run.outcomes();
            engine.answer(lease, "w", answer(outcomes[outcome % outcomes.len()])).await.unwrap()
        };
        self.counted(lease, moved == Ack::Committed);
    }

    async fn renew(&self) {
        let (jobs, tokens): (Vec<_>, Vec<_>) = self.leases.iter().map(|it| (it.job, it.token)).unzip();
        let mut renewed = job::renew(self.test.pool(), &jobs, &tokens, TestEngine::LEASE).await.unwrap();
        let mut held: Vec<Uuid> = self.holder.values().copied().collect();
        renewed.sort();
        held.sort();
        assert_eq!(renewed, held, "the renewed leases are not the current ones");
    }

    /// A report counts if, and only if, its lease holds the job; it ends the lease.
    fn counted(&mut self, lease: &Lease, did: bool) {
        let holds = self.holder.get(&lease.job) == Some(&lease.token);
        assert_eq!(did, holds, "{lease:?}");
        if holds {
            self.holder.remove(&lease.job);
        }
    }

    /// Brings all runs to their end.
    async fn settle(mut self) {
        for _ in 0..500 {
            if self.test.query::<i64>("select count(*) from run where status <> 'ended'").await == 0 {
                return assert_sound(&self.test.engine).await;
            }
            advance(self.test.pool(), Duration::from_secs(1200)).await;
            self.test.engine.wake_due(100).await.unwrap();
            let known = self.leases.len();
            for queue in Queue::ALL {
                self.claim(queue, 100).await;
            }
            for lease in self.leases.split_off(known) {
                self.answer(&lease, 0).await;
            }
        }
        panic!("a run does not end");
    }
}

#[test]
fn no_order_of_claims_expiries_answers_failures_and_signals_breaks_an_invariant() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config =
        Config { cases: CASES, max_shrink_iters: 64, failure_persistence: None, ..Config::default() };
    let orders = proptest::collection::vec(step(), 30..60);
    let ran = TestRunner::new(config).run(&orders, |steps| {
        runtime.block_on(async {
            let mut world = World::new().await;
            for (delivery, step) in steps.into_iter().enumerate() {
                world.take(step, delivery).await;
                assert_sound(&world.test.engine).await;
            }
            world.settle().await;
        });
        Ok(())
    });
    ran.unwrap();
}
