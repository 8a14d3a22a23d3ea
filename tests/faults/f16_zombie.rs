//! F16: a worker sleeps beyond its lease and wakes when another one has taken over.

use std::{
    sync::{
        Arc, Mutex,
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
    store::{self, Pool, effect::Begun as Intent, job::Lease},
};
use rustix::process::Signal;
use serde_json::json;
use uuid::Uuid;

use crate::{
    boundary::Job,
    crew::Crew,
    floor::{Floor, Ground, LEASE, here, hold_until, side_by_side, until},
    invariants, light,
    light::Light,
};

/// Where a worker falls asleep.
#[derive(Debug, Clone, Copy)]
struct Sleep {
    step: &'static str,
    method: &'static str,
    path_ends: &'static str,
    phase: Phase,
    /// The request itself arrives only when the other worker has finished the run.
    late: bool,
}

const fn sleep(step: &'static str, request: (&'static str, &'static str), phase: Phase, late: bool) -> Sleep {
    Sleep { step, method: request.0, path_ends: request.1, phase, late }
}

const PUSH: (&str, &str) = ("POST", "/git-receive-pack");
const OPEN: (&str, &str) = ("POST", "/pulls");
const REVIEW: (&str, &str) = ("POST", "/reviews");
const MERGE: (&str, &str) = ("PUT", "/merge");
const FETCH: (&str, &str) = ("GET", "/info/refs");

const SLEEPS: [Sleep; 8] = [
    sleep("generate", PUSH, Phase::Before, true),
    sleep("generate", OPEN, Phase::Before, true),
    sleep("remediate", PUSH, Phase::Before, true),
    sleep("merge", MERGE, Phase::Before, true),
    sleep("review", FETCH, Phase::AfterApply, false),
    sleep("review", REVIEW, Phase::AfterApply, false),
    sleep("merge", FETCH, Phase::AfterApply, false),
    sleep("merge", MERGE, Phase::AfterApply, false),
];

/// Rounds at the same time.
const LANES: usize = 3;

impl Sleep {
    fn begins(&self, step: &str, request: &RequestSeen, phase: Phase) -> bool {
        let here = (step, &*request.method, phase) == (self.step, self.method, self.phase);
        here && request.path.ends_with(self.path_ends)
    }
}

/// Puts the first worker to sleep there, once, and hires another, on a machine of its own.
fn arm(floor: &Floor, run: Uuid, sleeper: u32, sleep: Sleep) -> Arc<AtomicBool> {
    let (pool, crew): (Pool, Crew) = (floor.pool().clone(), floor.crew.clone());
    let data = floor.folder.path().join("elsewhere").display().to_string();
    let (slept, asleep) = (Arc::new(AtomicBool::new(false)), Mutex::new(false));
    let told = Arc::clone(&slept);
    floor.twin.on_request(Arc::new(move |request, phase| {
        let Some(job) = here(Job::of(&pool, run)) else { return };
        if !sleep.begins(&job.step, request, phase) || std::mem::replace(&mut *asleep.lock().unwrap(), true) {
            return;
        }
        crew.signal(sleeper, Signal::STOP);
        crew.hire_with(&[("ASPORA_DATA", data.clone())]);
        told.store(true, Ordering::SeqCst);
        if sleep.late {
            hold_until("the other worker", || {
                let stored = here(store::run::get(&pool, run)).unwrap().unwrap();
                matches!(stored.run.state, State::Ended { .. })
            });
        }
    }));
    slept
}

/// A lane's part of all rounds, one after the other.
async fn rounds(ground: Ground, lane: usize) {
    for (number, sleep) in SLEEPS.into_iter().enumerate().skip(lane).step_by(LANES) {
        round(&ground, number, sleep).await;
    }
}

async fn round(ground: &Ground, number: usize, sleep: Sleep) {
    println!("round {number}: {sleep:?}");
    let floor = ground.floor(&format!("round_{number}")).await;
    let begun = floor.begin("p").await;
    let sleeper = floor.crew.hire();
    let slept = arm(&floor, begun.run, sleeper, sleep);
    floor.ended(&begun).await;
    assert!(slept.load(Ordering::SeqCst), "the worker never came to {sleep:?}");
    floor.crew.signal(sleeper, Signal::CONT);
    // It does all it still means to do before it goes.
    floor.crew.signal(sleeper, Signal::TERM);
    until("the sleeper to go", async || floor.crew.ended(sleeper)).await;
    invariants::hold(&floor, &begun, None).await;
    let attempts = store::attempt::of_run(floor.pool(), begun.run).await.unwrap();
    let own = format!("/{sleeper}");
    let lost: Vec<_> = attempts.iter().filter(|it| it.ended_as.as_deref() == Some("lost")).collect();
    assert!(lost.iter().any(|it| it.step == sleep.step && it.worker.ends_with(&own)), "{sleep:?}: {lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f16_a_worker_that_slept_beyond_its_lease_changes_nothing_any_more() {
    let ground = Ground::new();
    side_by_side((0..LANES).map(|lane| rounds(ground.clone(), lane))).await;
}

/// A claim of the run's job, for no time at all unless `lasts` says more.
async fn claimed(floor: &Floor, worker: &str, lasts: Duration) -> Lease {
    let claim =
        async || crate::support::claim(floor.pool(), Queue::Llm, worker, 1, lasts).await.into_iter().next();
    until("the job", claim).await
}

fn answer() -> Answer {
    Answer { outcome: Outcome::Declined, note: "no".to_owned(), progress: Progress::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f16_whatever_a_late_worker_brings_is_refused_and_the_holder_s_counts() {
    let ground = Ground::new();
    let floor = ground.floor("aspora").await;
    let begun = floor.begin("p").await;
    let engine = &floor.engine;
    let late = claimed(&floor, "late", Duration::ZERO).await;
    let holder = claimed(&floor, "holder", Duration::from_secs(60)).await;
    assert_eq!((late.job, late.attempt, holder.attempt), (holder.job, 1, 2));
    let before = floor.look(begun.run).await;

    let park = Park { reason: "nothing".to_owned(), topics: vec![], until: before.now };
    assert_eq!(engine.answer(&late, "late", answer()).await.unwrap(), Ack::Fenced);
    assert_eq!(engine.park(&late, "late", park, Progress::default()).await.unwrap(), Ack::Fenced);
    assert_eq!(engine.fail(&late, "late", "broken", None).await.unwrap(), Ack::Fenced);
    assert_eq!(engine.exhaust(&late, "late", "broken").await.unwrap(), Ack::Fenced);
    assert_eq!(engine.block_unsupported(&late, "late", "strange").await.unwrap(), Ack::Fenced);
    assert!(!store::job::release(floor.pool(), &late).await.unwrap());
    let renewed = store::job::renew(floor.pool(), &[late.job], &[late.token], Duration::from_secs(9)).await;
    assert_eq!(renewed.unwrap(), Vec::<uuid::Uuid>::new());
    let begin = async |lease: &Lease| {
        store::effect::begin(floor.pool(), lease, "generate.1/push", "push", &json!({})).await.unwrap()
    };
    assert_eq!(begin(&late).await, Intent::LeaseLost);

    let after = floor.look(begun.run).await;
    assert_eq!((after.version, after.run), (before.version, before.run));
    assert!(matches!(begin(&holder).await, Intent::Fresh(_)));
    assert_eq!(engine.answer(&holder, "holder", answer()).await.unwrap(), Ack::Committed);
    assert_eq!(engine.answer(&holder, "holder", answer()).await.unwrap(), Ack::Fenced, "once is enough");
    invariants::history_folds_to_the_state(&floor, &floor.look(begun.run).await).await;
}

/// Five hundred leases sleep beyond their end in workers that are stopped. Others do all the work meanwhile; then
/// the sleepers wake, each with an answer in its hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f16_of_five_hundred_that_wake_too_late_nobody_is_heard() {
    const SLEEPERS: usize = 5;
    let ground = Ground::new();
    tokio::task::block_in_place(|| ground.cluster.create_database("light").unwrap());
    let (url, folder) = (ground.cluster.url("light"), tempfile::tempdir().unwrap());
    let mut light = Light::open(&url, 1).await;
    let pool = light.engine().pool().clone();
    let lease = (LEASE * 3).as_millis().to_string();
    let crew = |within: &str, slots: &str| {
        let words = ["bench-worker", "--lease-ms", &lease, "--drain-ms", "20000"];
        let own = ["--answers-within-ms", within, "--slots", slots];
        Crew::called_with(&[&words[..], &own].concat(), vec![("DATABASE_URL", url.clone())], folder.path())
    };
    let sleepers = crew("20000", "100");
    let pids: Vec<u32> = (0..SLEEPERS).map(|_| sleepers.hire()).collect();
    light.begin(SLEEPERS * 100).await;
    let count = async |sql: &'static str| -> i64 { sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap() };
    // Some have answered by then, and their places are not filled again: there are no more jobs.
    let waiting = "select count(*) from job where lease_token is null";
    until("all jobs to be held", async || (count(waiting).await == 0).then_some(())).await;
    pids.iter().for_each(|pid| sleepers.signal(*pid, Signal::STOP));
    // What they had said last is heard yet.
    let speaking = "select count(*) from pg_stat_activity
                    where datname = current_database() and state = 'active' and pid <> pg_backend_pid()";
    until("the last words", async || (count(speaking).await == 0).then_some(())).await;
    let slept = count("select count(*) from job").await;
    assert!(slept >= 400, "only {slept} leases fell asleep");

    let awake = crew("20", "64");
    awake.fill_up(2);
    until("others to finish", async || (light::open_runs(&pool).await.unwrap() == 0).then_some(())).await;
    let events = "select count(*) from event";
    let before = count(events).await;
    pids.iter().for_each(|pid| sleepers.signal(*pid, Signal::CONT));
    // They do all they still mean to do before they go.
    pids.iter().for_each(|pid| sleepers.signal(*pid, Signal::TERM));
    for pid in pids {
        until("a sleeper to go", async || sleepers.ended(pid)).await;
    }
    assert_eq!(count(events).await, before, "somebody who was too late was heard");
    let lost = count("select count(*) from attempt where ended_as = 'lost'").await;
    assert!(lost >= slept, "{lost} attempts are told as lost, and {slept} fell asleep");
    let tally = light.tally().await;
    assert_eq!((tally.lost, tally.uneven, tally.unfinished, tally.given_up), (0, 0, 0, 0), "{tally:?}");
    let broken = light::broken(light.engine()).await;
    assert!(broken.is_empty(), "{broken:?}");
}
