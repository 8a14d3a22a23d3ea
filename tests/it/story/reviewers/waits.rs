//! A review that does not come: it is asked for once, awaited as long as the product says, and then missing.

use std::time::Duration;

use aspora::dev::github::{Fault, FaultRule};

use super::*;

/// Silent from the first to the last minute: the request, and what the run says at the end.
async fn silent(app: App) -> (Vec<String>, String) {
    let world = world(json!([app.setting()])).await;
    let (run, head) = awaited(&world).await;
    assert!(requests(&world).is_empty(), "most begin by themselves");
    pass(&world, 3).await;
    let nothing = format!("{}, which has shown nothing yet", app.name());
    until_seen(&world, run, &nothing).await;
    until_seen(&world, run, &nothing).await;
    let asked = requests(&world);
    assert!(asked.iter().all(|body| body.contains(&format!("sha:{head}"))), "{asked:?}");
    pass(&world, 17).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    assert_eq!((requests(&world).len(), world.merges()), (asked.len(), 0));
    assert_eq!(world.model_calls(Task::Review), 0, "the product does not let the built-in one take over");
    (asked, world.reason(run).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_greptile_is_asked_once_and_missed_after_twenty_minutes() {
    let (asked, reason) = silent(App::Greptile).await;
    assert!(asked.len() == 1 && asked[0].starts_with("@greptileai review"), "{asked:?}");
    assert!(reason.contains("greptile has not reviewed it within 20 minutes"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_coderabbit_is_asked_once_and_missed_after_twenty_minutes() {
    let (asked, reason) = silent(App::CodeRabbit).await;
    assert!(asked.len() == 1 && asked[0].starts_with("@coderabbitai review"), "{asked:?}");
    assert!(reason.contains("coderabbit has not reviewed it within 20 minutes"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_copilot_is_missed_after_twenty_minutes_and_no_comment_asks_it() {
    let (asked, reason) = silent(App::Copilot).await;
    assert!(asked.is_empty(), "{asked:?}");
    assert!(reason.contains("copilot has not reviewed it within 20 minutes"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_app_is_asked_in_the_products_words_and_missed_after_twenty_minutes() {
    let (asked, reason) = silent(App::Check).await;
    assert!(asked.len() == 1 && asked[0].starts_with("@acme look"), "{asked:?}");
    assert!(reason.contains("check has not reviewed it within 20 minutes"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_green_check_without_a_review_is_none_and_the_built_in_reviewer_takes_over() {
    let world = world(json!([{"kind": "coderabbit", "fallback": true}])).await;
    let (run, head) = awaited(&world).await;
    let skipped = ("CodeRabbit", "success", "Review rate limited");
    world.twin.set_status_as("coderabbitai[bot]", REPO, &head, skipped).await.unwrap();
    world.until_waiting_for(run, "coderabbit says `Review rate limited`").await;
    world.eventually("it is asked", async || requests(&world).len() == 1).await;
    pass(&world, 20).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((requests(&world).len(), world.model_calls(Task::Review)), (1, 1));
    let report = report(&world);
    assert!(report.contains("the built-in reviewer took over"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_answer_is_lost_is_found_again_and_not_made_twice() {
    let world = world(json!([App::Greptile.setting()])).await;
    let (run, head) = awaited(&world).await;
    let path = "/repos/*/*/issues/*/comments".to_owned();
    let rule = FaultRule { method: "POST".to_owned(), path, nth: 1, fault: Fault::ApplyThenCut };
    world.eventually("our own comment is there", async || !world.twin.comments(REPO).is_empty()).await;
    world.twin.inject(rule).unwrap();
    pass(&world, 3).await;
    world.eventually("it is asked", async || requests(&world).len() == 1).await;
    world.skip_back_off(run, Duration::from_secs(600)).await;
    world.until_waiting_for(run, "greptile, which has shown nothing yet").await;
    until_seen(&world, run, "greptile").await;
    assert_eq!(requests(&world).len(), 1);
    App::Greptile.clean(&world, &head).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(requests(&world).len(), 1);
}
