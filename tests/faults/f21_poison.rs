//! F21: a job that kills whatever worker takes it.

use std::sync::{
    Arc,
    atomic::{AtomicI32, Ordering},
};

use aspora::{
    core::{
        run::{Event, State},
        workflow::End,
    },
    dev::github::Phase,
    store,
};
use uuid::Uuid;

use crate::{
    crew::{Crew, Reach},
    floor::{Floor, Ground, LEASE, here, hold_until, until},
    invariants, light,
    light::Light,
};

/// Kills every worker that begins to fetch the poisonous product, once the neighbour has got a step
/// further: whoever runs beside the poison loses that attempt too, so one that killed at once, five
/// times, could take a neighbour with it.
fn arm(floor: &Floor, neighbour: Uuid) {
    let (pool, crew, known) = (floor.pool().clone(), floor.crew.clone(), AtomicI32::new(0));
    floor.twin.on_request(Arc::new(move |request, phase| {
        if phase != Phase::Before || request.path != "/acme/poison.git/info/refs" {
            return;
        }
        hold_until("the neighbour's next event", || {
            let stored = here(store::run::get(&pool, neighbour)).unwrap().unwrap();
            let has_moved = stored.version > known.load(Ordering::SeqCst) || stored.run.step().is_none();
            known.fetch_max(stored.version, Ordering::SeqCst);
            has_moved
        });
        crew.replace(Reach::Group);
    }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f21_a_job_that_kills_its_workers_is_a_dead_letter_and_its_neighbour_finishes() {
    let ground = Ground::new();
    let floor = ground.floor("aspora").await;
    let neighbour = floor.begin("neighbour").await;
    let poison = floor.begin("poison").await;
    arm(&floor, neighbour.run);
    floor.crew.hire();

    let stored = floor.ended(&poison).await;
    let State::Ended { end: End::Blocked, reason, .. } = &stored.run.state else {
        panic!("not blocked: {:?}", stored.run.state)
    };
    let words = ["`generate` failed 5 times", "ended with its worker"];
    assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
    invariants::history_folds_to_the_state(&floor, &stored).await;
    let events = store::event::after(floor.pool(), poison.run, 0, 100).await.unwrap();
    let [_, exhausted] = &events[..] else { panic!("{events:?}") };
    assert!(matches!(exhausted.body.0, Event::Exhausted { attempts: 5, .. }), "{exhausted:?}");
    let attempts = store::attempt::of_run(floor.pool(), poison.run).await.unwrap();
    assert_eq!(attempts.len(), 5, "as many attempts as the step may take: {attempts:?}");
    assert!(attempts.iter().all(|attempt| attempt.ended_as.as_deref() == Some("lost")));
    let letters = "select count(*) from dead_letter where run_id = $1 and attempts = 5";
    assert_eq!(invariants::count(floor.pool(), letters, &poison).await, 1);
    assert_eq!(floor.crew.killed(), 5);

    invariants::hold(&floor, &neighbour, None).await;
    invariants::model_was_asked(&floor, 1, floor.crew.killed());
}

/// Its neighbours are many, and each worker that dies had some of them in hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f21_one_aborting_job_among_a_thousand_dies_at_its_limit_and_the_others_finish() {
    let ground = Ground::new();
    tokio::task::block_in_place(|| ground.cluster.create_database("light").unwrap());
    let url = ground.cluster.url("light");
    let mut light = Light::open(&url, 2).await;
    let begun = light.begin(1_000).await;
    let (poison, folder) = (begun[500], tempfile::tempdir().unwrap());
    let (deadly, lease) = (poison.to_string(), LEASE.as_millis().to_string());
    let words = ["bench-worker", "--lease-ms", &lease, "--drain-ms", "5000", "--answers-within-ms", "20"];
    let words = [&words[..], &["--deadly", &deadly]].concat();
    let crew = Crew::called_with(&words, vec![("DATABASE_URL", url)], folder.path());
    let pool = light.engine().pool().clone();
    until("all runs to end", async || {
        crew.fill_up(2);
        (light::open_runs(&pool).await.unwrap() == 0).then_some(())
    })
    .await;

    let tally = light.tally().await;
    assert_eq!((tally.lost, tally.uneven, tally.unfinished, tally.given_up), (0, 0, 0, 1), "{tally:?}");
    let died: (Uuid, i32) =
        sqlx::query_as("select run_id, attempts from dead_letter").fetch_one(&pool).await.unwrap();
    assert_eq!(died, (poison, 5), "at exactly its limit");
    let attempts = store::attempt::of_run(&pool, poison).await.unwrap();
    assert_eq!(attempts.len(), 5);
    assert!(attempts.iter().all(|attempt| attempt.ended_as.as_deref() == Some("lost")), "{attempts:?}");
    let broken = light::broken(light.engine()).await;
    assert!(broken.is_empty(), "{broken:?}");
}
