//! Schedules: each tick fires once, none is lost, and a failed submission is recorded.

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

fn requirement() -> Requirement {
    Requirement::new("wealth", "Update what we depend on", "All of it.", 2).unwrap()
}

async fn set(test: &TestEngine, cron: &str) -> Option<DateTime<Utc>> {
    let (cron, reason) = (cron.parse().unwrap(), "as agreed".parse().unwrap());
    test.engine.schedule(NAME, &cron, &requirement(), "tester", &reason).await.unwrap().next_at
}

/// Makes the schedule due for so long.
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
async fn a_tick_submits_the_requirement_and_sets_the_next() {
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
async fn sixteen_processes_at_once_fire_a_tick_once() {
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
async fn ticks_missed_in_an_outage_are_made_up_for_once() {
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
async fn a_tick_that_cannot_submit_records_why_and_the_next_one_fires() {
    let test = TestEngine::new().await;
    set(&test, "* * * * *").await;
    product::cap(test.pool(), &"wealth".parse().unwrap(), Some(1)).await.unwrap();
    test.accept().await;
    due(&test, "1 minute").await;
    assert_eq!(test.engine.fire_due().await.unwrap(), 1);
    let [tick] = &ticks(&test).await[..] else { panic!() };
    assert!(tick.error.as_ref().is_some_and(|error| error.contains("at most 1 may be open")), "{tick:?}");
    assert_eq!(test.query::<i64>("select count(*) from requirement").await, 1, "nothing of it is stored");

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
    assert_eq!(hold(&test, true).await, None, "a repeated pause changes nothing");
    assert_eq!(test.engine.fire_due().await.unwrap(), 0);
    assert_eq!(set(&test, "0 7 * * *").await, None, "a replaced schedule stays paused");
    let next = hold(&test, false).await.unwrap();
    assert!(next > Utc::now());
    assert_eq!(hold(&test, false).await, Some(next));
    assert_eq!(test.engine.fire_due().await.unwrap(), 0);
    assert!(ticks(&test).await.is_empty());
}

#[tokio::test]
async fn a_tick_whose_process_dies_stores_nothing_and_is_fired_again() {
    let test = TestEngine::new().await;
    set(&test, "0 6 * * *").await;
    due(&test, "1 minute").await;
    // The last statement of a tick sets the next one.
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

#[tokio::test]
async fn a_schedule_that_cannot_be_read_is_paused_and_the_others_tick() {
    let test = TestEngine::new().await;
    set(&test, "0 6 * * *").await;
    test.execute("update schedule set cron = 'whenever it suits'").await;
    due(&test, "2 minutes").await;
    let (cron, reason) = ("0 6 * * *".parse().unwrap(), "as agreed".parse().unwrap());
    test.engine.schedule("other", &cron, &requirement(), "tester", &reason).await.unwrap();
    test.execute("update schedule set next_at = now() where name = 'other'").await;
    assert_eq!(test.engine.fire_due().await.unwrap(), 2);
    assert_eq!(hold(&test, true).await, None, "it is paused");
    assert!(ticks(&test).await[0].error.as_ref().is_some_and(|error| error.contains("whenever it suits")));
    assert_eq!(test.query::<i64>("select count(*) from run").await, 1);
}
