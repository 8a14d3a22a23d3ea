//! Runs that wait for people for two days ask no model, and of the forge almost nothing. `ASPORA_QUIET_RUNS` says how many
//! runs.
//!
//! The clock is moved: the timers of the database come closer by half an hour whenever nothing is left to do.

use std::{collections::BTreeMap, time::Duration};

use aspora::{
    activities::Polling,
    dev::{Acting, github::ReviewEvent, model::Script},
    llm::Task,
};
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{file, with_clean_reviews},
    world::{REPO, World},
};
use crate::simulation::number;

/// How many runs unless `ASPORA_QUIET_RUNS` says otherwise.
const RUNS: u64 = 4;
/// Looks in two days, one each half hour.
const LOOKS: u32 = 96;
/// Jobs that run or could, and conversations that are attended to or could be.
const DUE: &str = "select (select count(*) from job
                           where lease_token is not null or visible_at <= clock_timestamp())
                        + (select count(*) from conversation
                           where due_at <= clock_timestamp() or claimed_until > clock_timestamp())
                        + (select count(*) from timer where due_at <= clock_timestamp())";

/// The list in which lost webhooks are looked for.
const DELIVERIES: &str = "GET /app/hook/deliveries";

fn title(run: u64) -> String {
    format!("Count round {run:03} of all")
}

/// A world whose runs look at people so rarely that only the moved clock wakes them, and each of which makes a critical
/// change.
async fn world(runs: u64) -> World {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let world = World::with(|setup| {
        setup.acting = Acting::App;
        setup.ci = Some(passing_ci());
        setup.polling =
            Polling { least: minutes(10), moving: minutes(10), people: minutes(30), still: Duration::ZERO };
        setup.script = (0..runs).fold(with_clean_reviews(Script::default()), |script, run| {
            let change = file(&format!("db/migrations/1{run:03}_round.sql"), "create table round (n int);");
            script.with(Task::Generate, &[&title(run)], &[], &change)
        });
    })
    .await;
    for login in ["asha", "bilal"] {
        world.twin.set_permission(REPO, login, "write").unwrap();
    }
    world
}

async fn quiet(world: &World) {
    let is_quiet = async || sqlx::query_scalar::<_, i64>(DUE).fetch_one(&world.pool).await.unwrap() == 0;
    world.eventually("nothing is left to do", is_quiet).await;
}

/// Half an hour passes, and what is due then is done.
async fn half_an_hour(world: &World) {
    for waits in [
        "update timer set due_at = due_at - interval '30 minutes'",
        "update conversation set due_at = due_at - interval '30 minutes'",
    ] {
        sqlx::query(waits).execute(&world.pool).await.unwrap();
    }
    quiet(world).await;
}

fn calls(world: &World) -> (usize, usize) {
    (world.model.ledger().len(), world.twin.ledger().len())
}

async fn until_people_are_awaited(world: &World, run: Uuid) {
    world.until_waiting_for(run, "2 of 2 approvals by people on ").await;
    let head = world.head(run).await;
    for check in ["harness-integration", "Security Scan"] {
        world.twin.set_check("scanner", REPO, &head, check, Some("success")).await.unwrap();
    }
    world.until_waiting_only_for(run, &approvals(&head)).await;
}

fn approvals(head: &str) -> String {
    format!("2 of 2 approvals by people on {}, reset by a new push", &head[..7])
}

#[tokio::test(flavor = "multi_thread")]
async fn two_days_of_waiting_for_people_cost_no_model_and_two_calls_of_the_forge_an_hour() {
    let number = number("ASPORA_QUIET_RUNS", RUNS);
    let world = world(number).await;
    let mut runs = Vec::new();
    for run in 0..number {
        runs.push(world.submit(&title(run)).await);
    }
    for run in &runs {
        until_people_are_awaited(&world, *run).await;
    }
    // Our own comment is the last change of each pull request: one more whole look sees it.
    for _ in 0..4 {
        half_an_hour(&world).await;
    }
    let before = calls(&world);
    for _ in 0..LOOKS {
        half_an_hour(&world).await;
    }
    let after = calls(&world);
    assert_eq!(after.0, before.0, "a model was asked");
    let of_each = forge_calls(&world, before.1);
    // Lost webhooks are looked for by the clock of the wall, once for all runs, and so not by this moved one.
    let about_runs = of_each.iter().filter(|(call, _)| *call != DELIVERIES);
    let (made, allowed) = (about_runs.map(|(_, count)| count).sum::<usize>(), runs.len() * 2 * 48);
    eprintln!(
        "{number} runs in 48 h: {made} calls of the forge, {:.2} a run and hour",
        per_hour(made, runs.len())
    );
    assert!(made <= allowed && made >= runs.len() * 48, "{made} calls of at most {allowed}: {of_each:#?}");
    // A review whose webhook is lost is found by the next look, also in the same second as a comment.
    world.twin.set_webhook(None);
    for run in &runs {
        let pull = i64::try_from(world.run(*run).await.run.progress.pull.unwrap()).unwrap();
        world.twin.comment_as("asha", REPO, pull, "I look at it.").await.unwrap();
        world.twin.review_as("asha", REPO, pull, ReviewEvent::Approve, "good").await.unwrap();
        world.twin.review_as("bilal", REPO, pull, ReviewEvent::Approve, "good").await.unwrap();
    }
    for _ in 0..6 {
        half_an_hour(&world).await;
    }
    // They merge one after another, and what is behind then needs its approvals anew.
    for run in runs {
        let history = world.history(run).await;
        assert!(history.contains("verdict → cleared") || history.contains("verdict → behind"), "{history}");
    }
    assert!(world.merges() > 0);
}

/// How often each request was made after the first so many.
fn forge_calls(world: &World, before: usize) -> BTreeMap<String, usize> {
    let mut of_each = BTreeMap::new();
    for entry in world.twin.ledger().into_iter().skip(before) {
        *of_each.entry(format!("{} {}", entry.method, entry.path)).or_default() += 1;
    }
    of_each
}

#[expect(clippy::cast_precision_loss, reason = "it is printed")]
fn per_hour(calls: usize, runs: usize) -> f64 {
    calls as f64 / runs as f64 / 48.0
}
