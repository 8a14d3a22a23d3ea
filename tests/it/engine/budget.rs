//! Budgets: what a call reserves, what it settles, and which runs resume when there is more.

use aspora::{
    core::{
        budget::{Account, Amount, Estimate, Exceeded, Limits, Scope, Unit},
        run::PauseCause,
        workflow::Queue,
    },
    engine::Ack,
    store::{budget, job::Lease},
};
use uuid::Uuid;

use super::support::{TestEngine, assert_budgets_add_up, assert_sound};

const KEY: &str = "generate.1/model.1";
const NOBODY: [Uuid; 0] = [];

const fn tokens(tokens: u64) -> Estimate {
    Estimate { tokens, micro_dollars: Some(tokens * 2) }
}

const fn used(tokens: u64) -> Amount {
    Amount { tokens, micro_dollars: tokens * 2 }
}

const fn limit(tokens: u64) -> Limits {
    Limits { tokens: Some(tokens), micro_dollars: None }
}

/// The same job, claimed for another attempt.
fn attempt(lease: &Lease, attempt: u32) -> Lease {
    Lease { attempt, ..lease.clone() }
}

impl TestEngine {
    async fn begun(&self) -> Lease {
        self.accept().await;
        self.claim(Queue::Llm).await
    }

    /// Reserves as a call does; a refused reservation stores nothing.
    async fn reserve(&self, lease: &Lease, estimate: Estimate) -> Result<(), Exceeded> {
        let mut tx = self.pool().begin().await.unwrap();
        let reserved = budget::reserve(&mut tx, lease, "wealth", KEY, estimate).await.unwrap();
        match reserved {
            Ok(()) => tx.commit().await.unwrap(),
            Err(_) => tx.rollback().await.unwrap(),
        }
        reserved
    }

    async fn settle(&self, lease: &Lease, amount: Amount, usage_is_known: bool) {
        let mut tx = self.pool().begin().await.unwrap();
        budget::settle(&mut tx, lease, KEY, amount, usage_is_known.then_some(amount)).await.unwrap();
        tx.commit().await.unwrap();
        assert_budgets_add_up(self.pool()).await;
    }

    async fn limit(&self, scope: Scope, key: &str, limits: Limits) -> Vec<Uuid> {
        let reason = "as agreed".parse().unwrap();
        self.engine.set_budget(&[(scope, limits)], key, &reason, "pm@acme").await.unwrap()
    }

    /// Reserved and settled tokens of the run, the product and the day, which agree here.
    async fn tokens(&self, run: Uuid) -> (u64, u64) {
        let accounts = budget::accounts(self.pool(), run, "wealth").await.unwrap();
        let of = |it: &Account| (it.used.reserved.tokens, it.used.settled.tokens);
        let all: Vec<_> = accounts.iter().map(of).collect();
        assert_eq!((all.len(), all[0], all[0]), (3, all[1], all[2]), "{accounts:?}");
        all[0]
    }

    /// A run whose call of 100 tokens was refused, paused as its worker pauses it.
    async fn short(&self) -> Uuid {
        let lease = self.begun().await;
        let exceeded = self.reserve(&lease, tokens(100)).await.unwrap_err();
        budget::record_refusal(self.pool(), lease.run, "wealth", tokens(100)).await.unwrap();
        let halted = self.engine.halt(&lease, "w1", PauseCause::Budget, &exceeded.to_string()).await;
        assert_eq!(halted.unwrap(), Ack::Committed);
        lease.run
    }
}

#[tokio::test]
async fn two_workers_cannot_both_reserve_the_last_of_a_budget() {
    let test = TestEngine::new().await;
    test.limit(Scope::Product, "wealth", limit(1_000)).await;
    let mut leases = Vec::new();
    for _ in 0..24 {
        leases.push(test.begun().await);
    }
    // Seven fit, no matter which.
    let asked = leases.iter().map(|lease| test.reserve(lease, tokens(130)));
    let answers = futures::future::join_all(asked).await;
    let refused: Vec<Exceeded> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 24 - 7);
    for exceeded in refused {
        assert_eq!((exceeded.scope, exceeded.unit, exceeded.limit), (Scope::Product, Unit::Tokens, 1_000));
        assert!(exceeded.used.all().tokens <= 910, "it saw what was admitted and no more: {exceeded}");
    }
    let accounts = budget::of_product(test.pool(), "wealth").await.unwrap();
    assert_eq!(accounts[0].used.reserved, used(910));
    assert_budgets_add_up(test.pool()).await;
}

#[tokio::test]
async fn a_call_is_reserved_once_per_attempt_and_settled_once() {
    let test = TestEngine::new().await;
    let lease = test.begun().await;
    for _ in 0..2 {
        assert_eq!(test.reserve(&lease, tokens(100)).await, Ok(()));
        assert_eq!(test.tokens(lease.run).await, (100, 0));
    }
    for later in [30, 30, 99] {
        test.settle(&lease, used(later), true).await;
        assert_eq!(test.tokens(lease.run).await, (0, 30), "the first word stays");
    }
    assert_eq!(test.reserve(&lease, tokens(100)).await, Ok(()), "it was made in this attempt already");
    assert_eq!(test.tokens(lease.run).await, (0, 30));
}

#[tokio::test]
async fn a_call_that_was_cut_off_stays_reserved_until_a_later_attempt_shows_its_usage() {
    let test = TestEngine::new().await;
    let first = test.begun().await;
    let (second, third) = (attempt(&first, 2), attempt(&first, 3));
    for lease in [&first, &second, &third] {
        test.reserve(lease, tokens(100)).await.unwrap();
    }
    assert_eq!(test.tokens(first.run).await, (300, 0), "each of them may have been paid");
    test.settle(&second, used(0), false).await;
    assert_eq!(test.tokens(first.run).await, (200, 0), "a call that was turned away tells nothing");
    test.settle(&third, used(40), true).await;
    assert_eq!(test.tokens(first.run).await, (0, 80), "the first is taken to have used as much");
    // The first worker was not dead after all, and reports the true usage.
    test.settle(&first, used(55), true).await;
    assert_eq!(test.tokens(first.run).await, (0, 95));
    let how = "select string_agg(settled_as, ' ' order by attempt) from reservation";
    assert_eq!(test.query::<String>(how).await, "known known known");
}

#[tokio::test]
async fn a_released_reservation_is_charged_only_if_the_call_returns_after_all() {
    let test = TestEngine::new().await;
    let first = test.begun().await;
    test.reserve(&first, tokens(100)).await.unwrap();
    let reason = "not on the bill".parse().unwrap();
    let held = test.engine.release_reservations(first.run, &reason, "pm@acme").await.unwrap();
    assert_eq!((held, test.tokens(first.run).await), (0, (100, 0)), "it is being made");
    super::support::advance(test.pool(), TestEngine::LEASE).await;
    let released = test.engine.release_reservations(first.run, &reason, "pm@acme").await.unwrap();
    assert_eq!((released, test.tokens(first.run).await), (1, (0, 0)));
    assert_eq!(test.query::<String>("select note from reservation").await, "pm@acme: not on the bill");
    let again = test.engine.release_reservations(first.run, &reason, "pm@acme").await.unwrap();
    assert_eq!(again, 0);
    test.settle(&first, used(70), true).await;
    assert_eq!(test.tokens(first.run).await, (0, 70), "it was paid after all");
}

#[tokio::test]
async fn the_totals_are_always_the_sums_of_reservations() {
    let test = TestEngine::new().await;
    let leases = [test.begun().await, test.begun().await, test.begun().await];
    // A fixed mix of calls, on several days.
    for step in 0_u32..60 {
        let lease = attempt(&leases[(step % 3) as usize], step % 7 + 1);
        match step % 5 {
            0 | 1 => {
                let _ = test.reserve(&lease, tokens(u64::from(step) + 1)).await;
            }
            2 => test.settle(&lease, used(u64::from(step) / 2), step % 2 == 0).await,
            3 => {
                let reason = "r".parse().unwrap();
                test.engine.release_reservations(lease.run, &reason, "pm").await.unwrap();
            }
            _ => {
                test.limit(Scope::ProductDay, "wealth", limit(u64::from(step) * 10)).await;
            }
        }
        assert_budgets_add_up(test.pool()).await;
    }
    assert!(test.query::<i64>("select count(*) from reservation where settled_at is not null").await > 5);
}

#[tokio::test]
async fn a_raised_budget_resumes_the_runs_that_it_paused_and_no_others() {
    let test = TestEngine::new().await;
    test.limit(Scope::Product, "wealth", limit(10)).await;
    let (short, other, persons) = (test.short().await, test.short().await, test.short().await);
    let reason = "mine now".parse().unwrap();
    test.engine.resume(persons, "pm@acme", &reason).await.unwrap();
    test.engine.pause(persons, "pm@acme", &reason).await.unwrap();
    assert_sound(&test.engine).await;

    assert_eq!(test.limit(Scope::Product, "wealth", limit(99)).await, NOBODY, "it is still too small");
    assert_eq!(
        test.limit(Scope::Run, &short.to_string(), limit(5_000)).await,
        NOBODY,
        "the product is short"
    );
    assert_eq!(test.limit(Scope::Product, "wealth", limit(199)).await, [short], "there is room for one");
    assert_eq!(test.engine.resume_funded().await.unwrap(), NOBODY, "what it was promised is not given twice");
    assert_eq!(test.limit(Scope::Product, "wealth", Limits::default()).await, [other]);
    assert_eq!(test.event_kinds(short).await, ["started", "paused", "resumed"]);
    assert_eq!(test.event_kinds(persons).await, ["started", "paused", "resumed", "paused"]);
    assert_sound(&test.engine).await;
    let lease = test.claim_all(Queue::Llm, 10).await.into_iter().find(|lease| lease.run == short).unwrap();
    assert_eq!((lease.attempt, lease.is_spent()), (2, false), "a halt costs no attempt");
    assert_eq!(test.reserve(&lease, tokens(100)).await, Ok(()));
}

#[tokio::test]
async fn a_new_day_resumes_the_runs_that_the_last_day_paused() {
    let test = TestEngine::new().await;
    test.limit(Scope::ProductDay, "wealth", limit(150)).await;
    let spent = test.begun().await;
    test.reserve(&spent, tokens(120)).await.unwrap();
    test.settle(&spent, used(120), true).await;
    let short = test.short().await;
    assert_eq!(test.engine.resume_funded().await.unwrap(), NOBODY);
    // A day passes.
    test.execute("update reservation set day = day - 1").await;
    test
        .execute("update budget_use set key = 'wealth/' || ((now() at time zone 'utc')::date - 1) where scope = 'product_day'")
        .await;
    assert_budgets_add_up(test.pool()).await;
    assert_eq!(test.engine.resume_funded().await.unwrap(), [short]);
    assert_eq!(test.engine.resume_funded().await.unwrap(), NOBODY);
}

#[tokio::test(flavor = "multi_thread")]
async fn t30_a_run_without_limits_of_its_own_has_the_default() {
    let test = TestEngine::new().await;
    let (one, other) = (test.begun().await, test.begun().await);
    let limit_of = async |run: Uuid| {
        let accounts = budget::accounts(test.pool(), run, "wealth").await.unwrap();
        (accounts[0].limits.tokens, accounts[1].limits.tokens)
    };
    assert_eq!(limit_of(one.run).await, (Some(5_000_000), None), "a new installation");
    test.limit(Scope::Run, budget::EVERY_RUN, limit(50)).await;
    test.limit(Scope::Run, &other.run.to_string(), Limits::default()).await;
    assert_eq!(limit_of(one.run).await, (Some(50), None));
    assert_eq!(limit_of(other.run).await, (None, None), "its own, which name no limit");
    assert!(test.reserve(&one, tokens(51)).await.is_err());
    test.reserve(&other, tokens(51)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_higher_default_resumes_the_runs_that_it_had_paused() {
    let test = TestEngine::new().await;
    test.limit(Scope::Run, budget::EVERY_RUN, limit(10)).await;
    let run = test.short().await;
    assert_eq!(test.limit(Scope::Run, budget::EVERY_RUN, limit(20)).await, NOBODY);
    assert_eq!(test.limit(Scope::Run, budget::EVERY_RUN, limit(100)).await, [run]);
}
