//! F16: a worker is suspended beyond its lease and continues after another one has taken over, a zombie.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use aspora::{
    core::{
        run::{Park, Progress, State},
        workflow::{Outcome, Queue},
    },
    dev::github::{Phase, RequestSeen},
    engine::{Ack, Answer},
    store::{self, effect::Begun as Intent, job::Lease},
};
use rustix::process::Signal;
use serde_json::json;
use uuid::Uuid;

use crate::{
    boundary::CurrentJob,
    env::{FaultEnv, LEASE, StubRuns, TestPostgres, block_on, invariants, spawn_all, stub_workers},
    support::{
        claim,
        wait::{eventually, until},
    },
};

/// The request at which a worker is suspended.
#[derive(Debug, Clone, Copy)]
struct SuspendAt {
    step: &'static str,
    method: &'static str,
    path_ends: &'static str,
    phase: Phase,
    /// Whether the request itself arrives only after another worker has finished the run.
    late: bool,
}

const fn at(
    step: &'static str,
    request: (&'static str, &'static str),
    phase: Phase,
    late: bool,
) -> SuspendAt {
    SuspendAt { step, method: request.0, path_ends: request.1, phase, late }
}

const PUSH: (&str, &str) = ("POST", "/git-receive-pack");
const OPEN: (&str, &str) = ("POST", "/pulls");
const REVIEW: (&str, &str) = ("POST", "/reviews");
const MERGE: (&str, &str) = ("PUT", "/merge-async");
const FETCH: (&str, &str) = ("GET", "/info/refs");

const SUSPENSIONS: [SuspendAt; 8] = [
    at("generate", PUSH, Phase::Before, true),
    at("generate", OPEN, Phase::Before, true),
    at("remediate", PUSH, Phase::Before, true),
    at("merge", MERGE, Phase::Before, true),
    at("review", FETCH, Phase::AfterApply, false),
    at("review", REVIEW, Phase::AfterApply, false),
    at("merge", FETCH, Phase::AfterApply, false),
    at("merge", MERGE, Phase::AfterApply, false),
];

/// Rounds at the same time.
const LANES: usize = 3;

impl SuspendAt {
    fn matches(&self, step: &str, request: &RequestSeen, phase: Phase) -> bool {
        let matches = (step, &*request.method, phase) == (self.step, self.method, self.phase);
        matches && request.path.ends_with(self.path_ends)
    }
}

/// Suspends the first worker there, once, and spawns another with a data folder of its own, as on another machine.
fn suspend(env: &FaultEnv, run: Uuid, zombie: u32, at: SuspendAt) -> Arc<AtomicBool> {
    let (pool, workers) = (env.pool().clone(), env.workers.clone());
    let data = env.folder.path().join("elsewhere").display().to_string();
    let suspended = Arc::new(AtomicBool::new(false));
    let is_suspended = Arc::clone(&suspended);
    env.twin.on_request(Arc::new(move |request, phase| {
        let Some(job) = block_on(CurrentJob::of(&pool, run)) else { return };
        if !at.matches(&job.step, request, phase) || is_suspended.swap(true, Ordering::SeqCst) {
            return;
        }
        workers.signal(zombie, Signal::STOP);
        workers.spawn_with(&[("ASPORA_DATA", data.clone())]);
        if at.late {
            block_on(eventually("the other worker ends the run", async || {
                let stored = store::run::get(&pool, run).await.unwrap().unwrap();
                matches!(stored.run.state, State::Ended { .. })
            }));
        }
    }));
    suspended
}

/// A lane's part of all rounds, one after the other.
async fn rounds(postgres: TestPostgres, lane: usize) {
    for (number, at) in SUSPENSIONS.into_iter().enumerate().skip(lane).step_by(LANES) {
        round(&postgres, number, at).await;
    }
}

async fn round(postgres: &TestPostgres, number: usize, at: SuspendAt) {
    println!("round {number}: {at:?}");
    let env = postgres.fault_env(&format!("round_{number}")).await;
    let started = env.start_run("p").await;
    let zombie = env.workers.spawn();
    let suspended = suspend(&env, started.run, zombie, at);
    env.wait_for_end(&started).await;
    assert!(suspended.load(Ordering::SeqCst), "the worker never reached {at:?}");
    env.workers.signal(zombie, Signal::CONT);
    // Before it ends, it finishes what it was doing.
    env.workers.signal(zombie, Signal::TERM);
    until("the zombie ends", async || env.workers.exit_status(zombie)).await;
    invariants::assert_hold(&env, &started, None).await;
    let attempts = store::attempt::of_run(env.pool(), started.run).await.unwrap();
    let own = format!("/{zombie}");
    let lost: Vec<_> = attempts.iter().filter(|it| it.ended_as.as_deref() == Some("lost")).collect();
    assert!(lost.iter().any(|it| it.step == at.step && it.worker.ends_with(&own)), "{at:?}: {lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f16_a_worker_that_was_suspended_beyond_its_lease_changes_nothing() {
    let postgres = TestPostgres::start();
    spawn_all((0..LANES).map(|lane| rounds(postgres.clone(), lane))).await;
}

/// Claims the run's job once it is due.
async fn claim_job(env: &FaultEnv, worker: &str, lease: Duration) -> Lease {
    let claimed = async || claim(env.pool(), Queue::Llm, worker, 1, lease).await.into_iter().next();
    until("the job", claimed).await
}

fn answer() -> Answer {
    Answer { outcome: Outcome::Declined, note: "no".to_owned(), progress: Progress::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f16_everything_from_a_late_worker_is_fenced_off_and_the_holder_s_answer_counts() {
    let postgres = TestPostgres::start();
    let env = postgres.fault_env("aspora").await;
    let started = env.start_run("p").await;
    let engine = &env.engine;
    let late = claim_job(&env, "late", Duration::ZERO).await;
    let holder = claim_job(&env, "holder", Duration::from_secs(60)).await;
    assert_eq!((late.job, late.attempt, holder.attempt), (holder.job, 1, 2));
    let before = env.read(started.run).await;

    let park = Park::new("nothing", vec![], before.now);
    assert_eq!(engine.answer(&late, "late", answer()).await.unwrap(), Ack::Fenced);
    assert_eq!(engine.park(&late, "late", park, Progress::default()).await.unwrap(), Ack::Fenced);
    assert_eq!(engine.fail(&late, "late", "broken", None).await.unwrap(), Ack::Fenced);
    assert_eq!(engine.exhaust(&late, "late", "broken").await.unwrap(), Ack::Fenced);
    assert_eq!(engine.block_unsupported(&late, "late", "strange").await.unwrap(), Ack::Fenced);
    assert!(!store::job::release(env.pool(), &late).await.unwrap());
    let renewed = store::job::renew(env.pool(), &[late.job], &[late.token], Duration::from_secs(9)).await;
    assert_eq!(renewed.unwrap(), Vec::<Uuid>::new());
    let begin = async |lease: &Lease| {
        store::effect::begin(env.pool(), lease, "generate.1/push", "push", &json!({})).await.unwrap()
    };
    assert_eq!(begin(&late).await, Intent::LeaseLost);

    let after = env.read(started.run).await;
    assert_eq!((after.version, after.run), (before.version, before.run));
    assert!(matches!(begin(&holder).await, Intent::Fresh(_)));
    assert_eq!(engine.answer(&holder, "holder", answer()).await.unwrap(), Ack::Committed);
    assert_eq!(
        engine.answer(&holder, "holder", answer()).await.unwrap(),
        Ack::Fenced,
        "an answer counts once"
    );
    invariants::assert_history_folds(&env, &env.read(started.run).await).await;
}

/// Workers with five hundred leases are suspended until the leases have expired and other workers have done all the
/// work. Then they continue, each with answers to record.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f16_no_answer_of_five_hundred_expired_leases_is_recorded() {
    const ZOMBIES: usize = 5;
    let postgres = TestPostgres::start();
    let (url, folder) = (postgres.create_database("stub"), tempfile::tempdir().unwrap());
    let mut stub_runs = StubRuns::open(&url, 1).await;
    let pool = stub_runs.engine().pool().clone();
    let workers = |name: &str, within: &str, slots: &str| {
        let args = ["--drain-ms", "20000", "--answers-within-ms", within, "--slots", slots];
        let logs = folder.path().join(name);
        std::fs::create_dir(&logs).unwrap();
        stub_workers(&url, LEASE * 3, &args, &logs)
    };
    let zombies = workers("zombies", "20000", "100");
    let pids: Vec<u32> = (0..ZOMBIES).map(|_| zombies.spawn()).collect();
    stub_runs.start(ZOMBIES * 100).await;
    let count = async |sql: &'static str| -> i64 { sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap() };
    // Some are answered by then; their slots stay free, as there are no more jobs.
    let waiting = "select count(*) from job where lease_token is null";
    eventually("all jobs are held", async || count(waiting).await == 0).await;
    pids.iter().for_each(|pid| zombies.signal(*pid, Signal::STOP));
    // Postgres still executes what they sent before.
    let active = "select count(*) from pg_stat_activity
                  where datname = current_database() and state = 'active' and pid <> pg_backend_pid()";
    eventually("the last statements end", async || count(active).await == 0).await;
    let suspended = count("select count(*) from job").await;
    assert!(suspended >= 400, "only {suspended} leases were suspended");

    let others = workers("others", "20", "64");
    others.top_up(2);
    stub_runs.wait_for_all(&others, || ()).await;
    let events = "select count(*) from event";
    let before = count(events).await;
    pids.iter().for_each(|pid| zombies.signal(*pid, Signal::CONT));
    // Before they end, they finish what they were doing.
    pids.iter().for_each(|pid| zombies.signal(*pid, Signal::TERM));
    for pid in pids {
        until("a zombie ends", async || zombies.exit_status(pid)).await;
    }
    assert_eq!(count(events).await, before, "a late answer was recorded");
    let lost = count("select count(*) from attempt where ended_as = 'lost'").await;
    assert!(lost >= suspended, "{lost} attempts are recorded as lost, and {suspended} were suspended");
    let tally = stub_runs.tally().await;
    assert_eq!((tally.lost, tally.uneven, tally.unfinished, tally.given_up), (0, 0, 0, 0), "{tally:?}");
    invariants::assert_store_is_sound(stub_runs.engine()).await;
}
