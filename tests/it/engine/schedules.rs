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

use super::support::{Ground, assert_sound};

const NAME: &str = "weekly";

fn requirement() -> Requirement {
    Requirement::new("wealth", "Update what we depend on", "All of it.", 2).unwrap()
}

async fn set(ground: &Ground, cron: &str) -> Option<DateTime<Utc>> {
    let (cron, reason) = (cron.parse().unwrap(), "as agreed".parse().unwrap());
    ground.engine.schedule(NAME, &cron, &requirement(), "tester", &reason).await.unwrap().next_at
}

/// Makes the schedule due for so long.
async fn due(ground: &Ground, ago: &str) {
    ground
        .execute(&format!("update schedule set next_at = date_trunc('minute', now() - interval '{ago}')"))
        .await;
}

async fn ticks(ground: &Ground) -> Vec<Tick> {
    schedule::ticks(ground.pool(), NAME, 100).await.unwrap()
}

async fn hold(ground: &Ground, pause: bool) -> Option<DateTime<Utc>> {
    let reason = "the freeze".parse().unwrap();
    ground.engine.pause_schedule(NAME, pause, "tester", &reason).await.unwrap().unwrap().next_at
}

#[tokio::test]
async fn a_tick_submits_the_requirement_and_sets_the_next() {
    let ground = Ground::new().await;
    let next = set(&ground, "*/5 * * * *").await.unwrap();
    assert!(next > Utc::now() && next <= Utc::now() + Duration::from_secs(301), "{next}");
    assert_eq!(ground.engine.fire_due().await.unwrap(), 0, "it is not due");
    due(&ground, "1 minute").await;
    assert_eq!(ground.engine.fire_due().await.unwrap(), 1);
    assert_eq!(ground.engine.fire_due().await.unwrap(), 0, "once");
    let [tick] = &ticks(&ground).await[..] else { panic!() };
    let asked: String = ground
        .ask("select requested_by || ' ' || title || ' ' || requirement.priority || ' ' || run.id from requirement, run")
        .await;
    assert_eq!(asked, format!("schedule:weekly Update what we depend on 2 {}", tick.run_id.unwrap()));
    assert!(ground.ask::<bool>("select next_at > now() from schedule").await);
    assert_sound(&ground.engine).await;
}

#[tokio::test]
async fn sixteen_processes_at_once_fire_a_tick_once() {
    let ground = Ground::new().await;
    set(&ground, "0 6 * * *").await;
    for _ in 0..5 {
        due(&ground, "1 minute").await;
        ground.execute("delete from tick").await;
        let fired = join_all((0..16).map(|_| ground.engine.fire_due())).await;
        assert_eq!(fired.into_iter().map(Result::unwrap).sum::<usize>(), 1);
    }
    assert_eq!(ground.ask::<i64>("select count(*) from requirement").await, 5);
}

#[tokio::test]
async fn ticks_missed_in_an_outage_are_made_up_for_once() {
    let ground = Ground::new().await;
    set(&ground, "* * * * *").await;
    due(&ground, "10 minutes").await;
    assert_eq!(ground.engine.fire_due().await.unwrap(), 1);
    let [tick] = &ticks(&ground).await[..] else { panic!() };
    assert!((9..=11).contains(&tick.missed), "{tick:?}");
    assert!(tick.fired_at - tick.at < chrono::TimeDelta::minutes(2), "the last of them counts: {tick:?}");
    assert_eq!(ground.ask::<i64>("select count(*) from run").await, 1);
}

#[tokio::test]
async fn a_tick_that_cannot_submit_records_why_and_the_next_one_fires() {
    let ground = Ground::new().await;
    set(&ground, "* * * * *").await;
    product::cap(ground.pool(), &"wealth".parse().unwrap(), Some(1)).await.unwrap();
    ground.accept().await;
    due(&ground, "1 minute").await;
    assert_eq!(ground.engine.fire_due().await.unwrap(), 1);
    let [tick] = &ticks(&ground).await[..] else { panic!() };
    assert!(tick.error.as_ref().is_some_and(|error| error.contains("at most 1 may be open")), "{tick:?}");
    assert_eq!(ground.ask::<i64>("select count(*) from requirement").await, 1, "nothing of it is stored");

    product::cap(ground.pool(), &"wealth".parse().unwrap(), None).await.unwrap();
    ground.execute("delete from tick").await;
    due(&ground, "1 minute").await;
    assert_eq!(ground.engine.fire_due().await.unwrap(), 1);
    assert!(ticks(&ground).await[0].run_id.is_some());
}

#[tokio::test]
async fn a_paused_schedule_does_not_tick_and_makes_up_for_nothing() {
    let ground = Ground::new().await;
    set(&ground, "0 6 * * *").await;
    due(&ground, "3 hours").await;
    assert_eq!(hold(&ground, true).await, None);
    assert_eq!(hold(&ground, true).await, None, "a repeated pause changes nothing");
    assert_eq!(ground.engine.fire_due().await.unwrap(), 0);
    assert_eq!(set(&ground, "0 7 * * *").await, None, "a replaced schedule stays paused");
    let next = hold(&ground, false).await.unwrap();
    assert!(next > Utc::now());
    assert_eq!(hold(&ground, false).await, Some(next));
    assert_eq!(ground.engine.fire_due().await.unwrap(), 0);
    assert!(ticks(&ground).await.is_empty());
}

#[tokio::test]
async fn a_tick_whose_process_dies_stores_nothing_and_is_fired_again() {
    let ground = Ground::new().await;
    set(&ground, "0 6 * * *").await;
    due(&ground, "1 minute").await;
    // The last statement of a tick sets the next one.
    ground
        .execute(
            "create function die() returns trigger language plpgsql as
             $$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$",
        )
        .await;
    ground
        .execute("create trigger deadly after update on schedule for each row execute function die()")
        .await;
    assert!(ground.engine.fire_due().await.is_err());
    ground.execute("drop trigger deadly on schedule").await;
    assert!(ticks(&ground).await.is_empty());
    assert_eq!(ground.ask::<i64>("select count(*) from requirement").await, 0);
    assert_eq!(ground.engine.fire_due().await.unwrap(), 1);
    assert_eq!(ground.ask::<i64>("select count(*) from requirement").await, 1);
    assert_sound(&ground.engine).await;
}

#[tokio::test]
async fn a_schedule_that_cannot_be_read_is_paused_and_the_others_tick() {
    let ground = Ground::new().await;
    set(&ground, "0 6 * * *").await;
    ground.execute("update schedule set cron = 'whenever it suits'").await;
    due(&ground, "2 minutes").await;
    let (cron, reason) = ("0 6 * * *".parse().unwrap(), "as agreed".parse().unwrap());
    ground.engine.schedule("other", &cron, &requirement(), "tester", &reason).await.unwrap();
    ground.execute("update schedule set next_at = now() where name = 'other'").await;
    assert_eq!(ground.engine.fire_due().await.unwrap(), 2);
    assert_eq!(hold(&ground, true).await, None, "it is paused");
    assert!(ticks(&ground).await[0].error.as_ref().is_some_and(|error| error.contains("whenever it suits")));
    assert_eq!(ground.ask::<i64>("select count(*) from run").await, 1);
}
