//! What is owed follows from where runs stand: once for each person, whatever is polled, repeated or killed.

use std::time::Duration;

use aspora::{
    core::{
        access::Role,
        run::{Awaited, Park, PauseCause, Progress, Topic},
        workflow::{Outcome, Queue},
    },
    engine::{
        Verb,
        group_commit::{BatchLimits, GroupCommit, Handoff, Recorded},
        people,
    },
    store::{self, Clock, audit::Author, delivery, retention, subscription},
};
use chrono::TimeDelta;
use futures::future::join_all;
use uuid::Uuid;

use super::support::{TestEngine, advance, answer};

/// Who acts on behalf of a test.
const ADA: Author<'static> = Author { person: "ada", key: None, request: None };

pub(super) async fn person(test: &TestEngine, name: &str, role: Role, products: Option<&[&str]>) {
    let products = products.map(|names| names.iter().map(ToString::to_string).collect());
    let new = people::NewKey {
        person: name.parse().unwrap(),
        forge_login: None,
        role,
        products,
        expires_at: None,
        requests_per_minute: None,
    };
    people::issue(test.pool(), &new, "tests").await.unwrap();
}

/// Subscribes a person; `kinds` are all if there are none.
pub(super) async fn subscribe(test: &TestEngine, owner: &str, address: &str, kinds: &[&str]) -> Uuid {
    let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
    let new = subscription::New {
        id: Uuid::now_v7(),
        owner,
        personal: true,
        target: "email",
        address,
        shown: address,
        secret: None,
        products: None,
        kinds: Some(kinds.as_slice()).filter(|kinds| !kinds.is_empty()),
    };
    subscription::insert(&mut test.pool().acquire().await.unwrap(), &new).await.unwrap();
    new.id
}

/// Derives whatever is due, as a worker does.
pub(super) async fn derive(test: &TestEngine) {
    while test.engine.notify_due().await.unwrap() {}
}

/// The headlines that a subscription is owed or has, oldest first.
async fn sent(test: &TestEngine, id: Uuid) -> Vec<String> {
    let rows = delivery::list(test.pool(), id, None, None, 100).await.unwrap();
    rows.iter().rev().map(|row| row.content.0.headline()).collect()
}

/// Parks the run's step for people, half an hour long.
async fn park(test: &TestEngine, awaited: Awaited, reason: &str) -> Uuid {
    let lease = test.claim(Queue::Llm).await;
    let until = test.run(lease.run).await.now + TimeDelta::minutes(30);
    let park = Park { awaited, ..Park::new(reason, vec![Topic::Reviews], until) };
    test.engine.park(&lease, "host/1", park, Progress::default()).await.unwrap();
    lease.run
}

/// Moves every clock, that of the notices included.
async fn pass(test: &TestEngine, by: Duration) {
    advance(test.pool(), by).await;
    let seconds = by.as_secs_f64();
    for sql in [
        format!("update notice set at = at - make_interval(secs => {seconds})"),
        format!("update notice_due set due_at = due_at - make_interval(secs => {seconds})"),
    ] {
        test.execute(&sql).await;
    }
}

#[tokio::test]
async fn a_run_that_waits_two_days_is_one_message_and_one_reminder_for_each_approver() {
    let test = TestEngine::new().await;
    for (name, role) in [("eve", Role::Engineer), ("max", Role::Admin), ("pia", Role::Pm)] {
        person(&test, name, role, None).await;
    }
    let (name, repository) = ("goals".parse().unwrap(), "acme/goals".parse().unwrap());
    store::product::put(test.pool(), &name, &repository, "main", &[]).await.unwrap();
    person(&test, "otto", Role::Engineer, Some(&["goals"])).await;
    let mut ids = Vec::new();
    for name in ["eve", "max", "pia", "otto"] {
        ids.push(subscribe(&test, name, &format!("{name}@acme.example"), &[]).await);
    }
    test.accept().await;
    for _ in 0..96 {
        park(&test, Awaited::Approvers, "1 more approval").await;
        derive(&test).await;
        pass(&test, Duration::from_secs(1_801)).await;
        test.engine.wake_due(10).await.unwrap();
        derive(&test).await;
    }
    for id in &ids[..2] {
        assert_eq!(
            sent(&test, *id).await,
            ["Needs you: Add a risk checker", "Still waits for people: Add a risk checker"]
        );
    }
    for id in &ids[2..] {
        assert!(sent(&test, *id).await.is_empty(), "it does not concern them");
    }
}

#[tokio::test]
async fn many_workers_and_repeats_make_one_message() {
    let test = TestEngine::new().await;
    person(&test, "eve", Role::Engineer, None).await;
    let id = subscribe(&test, "eve", "eve@acme.example", &[]).await;
    // The same mailbox in another letter case is the same place.
    let again = subscribe(&test, "eve", "EVE@acme.example", &["needs_you"]).await;
    let run = test.accept().await;
    park(&test, Awaited::Keepers, "2 threads").await;
    for _ in 0..10 {
        test.execute(&format!(
            "insert into notice_due (run_id) values ('{run}')
             on conflict (run_id) do update set due_at = now(), moves = notice_due.moves + 1"
        ))
        .await;
        join_all((0..4).map(|_| test.engine.notify_due()))
            .await
            .into_iter()
            .for_each(|it| assert!(it.is_ok()));
    }
    assert_eq!(sent(&test, id).await.len() + sent(&test, again).await.len(), 1);
    assert_eq!(test.query::<i64>("select count(*) from notice").await, 1);
}

#[tokio::test]
async fn a_worker_that_is_killed_before_it_commits_leaves_the_run_due() {
    let test = TestEngine::new().await;
    person(&test, "eve", Role::Engineer, None).await;
    let id = subscribe(&test, "eve", "eve@acme.example", &[]).await;
    test.accept().await;
    park(&test, Awaited::Keepers, "a policy").await;
    // It has claimed and is gone.
    assert!(store::notice::claim(test.pool()).await.unwrap().is_some());
    derive(&test).await;
    assert!(sent(&test, id).await.is_empty(), "the claim lasts");
    test.execute("update notice_due set due_at = now()").await;
    derive(&test).await;
    assert_eq!(sent(&test, id).await.len(), 1);
}

#[tokio::test]
async fn a_move_while_a_notice_is_derived_is_not_lost() {
    let test = TestEngine::new().await;
    person(&test, "eve", Role::Engineer, None).await;
    let id = subscribe(&test, "eve", "eve@acme.example", &[]).await;
    let run = test.accept().await;
    park(&test, Awaited::Keepers, "a policy").await;
    let due = store::notice::claim(test.pool()).await.unwrap().unwrap();
    let why = "no longer needed".parse().unwrap();
    test.engine.control(run, &Verb::RunNow, "max", &why).await.unwrap();
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "host/1", answer(Outcome::Declined)).await.unwrap();
    // The slow worker is done with what it saw.
    store::notice::done(&mut test.pool().acquire().await.unwrap(), due, None).await.unwrap();
    derive(&test).await;
    assert_eq!(test.query::<i64>("select count(*) from notice where kind = 'failed'").await, 1);
    assert!(sent(&test, id).await.is_empty(), "it concerns the requester alone");
}

#[tokio::test]
async fn an_end_on_either_path_reaches_its_requester_and_an_own_act_does_not() {
    let test = TestEngine::new().await;
    // The requester of the tests, whose requirements are submitted in this name.
    person(&test, "pm@acme", Role::Pm, None).await;
    let id = subscribe(&test, "pm@acme", "pm@acme.example", &[]).await;
    let why = "no longer needed".parse().unwrap();
    let own = test.accept().await;
    test.engine.control(own, &Verb::Cancel, "pm@acme", &why).await.unwrap();
    derive(&test).await;
    assert!(sent(&test, id).await.is_empty());
    let others = test.accept().await;
    test.engine.control(others, &Verb::Cancel, "max", &why).await.unwrap();
    derive(&test).await;
    assert_eq!(sent(&test, id).await, ["Failed: Add a risk checker"]);
    // The fast path, which writes the answers of many workers at once.
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let stored = test.run(run).await;
    let commits =
        GroupCommit::open(&test.engine, &"host/1".into(), TestEngine::LEASE, BatchLimits::default());
    let clock = Clock::at(stored.now);
    let pending = test.engine.prepare(&lease, &stored, &clock, answer(Outcome::Declined)).await.unwrap();
    let recorded = commits.record(pending.unwrap(), Handoff::Notify).await;
    assert!(matches!(recorded, Recorded::Committed), "{recorded:?}");
    derive(&test).await;
    assert_eq!(sent(&test, id).await, ["Failed: Add a risk checker"; 2]);
}

#[tokio::test]
async fn a_budget_is_one_message_and_who_wants_needs_you_gets_it() {
    let test = TestEngine::new().await;
    person(&test, "eve", Role::Engineer, None).await;
    let id = subscribe(&test, "eve", "eve@acme.example", &["needs_you"]).await;
    let none = subscribe(&test, "eve", "other@acme.example", &["merged"]).await;
    let run = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    let halted = test.engine.halt(&lease, "host/1", PauseCause::Budget, "the budget is used up");
    halted.await.unwrap();
    derive(&test).await;
    test.engine.control(run, &Verb::Resume, "max", &"more".parse().unwrap()).await.unwrap();
    let lease = test.claim(Queue::Llm).await;
    test.engine.halt(&lease, "host/1", PauseCause::Budget, "the budget is used up").await.unwrap();
    derive(&test).await;
    assert_eq!(sent(&test, id).await, ["Over budget: Add a risk checker"]);
    assert!(sent(&test, none).await.is_empty());
}

#[tokio::test]
async fn without_a_subscription_and_between_steps_nothing_is_recorded() {
    let test = TestEngine::new().await;
    test.accept().await;
    park(&test, Awaited::Keepers, "a policy").await;
    assert_eq!(test.query::<i64>("select count(*) from notice_due").await, 0, "nobody wants to know");
    person(&test, "eve", Role::Engineer, None).await;
    subscribe(&test, "eve", "eve@acme.example", &[]).await;
    pass(&test, Duration::from_secs(1_801)).await;
    test.engine.wake_due(10).await.unwrap();
    let lease = test.claim(Queue::Llm).await;
    test.engine.answer(&lease, "host/1", answer(Outcome::Opened)).await.unwrap();
    assert_eq!(test.query::<i64>("select count(*) from notice_due").await, 0, "it only moved on");
}

#[tokio::test]
async fn a_held_factory_notifies() {
    let test = TestEngine::new().await;
    person(&test, "eve", Role::Engineer, None).await;
    let id = subscribe(&test, "eve", "eve@acme.example", &[]).await;
    test.accept().await;
    park(&test, Awaited::Keepers, "a policy").await;
    let scope = "all".parse().unwrap();
    test.engine.hold(&scope, ADA, &"the pager rings".parse().unwrap()).await.unwrap();
    let due = store::job::due_work(test.pool(), &Queue::ALL).await.unwrap();
    assert!(due.notices);
    derive(&test).await;
    assert_eq!(sent(&test, id).await.len(), 1);
    assert!(delivery::claim(test.pool()).await.unwrap().is_some());
}

#[tokio::test]
async fn old_notices_are_deleted_unless_they_keep_one_from_being_repeated() {
    let test = TestEngine::new().await;
    person(&test, "eve", Role::Engineer, None).await;
    subscribe(&test, "eve", "eve@acme.example", &[]).await;
    let run = test.accept().await;
    park(&test, Awaited::Keepers, "a policy").await;
    derive(&test).await;
    test.execute("update notice set created_at = now() - interval '91 days'").await;
    test.execute("update delivery set state = 'delivered'").await;
    let sweep = async || {
        retention::sweep(&mut test.pool().acquire().await.unwrap(), false).await.unwrap();
        test.query::<i64>("select count(*) from notice").await
    };
    assert_eq!(sweep().await, 1, "its run still waits");
    test.engine.control(run, &Verb::Cancel, "max", &"no".parse().unwrap()).await.unwrap();
    assert_eq!(sweep().await, 0);
    assert_eq!(test.query::<i64>("select count(*) from delivery").await, 0);
}

#[tokio::test]
async fn those_who_keep_a_product_learn_once_of_what_is_proposed() {
    let test = TestEngine::new().await;
    test.execute("insert into product (name, repository) values ('goals', 'acme/goals')").await;
    person(&test, "eve", Role::Engineer, None).await;
    person(&test, "mia", Role::Engineer, None).await;
    person(&test, "gus", Role::Engineer, Some(&["goals"])).await;
    person(&test, "vic", Role::Viewer, None).await;
    let eve = subscribe(&test, "eve", "eve@acme.example", &["proposal"]).await;
    let others = [
        subscribe(&test, "mia", "mia@acme.example", &["merged"]).await,
        subscribe(&test, "gus", "gus@acme.example", &[]).await,
        subscribe(&test, "vic", "vic@acme.example", &[]).await,
    ];
    test.execute(
        "insert into proposal (id, product, cause, kind, title, body, runs)
         values (gen_random_uuid(), 'wealth', 'form', 'prompt_note', 'Note how answers fit', 'B', array[gen_random_uuid()])",
    )
    .await;
    assert!(test.engine.notify_proposal().await.unwrap());
    assert!(!test.engine.notify_proposal().await.unwrap(), "once");
    assert_eq!(sent(&test, eve).await, ["Proposed: Note how answers fit"]);
    for other in others {
        assert_eq!(sent(&test, other).await, [] as [String; 0]);
    }
    let rows = delivery::list(test.pool(), eve, None, None, 100).await.unwrap();
    let content = &rows[0].content.0;
    assert_eq!((content.message_type().as_str(), content.run), ("proposal.filed", None));
    assert_eq!(content.line(), "`form` came in 1 run of wealth within 30 days.");
}
