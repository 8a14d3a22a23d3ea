//! What is weather at the model and the forge uses up no attempt, whatever its status.

use std::time::Duration;

use aspora::{
    dev::{
        Acting,
        github::{self, FaultRule},
        model::{Fault, Script},
    },
    llm::Task,
    store::outage,
};

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, with_clean_reviews},
    support::advance_limits,
    world::World,
};

/// A step of the clock that leaves failures in a row, on a busy machine too.
const STEP: Duration = Duration::from_secs(1);

async fn world() -> World {
    World::with(|setup| {
        setup.acting = Acting::App;
        setup.ci = Some(passing_ci());
        let script = with_clean_reviews(Script::default());
        let script =
            script.with(Task::Generate, &[], &["for the second time"], &file("lib/round.py", "ROUND = 1"));
        setup.script =
            script.with(Task::Generate, &["for the second time"], &[], &file("lib/again.py", "ROUND = 2"));
    })
    .await
}

fn fail(world: &World, method: &str, path: &str, nth: u32, fault: github::Fault) {
    world.twin.inject(FaultRule { method: method.to_owned(), path: path.to_owned(), nth, fault }).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_turns_calls_away_for_its_load_is_asked_later_and_no_attempt_is_used_up() {
    let world = world().await;
    // More than the step has attempts.
    for status in [429, 409, 425, 529, 429, 409, 425] {
        world.model.fail_next(Fault::Status(status, None));
    }
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let history = world.history(run).await;
    assert!(history.contains("is held, model ") && !history.contains("failed at attempt"), "{history}");
    assert_eq!((world.model_calls(Task::Generate), world.model_calls(Task::Review)), (1, 1));
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_is_down_while_tokens_are_minted_is_waited_out_by_all() {
    for (method, path, what) in
        [("POST", "/app/installations/*/access_tokens", "/tokens"), ("GET", "/repos/*/*/installation", "")]
    {
        let world = world().await;
        fail(&world, method, path, 0, github::Fault::ErrorBefore(503));
        let runs = [
            world.submit(COUNT_ROUNDS).await,
            world.submit(&format!("{COUNT_ROUNDS} for the second time")).await,
        ];
        let is_down = async || {
            let down = outage::list(&world.pool).await.unwrap();
            for run in runs {
                world.skip_back_off(run, STEP).await;
            }
            down.iter().any(|one| one.provider.starts_with("forge ") && one.provider.ends_with(what))
        };
        world.eventually("no token is minted", is_down).await;
        world.twin.clear_faults();
        advance_limits(&world.pool, Duration::from_secs(120)).await;
        for run in runs {
            world.run_to_end(run).await;
            let history = world.history(run).await;
            assert!(history.contains("is held, forge "), "{path}:\n{history}");
            assert!(history.contains("went on"), "{path}:\n{history}");
            assert!(!history.contains("failed at attempt"), "{path}:\n{history}");
        }
        assert_eq!(world.model_calls(Task::Generate), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_forge_is_not_asked_about_the_repository_after_a_failure_of_the_model() {
    let world = world().await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let minted = || world.applied("POST", "/app/installations/*/access_tokens");
    let before = minted();
    world.model.fail_next(Fault::Status(401, None));
    let second = world.submit(&format!("{COUNT_ROUNDS} for the second time")).await;
    world.until_failed(second).await;
    assert_eq!(minted(), before, "no token is minted anew");
    // The forge's own failure is explained by the forge.
    world.model.fail_next(Fault::Status(503, None));
    fail(&world, "POST", "/repos/*/*/pulls", 1, github::Fault::ErrorBefore(404));
    world
        .eventually("the forge is asked", async || {
            world.skip_back_off(second, Duration::from_secs(3600)).await;
            minted() > before
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_gives_its_probe_back_at_once() {
    let world = world().await;
    world.model.fail_all(Some(Fault::Status(503, None)));
    let run = world.submit(COUNT_ROUNDS).await;
    world
        .eventually("the model is down", async || {
            world.skip_back_off(run, STEP).await;
            !outage::list(&world.pool).await.unwrap().is_empty()
        })
        .await;
    let asked = world.model.ledger().len();
    world.model.fail_all(Some(Fault::Slow(Duration::from_secs(600))));
    world
        .eventually("a probe is under way", async || {
            world.skip_back_off(run, STEP).await;
            world.model.ledger().len() > asked || probe(&world).await
        })
        .await;
    assert!(probe(&world).await);
    world.stop_worker().await;
    assert!(!probe(&world).await, "the probe of the stopped worker is another's");
}

async fn probe(world: &World) -> bool {
    let probe = "select coalesce(bool_or(probe_token is not null), false) from outage";
    sqlx::query_scalar(probe).fetch_one(&world.pool).await.unwrap()
}
