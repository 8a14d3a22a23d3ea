//! Why a run that is not over does not move: one cause, told from the run and its job as they are stored.

use std::time::Duration;

use aspora::{
    core::{
        limit::Key,
        why::{Cause, why},
        workflow::Queue,
    },
    engine::Ack,
    store::{job, limit, standing, wake::Listener},
};
use uuid::Uuid;

use super::support::{TestEngine, advance, eventually};

async fn cause(test: &TestEngine, id: Uuid) -> Cause {
    let (stored, job) = standing::with_job(test.pool(), id).await.unwrap().unwrap();
    why(&stored.run, job.as_ref(), stored.now)
}

/// A cause by its name, with what tells it from others of its kind.
async fn told(test: &TestEngine, id: Uuid) -> String {
    match cause(test, id).await {
        Cause::NoWorker { queue, .. } => format!("no worker of {queue}"),
        Cause::KeyLimit { key, held, most, .. } => format!("{key} {held}/{most}"),
        Cause::Suspect { lost, attempt, .. } => format!("lost {lost}, attempt {attempt}"),
        Cause::WorkerLost { worker, attempt, .. } => format!("{worker} lost, attempt {attempt}"),
        Cause::Running { worker, .. } => format!("running on {worker}"),
        Cause::NewerRelease { worker, .. } => format!("too new for {worker}"),
        Cause::Queued { .. } => "queued".to_owned(),
        other => format!("{other:?}"),
    }
}

async fn listening(test: &TestEngine, served: &[Queue]) -> Listener {
    Listener::open(test.pool(), served).await.unwrap()
}

#[tokio::test]
async fn a_worker_is_there_as_long_as_its_ear_is_connected_and_only_for_its_own_queues() {
    let test = TestEngine::new().await;
    let id = test.accept().await;
    assert_eq!(told(&test, id).await, "no worker of llm");
    let others = listening(&test, &[Queue::Default, Queue::Github]).await;
    assert_eq!(told(&test, id).await, "no worker of llm");
    let ear = listening(&test, &Queue::ALL).await;
    assert_eq!(told(&test, id).await, "queued");
    let cut: Vec<bool> = sqlx::query_scalar(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity
         where datname = current_database() and application_name = 'aspora worker default,llm,github'",
    )
    .fetch_all(test.pool())
    .await
    .unwrap();
    assert_eq!(cut, [true]);
    let mut ear = ear;
    assert_eq!(ear.next().await.unwrap(), None);
    assert_eq!(told(&test, id).await, "queued", "it says again who it is");
    drop(ear);
    eventually("nobody serves it", async || told(&test, id).await == "no worker of llm").await;
    drop(others);
}

#[tokio::test]
async fn a_worker_that_holds_another_job_of_the_queue_is_there_too() {
    let test = TestEngine::new().await;
    let (first, second) = (test.accept().await, test.accept().await);
    let lease = test.claim_all(Queue::Llm, 1).await.remove(0);
    let waits = if lease.run == first { second } else { first };
    assert_eq!(told(&test, waits).await, "queued");
    advance(test.pool(), TestEngine::LEASE).await;
    assert_eq!(told(&test, waits).await, "no worker of llm");
}

#[tokio::test]
async fn a_full_key_is_told_with_what_is_at_work_under_it() {
    let test = TestEngine::new().await;
    let _ear = listening(&test, &Queue::ALL).await;
    let runs = [test.accept().await, test.accept().await];
    let key: Key = "product:wealth".parse().unwrap();
    limit::put(&mut test.pool().acquire().await.unwrap(), &key, 1).await.unwrap();
    let lease = test.claim_all(Queue::Llm, 2).await.remove(0);
    let waits = if lease.run == runs[0] { runs[1] } else { runs[0] };
    assert_eq!(told(&test, lease.run).await, "running on tester");
    assert_eq!(told(&test, waits).await, "product:wealth 1/1");
    limit::put(&mut test.pool().acquire().await.unwrap(), &key, 2).await.unwrap();
    assert_eq!(told(&test, waits).await, "queued");
    limit::put(&mut test.pool().acquire().await.unwrap(), &key, 1).await.unwrap();
    assert!(job::give_back(test.pool(), &lease).await.unwrap());
    assert_eq!(told(&test, waits).await, "queued", "nothing is held any more");
}

#[tokio::test]
async fn a_merge_waits_for_the_one_before_it() {
    let test = TestEngine::new().await;
    let _ear = listening(&test, &Queue::ALL).await;
    let runs = [test.accept().await, test.accept().await];
    test.execute("update job set keys = array['merge:acme/w:main', 'product:w'], guarded = true").await;
    let lease = test.claim_all(Queue::Llm, 2).await.remove(0);
    let waits = if lease.run == runs[0] { runs[1] } else { runs[0] };
    assert_eq!(told(&test, waits).await, "merge:acme/w:main 1/1");
}

#[tokio::test]
async fn a_lost_worker_is_told_once_its_lease_has_run_out_and_two_make_a_suspect() {
    let test = TestEngine::new().await;
    let _ear = listening(&test, &Queue::ALL).await;
    let id = test.accept().await;
    test.claim(Queue::Llm).await;
    assert_eq!(told(&test, id).await, "running on tester");
    advance(test.pool(), TestEngine::LEASE).await;
    assert_eq!(told(&test, id).await, "tester lost, attempt 1");
    test.claim(Queue::Llm).await;
    advance(test.pool(), TestEngine::LEASE).await;
    assert_eq!(told(&test, id).await, "lost 2, attempt 2");
    let lease = test.claim(Queue::Llm).await;
    assert!(job::give_back(test.pool(), &lease).await.unwrap());
    assert_eq!(told(&test, id).await, "lost 2, attempt 3", "it was given back, and still runs alone");
}

#[tokio::test]
async fn what_was_given_back_is_queued_and_what_could_not_be_read_is_left() {
    let test = TestEngine::new().await;
    let _ear = listening(&test, &Queue::ALL).await;
    let id = test.accept().await;
    let lease = test.claim(Queue::Llm).await;
    assert!(job::give_back(test.pool(), &lease).await.unwrap());
    assert_eq!(told(&test, id).await, "queued");
    let lease = test.claim(Queue::Llm).await;
    assert!(job::leave(test.pool(), &lease, Duration::from_secs(60)).await.unwrap());
    assert_eq!(told(&test, id).await, "too new for tester");
    advance(test.pool(), Duration::from_secs(60)).await;
    assert_eq!(told(&test, id).await, "queued");
    let lease = test.claim(Queue::Llm).await;
    assert_eq!(test.engine.fail(&lease, "tester", "503", None).await.unwrap(), Ack::Committed);
    assert!(matches!(cause(&test, id).await, Cause::BackingOff { error, attempt: 2, .. } if error == "503"));
}
