//! A worker that stops finishes or releases its jobs, and loses no notification.

use std::{future::poll_fn, str::FromStr as _, sync::Arc, time::Duration};

use apalis_core::{backend::Backend as _, worker::context::WorkerContext};
use aspora::{
    core::workflow::Queue,
    queue::{Heartbeat, Notifier, Shared, Source},
    store::worker::{backlogs, list},
    worker::Config,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio_util::sync::CancellationToken;

use super::{
    harness::{LONG, Latch, config, happy_reply, listeners, only_first_step, work},
    support::{TestEngine, assert_sound, eventually},
};

/// A worker that does not poll within a test.
fn idle(name: &str) -> Config {
    let mut config = config(name);
    config.timing.poll = LONG;
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_may_finish_and_no_other_begins() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let latch = Latch::new();
    let worker = work(&test.engine, config("one"), latch.handler()).await;
    latch.started.reaches(1, "the job is begun").await;
    worker.ask_to_stop();
    test.accept().await;
    latch.release(100);
    worker.stopped().await;
    assert_eq!(test.event_kinds(run).await, ["started", "answered"]);
    assert_eq!(latch.started.count(), 1, "another job was begun after the stop");
    assert_eq!(test.query::<i64>("select count(*) from job where lease_token is null").await, 2);
    assert_sound(&test.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_does_not_finish_in_time_is_released_to_another_worker_at_once() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let latch = Latch::new();
    let hasty = Config { drain: Duration::from_millis(100), ..config("leaving") };
    let leaving = work(&test.engine, hasty, latch.handler()).await;
    latch.started.reaches(1, "the job is begun").await;
    // Neither the lease (a minute) nor the interval of polls (an hour) ends within the test.
    let staying = work(&test.engine, idle("staying"), async |task| Ok(happy_reply(&task))).await;
    listeners(test.pool(), 2).await;

    leaving.stop().await;
    assert_eq!(latch.ended.count(), 1);
    eventually("the other one continues", async || test.run(run).await.run.step().is_none()).await;
    let attempts =
        "select string_agg(worker || ' ' || ended_as, ', ' order by attempt) from attempt_log where turn = 1";
    assert_eq!(test.query::<String>(attempts).await, "leaving lost, staying answered");
    staying.stop().await;
    assert_sound(&test.engine).await;
}

const HELD: &str = "select count(*) from job where lease_token is not null";

fn shared(test: &TestEngine, over: &CancellationToken) -> Shared {
    let timing = config("one").timing;
    Shared {
        pool: test.pool().clone(),
        heartbeat: Heartbeat::start(test.pool().clone(), timing.lease, over.clone()),
        notifier: Notifier::listen(test.pool().clone(), vec![Queue::Llm], over.clone()),
        timing,
        worker: "one".into(),
        stop: CancellationToken::new(),
        suspect: Arc::default(),
    }
}

/// The worker may need long for the jobs that it began before the stop.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_are_being_claimed_at_the_stop_are_released_at_once() {
    let test = TestEngine::new().await;
    test.accept().await;
    let (over, mut tx) = (CancellationToken::new(), test.pool().begin().await.unwrap());
    sqlx::query("lock table job in access exclusive mode").execute(&mut *tx).await.unwrap();
    let shared = shared(&test, &over);
    let _sources = Source::open(&shared, [(Queue::Llm, 2)]);
    let claiming = "select count(*) from pg_locks where not granted and database =
                    (select oid from pg_database where datname = current_database())";
    eventually("the claim hangs", async || test.query::<i64>(claiming).await > 0).await;
    shared.stop.cancel();
    tx.rollback().await.unwrap();
    eventually("it is released", async || {
        let error = "select count(*) from attempt_log where error = 'the worker was shut down'";
        test.query::<i64>(error).await == 1
    })
    .await;
    over.cancel();
    assert_eq!(test.claim(Queue::Llm).await.attempt, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_were_claimed_and_not_begun_are_released() {
    let test = TestEngine::new().await;
    for _ in 0..3 {
        test.accept().await;
    }
    let over = CancellationToken::new();
    let (_, mut source) = Source::open(&shared(&test, &over), [(Queue::Llm, 2)]).remove(0);
    eventually("two are claimed", async || test.query::<i64>(HELD).await == 2).await;

    let context = WorkerContext::new("one");
    poll_fn(|waker| source.poll_close(waker, &context)).await.unwrap();
    over.cancel();
    assert_eq!(test.query::<i64>(HELD).await, 0);
    assert_eq!(test.claim_all(Queue::Llm, 10).await.len(), 3, "they are not due");
    assert_sound(&test.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_job_wakes_an_idle_worker() {
    let test = TestEngine::new().await;
    let worker = work(&test.engine, idle("one"), async |task| Ok(happy_reply(&task))).await;
    listeners(test.pool(), 1).await;
    for _ in 0..3 {
        let run = test.accept().await;
        eventually("the run ends", async || test.run(run).await.run.step().is_none()).await;
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_a_worker_that_lost_its_listen_connection_listens_again() {
    let test = TestEngine::new().await;
    let worker =
        work(&test.engine, only_first_step(idle("one"), 4), async |task| Ok(happy_reply(&task))).await;
    for _ in 0..3 {
        listeners(test.pool(), 1).await;
        let killed: Vec<bool> = sqlx::query_scalar(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity
             where datname = current_database() and query like 'LISTEN%'",
        )
        .fetch_all(test.pool())
        .await
        .unwrap();
        assert_eq!(killed, [true]);
        let run = test.accept().await;
        eventually("the job is done", async || test.event_kinds(run).await == ["started", "answered"]).await;
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f24_a_lost_notification_is_made_up_for_once_a_worker_listens() {
    let test = TestEngine::new().await;
    // From another database: a session cannot refuse connections to its own.
    let options = PgConnectOptions::from_str(&test.database.url).unwrap();
    let name = options.get_database().unwrap().to_owned();
    let mut outside = PgConnection::connect_with(&options.database("postgres")).await.unwrap();
    let mut allow = async |whether: bool| {
        let sql = format!("alter database {name:?} allow_connections {whether}");
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut outside).await.unwrap();
    };
    allow(false).await;
    let over = CancellationToken::new();
    let notifier = Notifier::listen(test.pool().clone(), vec![Queue::Llm], over.clone());
    // The first notification is that every queue may have jobs.
    notifier.notified().await;
    test.accept().await;
    allow(true).await;
    let notified = tokio::time::timeout(Duration::from_secs(60), notifier.notified()).await;
    assert!(notified.is_ok(), "there was no notification");
    over.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_worker_ends_its_jobs_begins_no_other_and_stops() {
    let test = TestEngine::new().await;
    let run = test.accept().await;
    let latch = Latch::new();
    let worker = work(&test.engine, config("one"), latch.handler()).await;
    latch.started.reaches(1, "the job is begun").await;
    let listed = list(test.pool(), LONG).await.unwrap();
    assert_eq!(
        listed.iter().map(|it| (&*it.name, it.running, it.is_alive)).collect::<Vec<_>>(),
        [("one", 1, true)]
    );
    let reason = "the machine is replaced".parse().unwrap();
    let drain = async |name| test.engine.drain(name, "ada", &reason, LONG).await.unwrap();
    assert_eq!((drain("two").await, drain("one").await, drain("one").await), ((0, 0), (1, 0), (0, 1)));
    eventually("the worker has seen that it is drained", async || {
        test.query::<bool>("select coalesce(seen_at > drained_at, false) from worker").await
    })
    .await;
    latch.release(1);
    worker.stopped().await;
    assert_eq!(list(test.pool(), LONG).await.unwrap(), [], "a worker that ended in good order is in no list");
    assert_eq!(test.event_kinds(run).await, ["started", "answered"]);
    assert_sound(&test.engine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_says_what_is_due_runs_and_waits_in_it() {
    let test = TestEngine::new().await;
    let (paused, later) = (test.accept().await, test.accept().await);
    test.accept().await;
    test.accept().await;
    test.engine.pause(paused, "ada", &"wait".parse().unwrap()).await.unwrap();
    test.execute(&format!("update job set visible_at = now() + interval '1 hour' where run_id = '{later}'"))
        .await;
    test.claim_all(Queue::Llm, 1).await;
    let of = async |products: Option<&[String]>| {
        let all = backlogs(test.pool(), products, LONG).await.unwrap();
        all.into_iter().map(|it| (it.queue, it.due, it.running, it.scheduled, it.paused)).collect::<Vec<_>>()
    };
    let queue =
        |name: &str, due, running, scheduled, paused| (name.to_owned(), due, running, scheduled, paused);
    let (default, github) = (queue("default", 0, 0, 0, 0), queue("github", 0, 0, 0, 0));
    assert_eq!(of(None).await, [default.clone(), queue("llm", 1, 1, 1, 1), github.clone()]);
    let others = of(Some(&["another".to_owned()])).await;
    assert_eq!(others, [default, queue("llm", 0, 0, 0, 0), github]);
}
