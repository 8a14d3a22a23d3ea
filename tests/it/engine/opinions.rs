//! What people say of a head: recorded once, never lost, and heard at once by a run that waits.

use std::sync::Arc;

use aspora::{
    core::{
        opinion::Opinion,
        policy::Via,
        run::{Park, Progress, State, Topic},
        sha::Sha,
        workflow::{
            Outcome::{self, Clean, Opened, Passed},
            Queue,
        },
    },
    engine::{
        Ack, Answer, Control, Denied, Error, Said,
        group_commit::{BatchLimits, GroupCommit, Handoff, Recorded},
    },
    store::{
        Clock,
        audit::Author,
        job::{self, ClaimRequest, Lease},
        opinion,
    },
};
use chrono::TimeDelta;
use uuid::Uuid;

use super::support::{TestEngine, answer, assert_sound};

pub(super) fn head(digit: &str) -> Sha {
    digit.repeat(40).parse().unwrap()
}

async fn say(test: &TestEngine, run: Uuid, who: &str, opinion: Opinion, on: &Sha) -> Result<Control, Error> {
    let said = Said { head: on, opinion, via: Via::Aspora, login: who, account: None, reason: None };
    let by = Author { person: who, key: None, request: None };
    let done = test.engine.opine(run, said, by).await;
    assert_sound(&test.engine).await;
    done
}

async fn denied(test: &TestEngine, run: Uuid, opinion: Opinion, on: &Sha) -> Denied {
    let before = test.snapshot().await;
    let Err(Error::Denied(denied)) = say(test, run, "asha", opinion, on).await else { panic!("not denied") };
    assert_eq!((test.snapshot().await, said(test).await), (before, vec![]));
    denied
}

/// Everything that was said, in words.
async fn said(test: &TestEngine) -> Vec<String> {
    let all = "select person || ' ' || opinion || ' ' || left(head_sha, 1) from opinion order by id";
    sqlx::query_scalar(all).fetch_all(test.pool()).await.unwrap()
}

fn opened() -> Answer {
    let progress = Progress { pull: Some(7), head: Some(head("a")), ..Progress::default() };
    Answer { progress, ..answer(Opened) }
}

/// A run whose verdict a worker has claimed.
pub(super) async fn at_verdict(test: &TestEngine) -> Lease {
    test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "tester", opened()).await.unwrap();
    for (queue, outcome) in [(Queue::Github, Passed), (Queue::Llm, Clean)] {
        let lease = test.claim(queue).await;
        test.engine.answer(&lease, "tester", answer(outcome)).await.unwrap();
    }
    test.claim(Queue::Github).await
}

pub(super) async fn park(test: &TestEngine, lease: &Lease, topics: &[Topic]) {
    let until = test.run(lease.run).await.now + TimeDelta::minutes(5);
    let park = Park::new("approvals", topics.to_vec(), until);
    let parked = test.engine.park(lease, "tester", park, Progress::default()).await.unwrap();
    assert_eq!(parked, Ack::Committed);
}

#[tokio::test]
async fn an_opinion_wakes_the_waiting_run_and_is_recorded_once() {
    let test = TestEngine::new().await;
    let lease = at_verdict(&test).await;
    let run = lease.run;
    park(&test, &lease, &[Topic::Checks, Topic::Reviews]).await;
    let on = head("a");
    assert_eq!(say(&test, run, "asha", Opinion::Approve, &on).await.unwrap(), Control::Applied);
    let kinds = test.event_kinds(run).await;
    assert_eq!(kinds[kinds.len() - 2..], ["opinion_given", "signalled"]);
    assert_eq!(test.claim(Queue::Github).await.step, "verdict", "it is judged at once");
    let before = (test.snapshot().await, said(&test).await);
    assert_eq!(say(&test, run, "asha", Opinion::Approve, &on).await.unwrap(), Control::Unchanged);
    assert_eq!((test.snapshot().await, said(&test).await), before);
    assert_eq!(test.query::<i64>("select count(*) from audit where act = 'run.approve'").await, 1);
    say(&test, run, "bilal", Opinion::Reject, &on).await.unwrap();
    say(&test, run, "asha", Opinion::Withdraw, &on).await.unwrap();
    let latest = opinion::latest(test.pool(), run).await.unwrap();
    let latest: Vec<_> = latest.iter().map(|row| (row.person.as_str(), row.opinion())).collect();
    assert_eq!(latest, [("bilal", Opinion::Reject), ("asha", Opinion::Withdraw)]);
    assert_eq!(said(&test).await.len(), 3, "nothing is overwritten");
}

#[tokio::test]
async fn an_opinion_beside_a_running_attempt_loses_neither_it_nor_the_answer() {
    let test = TestEngine::new().await;
    let lease = at_verdict(&test).await;
    let stored = test.run(lease.run).await;
    say(&test, lease.run, "asha", Opinion::Reject, &head("a")).await.unwrap();
    let clock = Clock::at(stored.now);
    let pending = test.engine.prepare(&lease, &stored, &clock, answer(Outcome::Cleared)).await;
    let limits = BatchLimits { size: 1, concurrency: 1 };
    let commits = GroupCommit::open(&test.engine, &Arc::from("tester"), TestEngine::LEASE, limits);
    let fast = commits.record(pending.unwrap().unwrap(), Handoff::Notify).await;
    assert!(matches!(fast, Recorded::NotRecorded), "the version that it was made of is out of date");
    assert_eq!(test.query::<i32>("select version from run").await, stored.version + 1);
    let slow = test.engine.answer(&lease, "tester", answer(Outcome::Cleared)).await.unwrap();
    assert_eq!(slow, Ack::Committed);
    assert_eq!(test.run(lease.run).await.run.step(), Some("merge"));
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_step_that_began_before_an_opinion_does_not_wait_for_it() {
    let test = TestEngine::new().await;
    let lease = at_verdict(&test).await;
    say(&test, lease.run, "asha", Opinion::Approve, &head("a")).await.unwrap();
    park(&test, &lease, &[Topic::Reviews]).await;
    assert!(matches!(test.run(lease.run).await.run.state, State::At { .. }), "it looks again at once");
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn a_batch_without_opinions_is_not_held_up_by_one() {
    let test = TestEngine::new().await;
    let noted = at_verdict(&test).await;
    let before = test.run(noted.run).await;
    let stale = test.engine.prepare(&noted, &before, &Clock::at(before.now), answer(Outcome::Cleared)).await;
    say(&test, noted.run, "asha", Opinion::Approve, &head("a")).await.unwrap();
    test.accept().await;
    let request = ClaimRequest { worker: "tester", lease: TestEngine::LEASE, suspects: true, guarded: true };
    let mut connection = test.pool().acquire().await.unwrap();
    let batch = job::claim(&mut connection, &[(Queue::Llm, 1)], request).await.unwrap();
    let claim = batch.claims.into_iter().next().unwrap();
    let limits = BatchLimits { size: 8, concurrency: 1 };
    let commits = GroupCommit::open(&test.engine, &Arc::from("tester"), TestEngine::LEASE, limits);
    let (stored, clock) = (claim.stored.unwrap(), batch.clock);
    let other = test.engine.prepare(&claim.lease, &stored, &clock, opened()).await.unwrap().unwrap();
    // Both are sent before the batch is made.
    let stale = commits.record(stale.unwrap().unwrap(), Handoff::Notify);
    let (stale, other) = tokio::join!(stale, commits.record(other, Handoff::Notify));
    assert!(matches!((stale, other), (Recorded::NotRecorded, Recorded::Committed)));
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn only_the_head_of_a_run_that_goes_on_can_be_approved_or_rejected() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let on = head("a");
    for opinion in Opinion::ALL {
        let Denied::StaleHead { now: None, .. } = denied(&test, run, opinion, &on).await else { panic!() };
    }
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "tester", opened()).await.unwrap();
    for opinion in Opinion::ALL {
        let stale = denied(&test, run, opinion, &head("b")).await;
        assert_eq!(stale, Denied::StaleHead { given: head("b"), now: Some(on.clone()) });
    }
    assert_eq!(denied(&test, run, Opinion::Withdraw, &on).await, Denied::NothingSaid);
    let lease = test.claim(Queue::Github).await;
    test.engine.answer(&lease, "tester", answer(Outcome::Stopped)).await.unwrap();
    for opinion in [Opinion::Approve, Opinion::Reject] {
        assert!(matches!(denied(&test, run, opinion, &on).await, Denied::Ended(_)));
    }
}

#[tokio::test]
async fn a_refusal_can_be_withdrawn_after_it_has_ended_the_run() {
    let test = TestEngine::new().await;
    let lease = at_verdict(&test).await;
    let (run, on) = (lease.run, head("a"));
    say(&test, run, "asha", Opinion::Reject, &on).await.unwrap();
    test.engine.answer(&lease, "tester", answer(Outcome::Stopped)).await.unwrap();
    assert_eq!(say(&test, run, "asha", Opinion::Withdraw, &on).await.unwrap(), Control::Applied);
    assert_eq!(say(&test, run, "asha", Opinion::Withdraw, &on).await.unwrap(), Control::Unchanged);
    let why = "asha was satisfied".parse().unwrap();
    assert_eq!(test.engine.retry(run, None, "pm", &why).await.unwrap(), Control::Applied);
    assert_eq!(test.run(run).await.run.step(), Some("verdict"), "it goes on where it ended");
    let merged = Progress { merged: Some(head("c")), ..Progress::default() };
    for (outcome, progress) in [(Outcome::Cleared, Progress::default()), (Outcome::Merged, merged)] {
        let lease = test.claim(Queue::Github).await;
        test.engine.answer(&lease, "tester", Answer { progress, ..answer(outcome) }).await.unwrap();
    }
    let over = say(&test, run, "asha", Opinion::Withdraw, &on).await.unwrap_err();
    assert!(matches!(over, Error::Denied(Denied::Merged)), "{over}");
}

#[tokio::test]
async fn what_was_said_to_a_run_counts_for_its_fork_on_the_same_branch() {
    let test = TestEngine::new().await;
    let lease = at_verdict(&test).await;
    say(&test, lease.run, "asha", Opinion::Reject, &head("a")).await.unwrap();
    test.engine.answer(&lease, "tester", answer(Outcome::Stopped)).await.unwrap();
    let why = "again".parse().unwrap();
    let fork = test.engine.fork(lease.run, "gate", "pm", &why).await.unwrap();
    assert_eq!(opinion::latest(test.pool(), fork).await.unwrap().len(), 1);
    say(&test, fork, "asha", Opinion::Withdraw, &head("a")).await.unwrap();
    assert_eq!(opinion::latest(test.pool(), fork).await.unwrap()[0].opinion(), Opinion::Withdraw);
}

#[tokio::test]
async fn an_opinion_is_never_changed_but_for_the_number_of_its_account() {
    let test = TestEngine::new().await;
    let lease = at_verdict(&test).await;
    say(&test, lease.run, "asha", Opinion::Approve, &head("a")).await.unwrap();
    for change in ["opinion = 'reject'", "forge_account = 7, person = 'eve'", "head_sha = repeat('b', 40)"] {
        let sql = sqlx::AssertSqlSafe(format!("update opinion set {change}"));
        let refused = sqlx::query(sql).execute(test.pool()).await.unwrap_err().to_string();
        assert!(refused.contains("opinions are append-only"), "{change}: {refused}");
    }
    opinion::identify(test.pool(), "Asha", 7).await.unwrap();
    opinion::identify(test.pool(), "asha", 8).await.unwrap();
    assert_eq!(opinion::latest(test.pool(), lease.run).await.unwrap()[0].forge_account, Some(7));
}
