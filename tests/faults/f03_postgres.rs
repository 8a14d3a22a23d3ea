//! F3: Postgres dies or stops at once, again and again, while the worker lives on.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use aspora::dev::{
    github::{Phase, RequestSeen},
    postgres::Cluster,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    boundary::Job,
    floor::{Begun, Floor, Ground, here, side_by_side, until},
    invariants,
};

/// How Postgres ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// `kill -9` of the postmaster.
    Killed,
    /// An immediate stop: every connection is cut, nothing is written that was not yet.
    Immediate,
}

impl Death {
    fn come(self, cluster: &Cluster) {
        match self {
            Self::Killed => cluster.kill().unwrap(),
            Self::Immediate => {
                let postmaster = Pid::from_raw(i32::try_from(cluster.pid().unwrap()).unwrap()).unwrap();
                kill_process(postmaster, Signal::QUIT).unwrap();
            }
        }
        cluster.restart().unwrap();
    }
}

/// Where Postgres has died already.
type Graves = BTreeSet<(String, u32, String)>;

/// Whether Postgres dies around this request: before the first one of a step, and after everything
/// that changes the forge, whose record is then lost. The third attempt of a job is left in peace,
/// as the waits between attempts grow.
fn strikes(job: &Job, request: &RequestSeen, phase: Phase, graves: &mut Graves) -> bool {
    let place = match phase {
        Phase::Before => "first request".to_owned(),
        Phase::AfterApply if request.mutating => {
            format!("{} {}", request.method, request.path.rsplit('/').next().unwrap_or_default())
        }
        Phase::AfterApply => return false,
    };
    job.attempt < 3 && graves.insert((job.step.clone(), job.visit, place))
}

/// A run whose Postgres dies so, wherever it has not died before; tells how often.
async fn survived(death: Death, graves: Arc<Mutex<Graves>>) -> usize {
    let ground = Ground::new();
    let floor = ground.floor("aspora").await;
    let begun = floor.begin("p").await;
    let deaths = Arc::new(AtomicUsize::new(0));
    arm(&floor, &begun, death, (&ground, graves, Arc::clone(&deaths)));
    let worker = floor.crew.hire();
    floor.ended(&begun).await;
    assert_eq!(floor.crew.ended(worker), None, "the worker lives on");
    let deaths = deaths.load(Ordering::SeqCst);
    invariants::hold(&floor, &begun, None).await;
    invariants::model_was_asked(&floor, 1, deaths);
    deaths
}

type Told<'a> = (&'a Ground, Arc<Mutex<Graves>>, Arc<AtomicUsize>);

fn arm(floor: &Floor, begun: &Begun, death: Death, (ground, graves, deaths): Told<'_>) {
    let (pool, run, cluster) = (floor.pool().clone(), begun.run, Arc::clone(&ground.cluster));
    floor.twin.on_request(Arc::new(move |request, phase| {
        let Some(job) = here(Job::of(&pool, run)) else { return };
        if strikes(&job, request, phase, &mut graves.lock().unwrap()) {
            println!("{death:?} {phase:?} {} {} at {job:?}", request.method, request.path);
            deaths.fetch_add(1, Ordering::SeqCst);
            tokio::task::block_in_place(|| death.come(&cluster));
        }
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f3_postgres_killed_or_stopped_at_once_at_every_step_loses_nothing_that_was_committed() {
    let graves = Arc::new(Mutex::new(Graves::new()));
    let both = [Death::Killed, Death::Immediate].map(|death| survived(death, Arc::clone(&graves)));
    let deaths = side_by_side(both).await;
    let places = graves.lock().unwrap().len();
    assert!(places >= 16 && deaths.iter().all(|count| *count >= 3), "{deaths:?} at {places} places");
}

/// The acknowledgement of some commits is lost: the backends die while a call of the model's answer,
/// a claim or an event is being written, which the worker can only find out by reading again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f3_backends_killed_after_any_event_lose_nothing_that_was_committed() {
    let ground = Ground::new();
    let floor = ground.floor("aspora").await;
    floor.crew.hire();
    // A worker keeps few connections: it takes more than one run until enough of them were cut.
    let (mut all, mut cuts) = (Vec::new(), 0);
    while cuts < 8 {
        let begun = floor.begin(&format!("p{}", all.len())).await;
        cuts += cut_after_any_event(&floor, &begun).await;
        all.push(begun);
    }
    for begun in &all {
        invariants::hold(&floor, begun, None).await;
    }
    invariants::model_was_asked(&floor, all.len(), usize::try_from(cuts).unwrap());
}

/// Cuts every connection of the product after each event of a run that is seen; tells how many were cut.
async fn cut_after_any_event(floor: &Floor, begun: &Begun) -> i64 {
    let (mut version, mut cuts) = (1, 0);
    loop {
        let stored = until("the next event", async || {
            let stored = floor.look(begun.run).await;
            (stored.version > version).then_some(stored)
        })
        .await;
        if stored.run.step().is_none() {
            return cuts;
        }
        version = stored.version;
        let cut: i64 = sqlx::query_scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where datname = current_database() and application_name like 'aspora%' and pid <> pg_backend_pid()",
        )
        .fetch_one(floor.pool())
        .await
        .unwrap();
        cuts += cut;
    }
}
