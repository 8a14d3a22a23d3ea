//! Requests that GitHub applies but does not answer: nothing is done twice.

use aspora::{
    dev::{
        Acting,
        github::{Fault, FaultRule},
    },
    llm::Task,
};

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::World,
};

async fn world() -> World {
    World::with(|setup| {
        // It makes check runs, and merges in the background.
        setup.acting = Acting::App;
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await
}

/// GitHub applies the first such request and responds with 500, or not at all.
async fn check_lost_response(method: &str, path: &str, made: usize) {
    for fault in [Fault::ApplyThenError(500), Fault::ApplyThenCut] {
        let world = world().await;
        let rule = FaultRule { method: method.to_owned(), path: path.to_owned(), nth: 1, fault };
        world.twin.inject(rule).unwrap();
        let run = world.submit(COUNT_ROUNDS).await;
        assert_eq!(world.run_to_end(run).await, "done", "{fault:?}");
        let history = world.history(run).await;
        assert!(history.contains("is held, forge "), "{fault:?} was not injected:\n{history}");
        assert!(!history.contains("failed at attempt"), "an outage uses up no attempt:\n{history}");
        world.assert_nothing_twice();
        assert_eq!(world.applied(method, path), made, "{fault:?}\n{history}");
        assert_eq!(world.model_calls(Task::Generate), 1, "{fault:?}\n{history}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_found_after_a_lost_response() {
    check_lost_response("POST", "/repos/*/*/pulls", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_run_is_found_after_a_lost_response() {
    // One check run of the gate and one of the review.
    check_lost_response("POST", "/repos/*/*/check-runs", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_found_after_a_lost_response() {
    check_lost_response("POST", "/repos/*/*/pulls/*/reviews", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_is_found_after_a_lost_response() {
    check_lost_response("PUT", "/repos/*/*/pulls/*/merge-async", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_push_does_not_repeat_the_model_call() {
    let world = world().await;
    let path = "/acme/wealth-product.git/git-receive-pack".to_owned();
    let rule = FaultRule { method: "POST".to_owned(), path, nth: 1, fault: Fault::ErrorBefore(500) };
    world.twin.inject(rule).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let history = world.history(run).await;
    assert!(history.contains("generate is held, git ") && history.contains("git push failed"), "{history}");
    assert_eq!(world.model_calls(Task::Generate), 1);
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "the worker failed")]
async fn a_worker_that_fails_ends_the_story_at_once() {
    let world = World::new().await;
    world.stop_worker().await;
    world.start_worker(|app| app.database_url = "postgres://127.0.0.1:1/none".to_owned());
    let run = world.submit("Count the rounds").await;
    world.until_ended(run).await;
}
