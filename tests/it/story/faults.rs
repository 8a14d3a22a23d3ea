//! A GitHub that does what it was asked and does not say so: nothing is done twice.

use aspora::{
    dev::github::{Fault, FaultRule},
    llm::Task,
};

use super::{
    script::{WISH, and_content, file, generates},
    world::{World, content},
};

async fn world() -> World {
    World::with(|setup| {
        setup.ci = Some(content());
        setup.script = and_content(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await
}

/// The first such request is carried out, and once answered with 500, once not at all.
async fn lost_answers_do_no_harm(method: &str, path: &str, made: usize) {
    for fault in [Fault::ApplyThenError(500), Fault::ApplyThenCut] {
        let world = world().await;
        let rule = FaultRule { method: method.to_owned(), path: path.to_owned(), nth: 1, fault };
        world.twin.inject(rule).unwrap();
        let run = world.submit(WISH).await;
        assert_eq!(world.settle(run).await, "done", "{fault:?}");
        let history = world.history(run).await;
        assert!(history.contains("failed at attempt 1"), "{fault:?} struck nothing:\n{history}");
        world.nothing_twice();
        assert_eq!(world.applied(method, path), made, "{fault:?}\n{history}");
        assert_eq!(world.asked(Task::Generate), 1, "{fault:?}\n{history}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_whose_answer_is_lost_is_found_again() {
    lost_answers_do_no_harm("POST", "/repos/*/*/pulls", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_run_whose_answer_is_lost_is_found_again() {
    // The gate's and the review's.
    lost_answers_do_no_harm("POST", "/repos/*/*/check-runs", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_whose_answer_is_lost_is_found_again() {
    lost_answers_do_no_harm("POST", "/repos/*/*/pulls/*/reviews", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_whose_answer_is_lost_is_found_again() {
    lost_answers_do_no_harm("PUT", "/repos/*/*/pulls/*/merge", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_the_model_is_paid_for_once_though_the_push_fails() {
    let world = world().await;
    let path = "/acme/wealth-product.git/git-receive-pack".to_owned();
    let rule = FaultRule { method: "POST".to_owned(), path, nth: 1, fault: Fault::ErrorBefore(500) };
    world.twin.inject(rule).unwrap();
    let run = world.submit(WISH).await;
    assert_eq!(world.settle(run).await, "done");
    let history = world.history(run).await;
    assert!(history.contains("generate failed at attempt 1: git push failed"), "{history}");
    assert_eq!(world.asked(Task::Generate), 1);
    world.nothing_twice();
}
