//! The forge, the model and git are away for twenty minutes each, one after another, under many runs: real activities,
//! real clients, real git. `ASPORA_OUTAGE_RUNS` says how many runs.
//!
//! The clock is moved: what waits in the database comes closer by a minute whenever nothing is left to do. A job that runs
//! keeps its lease.

use std::{collections::BTreeSet, time::Duration};

use aspora::{
    dev::{
        Acting,
        github::{Fault, FaultRule},
        model,
    },
    llm::Task,
};
use uuid::Uuid;

use super::{
    forge::{assert_unique, passing_ci},
    script::{file, with_clean_reviews},
    support::{advance_limits, wait::until_or_timeout},
    world::{REPO, World},
};
use crate::simulation::number;

/// How many runs unless `ASPORA_OUTAGE_RUNS` says otherwise.
const RUNS: u64 = 12;
const MINUTE: Duration = Duration::from_secs(60);
/// The most calls of a provider in an outage: a probe a minute after the first few, and what was under way.
const FEW: usize = 50;
/// Jobs that run or could.
const DUE: &str = "select count(*) from job where lease_token is not null or visible_at <= clock_timestamp()";
/// For a wait that never ends, not for a slow machine.
const LONG: Duration = Duration::from_secs(900);

async fn world(runs: u64) -> World {
    let world = World::with(|setup| {
        setup.acting = Acting::App;
        setup.ci = Some(passing_ci());
        setup.script = (0..runs).fold(with_clean_reviews(model::Script::default()), |script, run| {
            let change = file(&format!("lib/round_{run:03}.py"), &format!("ROUND = {run}"));
            script.with(Task::Generate, &[&title(run)], &[], &change)
        });
    })
    .await;
    // A second worker, which shares nothing with the first but the database.
    world.start_worker(|_| {});
    world
}

fn title(run: u64) -> String {
    format!("Count round {run:03} of all")
}

fn away(world: &World, paths: &[&str]) {
    for path in paths {
        let (method, fault) = ("*".to_owned(), Fault::ErrorBefore(503));
        world.twin.inject(FaultRule { method, path: (*path).to_owned(), nth: 0, fault }).unwrap();
    }
}

async fn count(world: &World, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(&world.pool).await.unwrap()
}

/// Waits until every job waits.
async fn quiet(world: &World) {
    let quiet = until_or_timeout(LONG, async || (count(world, DUE).await == 0).then_some(()));
    assert_eq!(quiet.await, Some(()), "no job is due");
}

async fn pass(world: &World, time: Duration) {
    for waits in [
        "update job set visible_at = visible_at - make_interval(secs => $1) where lease_token is null",
        "update timer set due_at = due_at - make_interval(secs => $1)",
    ] {
        sqlx::query(waits).bind(time.as_secs_f64()).execute(&world.pool).await.unwrap();
    }
    advance_limits(&world.pool, time).await;
}

/// Twenty minutes, after which every run waits for this service.
async fn twenty_minutes(world: &World, runs: &[Uuid], service: &str) {
    for _ in 0..20 {
        quiet(world).await;
        pass(world, MINUTE).await;
    }
    quiet(world).await;
    let waiting = "select count(*) from job where delayed_by like $1 || ' %' and delayed_tries = attempts";
    let waiting: i64 = sqlx::query_scalar(waiting).bind(service).fetch_one(&world.pool).await.unwrap();
    assert_eq!(usize::try_from(waiting).unwrap(), runs.len(), "every run waits for {service}");
}

/// Each effect was made once, and each answer paid once.
fn assert_once(world: &World, runs: usize) {
    let pulls = world.twin.pulls(REPO);
    assert_eq!((pulls.len(), world.merges()), (runs, runs));
    assert_eq!(world.applied("PUT", "/repos/*/*/pulls/*/{merge-async,merge}"), runs);
    assert_unique(pulls.iter().map(|pull| pull.head_ref.clone()).collect());
    assert_unique(world.twin.reviews(REPO).into_iter().map(|review| review.commit_id).collect());
    let checks = world.twin.check_runs(REPO).into_iter().filter(|run| run.app == aspora::dev::github::APP);
    assert_unique(checks.map(|run| format!("{} {}", run.name, run.head_sha)).collect());
    let answered = world.model.ledger().into_iter().filter(|entry| entry.status == 200);
    let prompts: Vec<String> = answered.map(|entry| entry.digest).collect();
    assert_eq!(prompts.len(), 2 * runs, "each run wrote once and was reviewed once");
    assert_eq!(prompts.iter().collect::<BTreeSet<_>>().len(), prompts.len(), "an answer was paid twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_twenty_minutes_each_without_forge_model_and_git_need_no_person_and_repeat_nothing() {
    let number = number("ASPORA_OUTAGE_RUNS", RUNS);
    eprintln!("{number} runs: ASPORA_OUTAGE_RUNS={number}");
    let world = world(number).await;
    away(&world, &["/app/**", "/repos/**", "/users/**", "/graphql"]);
    let mut runs = Vec::new();
    for run in 0..number {
        runs.push(world.submit(&title(run)).await);
    }
    twenty_minutes(&world, &runs, "forge").await;
    let refused = |is_git: bool| {
        let ledger = world.twin.ledger();
        ledger.iter().filter(|entry| entry.status == 503 && entry.path.contains(".git/") == is_git).count()
    };
    assert!(refused(false) < FEW, "{} calls of the forge", refused(false));

    world.model.fail_all(Some(model::Fault::Status(503, None)));
    world.twin.clear_faults();
    twenty_minutes(&world, &runs, "model").await;
    assert!(world.model.ledger().len() < FEW, "{} calls of the model", world.model.ledger().len());

    away(&world, &["/*/*.git/**"]);
    world.model.fail_all(None);
    twenty_minutes(&world, &runs, "git").await;
    assert!(refused(true) < FEW, "{} calls of git", refused(true));

    world.twin.clear_faults();
    let all = until_or_timeout(LONG, async || {
        if count(&world, DUE).await == 0 {
            pass(&world, MINUTE).await;
        }
        (count(&world, "select count(*) from run where status <> 'ended'").await == 0).then_some(())
    });
    assert_eq!(all.await, Some(()), "every run ends");
    for run in &runs {
        let history = world.history(*run).await;
        assert!(history.contains("merge → merged"), "{history}");
    }
    let used = "select count(*) from event where kind in ('failed', 'exhausted')";
    assert_eq!(count(&world, used).await, 0, "an outage used up an attempt");
    let noted =
        "select max(count) from (select count(*) from event where kind = 'held' group by run_id) as noted";
    assert!(count(&world, noted).await <= 4, "one event for each outage and job");
    assert_once(&world, runs.len());
    assert_eq!(count(&world, "select count(*) from outage where opened_at is not null").await, 0);
}
