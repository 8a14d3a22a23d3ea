//! Merges: in the background, at once, refused, blocked, and those that only seem to have been made.

use std::time::Duration;

use aspora::{
    core::{merge_method::MergeMethod, policy::POLICY_PATH, run::State},
    dev::{
        Acting,
        github::{BOT, CI_APP, Method, Phase, RequiredCheck, Rules},
    },
    llm::Task,
    store,
};
use serde_json::json;
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, World},
};

const ASYNC: &str = "/repos/*/*/pulls/*/merge-async";

async fn world() -> World {
    World::with(|setup| {
        // A token may not ask for merges in the background, which stacks and queues need.
        setup.acting = Acting::App;
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await
}

/// Lets the wait of the run end as if so much time had passed since every merge was made.
async fn pass(world: &World, run: Uuid, time: Duration) {
    let update = "update effect set intended_at = intended_at - $2 * interval '1 second',
                         done_at = done_at - $2 * interval '1 second'
                  where run_id = $1 and kind in ('merge', 'merge_order')";
    sqlx::query(update).bind(run).bind(time.as_secs_f64()).execute(&world.pool).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_in_the_background_is_waited_for_without_a_worker_and_made_once() {
    let world = world().await;
    world.twin.hold_merges(REPO, true).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "the forge, which merges in the background").await;
    world.stop_worker().await;
    world.start_worker(|_| {});
    world.until_waiting_for(run, "the forge, which merges in the background").await;
    assert_eq!(world.merges(), 0);
    world.twin.hold_merges(REPO, false).unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_merge_of_the_cleared_head_is_adopted() {
    let world = world().await;
    world.twin.hold_merges(REPO, true).unwrap();
    // A person has pressed the button at the very head that we clear.
    world.once_when(
        |_: &_, method: &str, path: &str, phase| {
            phase == Phase::Before && method == "PUT" && path.ends_with("/merge-async")
        },
        |twin| async move {
            let head = twin.pulls(REPO)[0].head_sha.clone();
            twin.order_merge_as("asha", REPO, 1, Some(&head)).await.unwrap();
        },
    );
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "the forge, which merges in the background").await;
    world.twin.hold_merges(REPO, false).unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.applied("PUT", ASYNC), world.merges()), (0, 1), "ours was answered by 409");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_merge_of_another_head_is_not_adopted() {
    let world = world().await;
    world.twin.hold_merges(REPO, true).unwrap();
    world.once_when(
        |_: &_, method: &str, path: &str, phase| {
            phase == Phase::Before && method == "PUT" && path.ends_with("/merge-async")
        },
        |twin| async move {
            twin.order_merge_as("asha", REPO, 1, Some(&"1".repeat(40))).await.unwrap();
        },
    );
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "another merge of this pull request to end").await;
    world.twin.hold_merges(REPO, false).unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.applied("PUT", ASYNC), world.merges()), (1, 1), "the other one failed, ours was made");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_merges_in_the_background_merges_at_once() {
    let world = world().await;
    world.twin.set_async_merges(REPO, false).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.applied("PUT", ASYNC), world.applied("PUT", "/repos/*/*/pulls/*/merge")), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_pull_request_is_never_merged_past() {
    let world = world().await;
    world.twin.set_mergeable_state(REPO, 1, Some("blocked")).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "what the rules of `main` demand").await;
    assert_eq!(world.twin.ledger().iter().filter(|it| it.path.contains("/merge")).count(), 0);
    world.twin.set_mergeable_state(REPO, 1, None).unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_breaks_after_the_request_is_waited_for_and_the_merge_asked_for_again() {
    let world = world().await;
    world.twin.hold_merges(REPO, true).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "the forge, which merges in the background").await;
    world.twin.set_mergeable_state(REPO, 1, Some("blocked")).unwrap();
    world.twin.hold_merges(REPO, false).unwrap();
    world.until_waiting_for(run, "what the rules of `main` demand").await;
    world.twin.set_mergeable_state(REPO, 1, None).unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.applied("PUT", ASYNC), world.merges()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_it_merges_is_asked_again_and_not_guessed() {
    let world = world().await;
    world.twin.set_mergeable_after(REPO, 1_000_000).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "it has not worked out yet whether it merges").await;
    assert_eq!(world.merges(), 0);
    world.twin.set_mergeable_state(REPO, 1, None).unwrap();
    world.twin.work_out_merges(REPO).unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_is_merged_by_its_method_and_a_squash_has_landed() {
    for method in [MergeMethod::Squash, MergeMethod::Rebase] {
        let world = world().await;
        store::product::merge_by(&world.pool, &"wealth".parse().unwrap(), method).await.unwrap();
        let run = world.submit(COUNT_ROUNDS).await;
        assert_eq!(world.run_to_end(run).await, "done", "{method}");
        let main = world.twin.branch(REPO, "main").await.unwrap().unwrap();
        assert_ne!(main, world.head(run).await);
        assert!(world.twin.main_file(REPO, "lib/round.py").await.unwrap().is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_the_repository_does_not_allow_is_a_persons() {
    let world = world().await;
    world.twin.set_merge_methods(REPO, &[Method::Squash]).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("Merge commits are not allowed on this repository."), "{reason}");
    assert!(reason.contains("the merge method of the policy or the product"), "{reason}");
    assert!(reason.contains("merge methods allowed: squash; set one of them for the product"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_whose_merge_method_is_not_allowed_is_refused_at_that_field() {
    let world = world().await;
    world.twin.set_merge_methods(REPO, &[Method::Squash]).unwrap();
    let product = |method: &str| json!({"name": "wealth", "repository": REPO, "merge_method": method});
    let (status, refused) = world.call("POST", "products", Some(product("merge"))).await;
    assert_eq!(status, 422, "{refused}");
    assert_eq!(refused["errors"][0]["pointer"], "/merge_method", "{refused}");
    let detail = refused["errors"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("merge methods allowed: squash: choose one of them"), "{detail}");
    let (status, put) = world.call("POST", "products", Some(product("squash"))).await;
    assert_eq!((status, &put["merge_method"]), (200, &json!("squash")));
}

#[tokio::test(flavor = "multi_thread")]
async fn j14_a_merge_that_reached_no_branch_is_not_done() {
    let world = world().await;
    world.twin.lose_next_merge(REPO).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    let reason = world.until_waiting_for(run, "the merge to land").await;
    assert!(reason.contains("is on no branch"), "{reason}");
    pass(&world, run, Duration::from_secs(3600)).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("the forge said that #1 was merged, but"), "{reason}");
    assert!(matches!(world.run(run).await.run.state, State::Ended { .. }));
    assert_eq!(world.run(run).await.run.progress.merged, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_lands_late_is_done() {
    let world = world().await;
    world.twin.lose_next_merge(REPO).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "the merge to land").await;
    let merge = world.twin.pulls(REPO)[0].merge.clone().unwrap();
    world.twin.force_push_as("replica", REPO, "main", &merge.sha).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.model_calls(Task::Generate), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stacked_change_waits_until_every_layer_below_is_cleared() {
    let world = World::with(|setup| {
        setup.acting = Acting::App;
        setup.ci = None;
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await;
    let bottom = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(bottom, "CI Pipeline").await;
    let top = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(top, "CI Pipeline").await;
    world.twin.stack_as("asha", REPO, &[1, 2]).await.unwrap();
    world.pass_checks(&world.head(top).await).await;
    let reason = world.until_waiting_for(top, "the layers below it in its stack to be cleared").await;
    assert!(reason.contains("#1 at "), "{reason}");
    assert_eq!(world.merges(), 0);
    world.pass_checks(&world.head(bottom).await).await;
    assert_eq!(world.run_to_end(bottom).await, "done");
    assert_eq!(world.run_to_end(top).await, "done");
    assert_eq!(world.merges(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_of_the_right_name_by_another_app_lets_no_protected_branch_be_merged() {
    let world = World::with(|setup| {
        setup.acting = Acting::App;
        setup.ci = None;
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await;
    let checks = vec![RequiredCheck::of(CI_APP, "CI Pipeline")];
    world.twin.protect(REPO, "main", Rules { checks, ..Rules::default() }).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline (not reported)").await;
    let head = world.head(run).await;
    world.twin.set_check("evil-app", REPO, &head, "CI Pipeline", Some("success")).await.unwrap();
    world.until_waiting_for(run, "what the rules of `main` demand").await;
    assert_eq!(world.merges(), 0);
    world.twin.set_check(CI_APP, REPO, &head, "CI Pipeline", Some("success")).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_merge_method_of_the_policy_counts_over_the_products() {
    let policy = include_str!("../../../src/dev/product/wealth/.aspora/risk-policy.json");
    let squash = policy.replacen("\"wealth\": {", "\"wealth\": {\n      \"mergeMethod\": \"squash\",", 1);
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
        setup.files.retain(|(path, _)| *path != POLICY_PATH);
        setup.files.push((POLICY_PATH, squash.into_bytes()));
    })
    .await;
    world.twin.set_merge_methods(REPO, &[Method::Squash]).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let merge = world.twin.pulls(REPO)[0].merge.clone().unwrap();
    assert_ne!(merge.sha, world.head(run).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_queue_is_used_where_the_branch_demands_it() {
    let world = world().await;
    world.twin.demand_queue(REPO, "main").unwrap();
    world.twin.hold_queue(REPO, true).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "the merge queue of `main`").await;
    assert_eq!((world.applied("PUT", ASYNC), world.merges()), (1, 0));
    world.twin.hold_queue(REPO, false).unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.applied("PUT", ASYNC), world.merges()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_by_someone_else_is_recorded_as_unjudged() {
    let world = World::with(|setup| {
        setup.ci = None;
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.twin.merge_as("asha", REPO, 1).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "closed");
    let reason = world.reason(run).await;
    assert!(reason.starts_with("merged unjudged by asha as "), "{reason}");
    assert!(reason.contains("CI Pipeline"), "what was missing: {reason}");
    let (_, shown) = world.call("GET", &format!("runs/{run}"), None).await;
    assert_eq!(shown["progress"]["unjudged"], "asha");
    let (status, listed) = world.call("GET", "requirements?state=unjudged&product=wealth", None).await;
    assert_eq!((status, &listed["items"][0]["run_id"]), (200, &json!(run)), "{listed}");
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(store::requirement::count_unjudged(&world.pool).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_by_someone_else_at_the_cleared_head_is_done() {
    let world = world().await;
    world.once_when(
        |_: &_, method: &str, path: &str, phase| {
            phase == Phase::Before && method == "PUT" && path.ends_with("/merge-async")
        },
        |twin| async move {
            twin.merge_as("asha", REPO, 1).await.unwrap();
        },
    );
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.run(run).await.run.progress.unjudged, None);
    let (_, listed) = world.call("GET", "requirements?state=unjudged", None).await;
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_may_bypass_the_rules_does_not() {
    let world = world().await;
    let checks = vec![RequiredCheck::any("Legal")];
    let rules = Rules { checks, bypass: vec![BOT.to_owned()], ..Rules::default() };
    world.twin.protect(REPO, "main", rules).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "what the rules of `main` demand").await;
    assert_eq!(world.twin.ledger().iter().filter(|it| it.path.contains("/merge")).count(), 0);
    world.twin.set_check("legal", REPO, &world.head(run).await, "Legal", Some("success")).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_queue_throws_out_goes_back_to_the_gate() {
    let world = world().await;
    world.twin.demand_queue(REPO, "main").unwrap();
    world.twin.hold_queue(REPO, true).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "the merge queue of `main`").await;
    world.twin.throw_out(REPO, 1, "CI_FAILURE").await.unwrap();
    pass(&world, run, Duration::from_secs(3 * 3600)).await;
    world.eventually("the run asks the queue again", async || world.applied("PUT", ASYNC) == 2).await;
    let history = world.history(run).await;
    assert!(history.contains("merge → moved: the merge queue of `main` has not merged it"), "{history}");
    world.twin.hold_queue(REPO, false).unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.merges(), 1);
}
