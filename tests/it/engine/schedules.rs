//! Schedules: each tick once, none lost, and what cannot be submitted is told.

use std::time::Duration;

use aspora::{
    core::requirement::Requirement,
    store::{
        product,
        schedule::{self, Tick},
    },
};
use chrono::{DateTime, Utc};
use futures::future::join_all;

use super::support::{TestEngine, assert_sound};

const NAME: &str = "weekly";

fn wish() -> Requirement {
    Requirement::new("wealth", "Update what we depend on", "All of it.", 2).unwrap()
}

async fn set(test: &TestEngine, cron: &str) -> Option<DateTime<Utc>> {
    let (cron, reason) = (cron.parse().unwrap(), "as agreed".parse().unwrap());
    test.engine.schedule(NAME, &cron, &wish(), "tester", &reason).await.unwrap().next_at
}

/// Lets the next tick be so long ago.
async fn due(test: &TestEngine, ago: &str) {
    test.execute(&format!("update schedule set next_at = date_trunc('minute', now() - interval '{ago}')"))
        .await;
}

async fn ticks(test: &TestEngine) -> Vec<Tick> {
    schedule::ticks(test.pool(), NAME, 100).await.unwrap()
}

async fn hold(test: &TestEngine, pause: bool) -> Option<DateTime<Utc>> {
    let reason = "the freeze".parse().unwrap();
    test.engine.pause_schedule(NAME, pause, "tester", &reason).await.unwrap().unwrap().next_at
}

#[tokio::test]
async fn a_tick_submits_what_was_asked_for_and_names_the_next() {
    let test = TestEngine::new().await;
    let next = set(&test, "*/5 * * * *").await.unwrap();
    assert!(next > Utc::now() && next <= Utc::now() + Duration::from_secs(301), "{next}");
    assert_eq!(test.engine.fire_due().await.unwrap(), 0, "it is not due");
    due(&test, "1 minute").await;
    assert_eq!(test.engine.fire_due().await.unwrap(), 1);
    assert_eq!(test.engine.fire_due().await.unwrap(), 0, "once");
    let [tick] = &ticks(&test).await[..] else { panic!() };
    let asked: String = test
        .query("select requested_by || ' ' || title || ' ' || requirement.priority || ' ' || run.id from requirement, run")
        .await;
    assert_eq!(asked, format!("schedule:weekly Update what we depend on 2 {}", tick.run_id.unwrap()));
    assert!(test.query::<bool>("select next_at > now() from schedule").await);
    assert_sound(&test.engine).await;
}

#[tokio::test]
async fn sixteen_that_look_at_once_fire_a_tick_once() {
    let test = TestEngine::new().await;
    set(&test, "0 6 * * *").await;
    for _ in 0..5 {
        due(&test, "1 minute").await;
        test.execute("delete from tick").await;
        let fired = join_all((0..16).map(|_| test.engine.fire_due())).await;
        assert_eq!(fired.into_iter().map(Result::unwrap).sum::<usize>(), 1);
    }
    assert_eq!(test.query::<i64>("select count(*) from requirement").await, 5);
}

#[tokio::test]
async fn what_was_missed_in_an_outage_is_made_up_for_once() {
    let test = TestEngine::new().await;
    set(&test, "* * * * *").await;
    due(&test, "10 minutes").await;
    assert_eq!(test.engine.fire_due().await.unwrap(), 1);
    let [tick] = &ticks(&test).await[..] else { panic!() };
    assert!((9..=11).contains(&tick.missed), "{tick:?}");
    assert!(tick.fired_at - tick.at < chrono::TimeDelta::minutes(2), "the last of them counts: {tick:?}");
    assert_eq!(test.query::<i64>("select count(*) from run").await, 1);
}

#[tokio::test]
async fn a_tick_that_can_submit_nothing_says_why_and_the_next_one_comes() {
    let test = TestEngine::new().await;
    set(&test, "* * * * *").await;
    product::cap(test.pool(), &"wealth".parse().unwrap(), Some(1)).await.unwrap();
    test.accept().await;
    due(&test, "1 minute").await;
    assert_eq!(test.engine.fire_due().await.unwrap(), 1);
    let [tick] = &ticks(&test).await[..] else { panic!() };
    assert!(tick.error.as_ref().is_some_and(|error| error.contains("at most 1 may be open")), "{tick:?}");
    assert_eq!(test.query::<i64>("select count(*) from requirement").await, 1, "nothing of it stays");

    product::cap(test.pool(), &"wealth".parse().unwrap(), None).await.unwrap();
    test.execute("delete from tick").await;
    due(&test, "1 minute").await;
    assert_eq!(test.engine.fire_due().await.unwrap(), 1);
    assert!(ticks(&test).await[0].run_id.is_some());
}

#[tokio::test]
async fn a_paused_schedule_does_not_tick_and_makes_up_for_nothing() {
    let test = TestEngine::new().await;
    set(&test, "0 6 * * *").await;
    due(&test, "3 hours").await;
    assert_eq!(hold(&test, true).await, None);
    assert_eq!(hold(&test, true).await, None, "asked for again it is the same");
    assert_eq!(test.engine.fire_due().await.unwrap(), 0);
    assert_eq!(set(&test, "0 7 * * *").await, None, "set anew it stays paused");
    let next = hold(&test, false).await.unwrap();
    assert!(next > Utc::now());
    assert_eq!(hold(&test, false).await, Some(next));
    assert_eq!(test.engine.fire_due().await.unwrap(), 0);
    assert!(ticks(&test).await.is_empty());
}

/// Whoever fires a tick may die in it at any time.
#[tokio::test]
async fn a_tick_that_was_cut_off_leaves_nothing_and_is_fired_by_the_next_who_looks() {
    let test = TestEngine::new().await;
    set(&test, "0 6 * * *").await;
    due(&test, "1 minute").await;
    // The last statement of a tick is the one that says when the next comes.
    test.execute(
        "create function die() returns trigger language plpgsql as
             $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$",
    )
    .await;
    test.execute("create trigger deadly after update on schedule for each row execute function die()").await;
    assert!(test.engine.fire_due().await.is_err());
    test.execute("drop trigger deadly on schedule").await;
    assert!(ticks(&test).await.is_empty());
    assert_eq!(test.query::<i64>("select count(*) from requirement").await, 0);
    assert_eq!(test.engine.fire_due().await.unwrap(), 1);
    assert_eq!(test.query::<i64>("select count(*) from requirement").await, 1);
    assert_sound(&test.engine).await;
}

/// It would stand in the way of all others.
#[tokio::test]
async fn one_that_cannot_be_read_is_paused_and_the_others_tick() {
    let test = TestEngine::new().await;
    set(&test, "0 6 * * *").await;
    test.execute("update schedule set cron = 'whenever it suits'").await;
    due(&test, "2 minutes").await;
    let (cron, reason) = ("0 6 * * *".parse().unwrap(), "as agreed".parse().unwrap());
    test.engine.schedule("other", &cron, &wish(), "tester", &reason).await.unwrap();
    test.execute("update schedule set next_at = now() where name = 'other'").await;
    assert_eq!(test.engine.fire_due().await.unwrap(), 2);
    assert_eq!(hold(&test, true).await, None, "it is paused");
    assert!(ticks(&test).await[0].error.as_ref().is_some_and(|error| error.contains("whenever it suits")));
    assert_eq!(test.query::<i64>("select count(*) from run").await, 1);
}
