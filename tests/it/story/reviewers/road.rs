//! Each app on its way: what does not count, findings, and a clean review of the next head.

use aspora::dev::github::Rules;

use super::*;

/// Look-alikes, another commit, an edited comment, findings, a clean head: for one reviewer.
async fn road(app: App) {
    let world = world(json!([app.setting()])).await;
    let (run, head) = awaited(&world).await;
    let nothing = format!("{}, which has shown nothing yet", app.name());
    world.until_waiting_for(run, &nothing).await;
    let main = world.twin.branch(REPO, "main").await.unwrap().unwrap();
    unseen(&world, run, async || {
        // Another app whose name looks like the reviewer's, and a person of the reviewer's own name.
        app.clean_as(&world, &format!("{}-bot", app.slug()), &head).await;
        let review = LineReview {
            commit: &head,
            event: "COMMENT",
            body: "Copilot reviewed 1 out of 1 changed files and generated no comments. Review completed",
            comments: &[],
        };
        world.twin.review_lines_as(app.slug(), REPO, 1, review).await.unwrap();
        // The reviewer itself, on another commit.
        app.clean(&world, &main).await;
    })
    .await;
    until_seen(&world, run, &nothing).await;
    unseen(&world, run, async || {
        app.end(&world, app.slug(), &head, &[(PATH, 1, app.high())]).await;
        let (first, _) = world.twin.threads(REPO, 1).pop().unwrap();
        world.twin.edit_line_comment_as("asha", REPO, first.id, app.low()).await.unwrap();
    })
    .await;
    let fixed = world.until_head_changes(run, &head).await;
    world.until_waiting_for(run, &nothing).await;
    let found = findings(&world, run).await;
    assert_eq!(found.len(), 1, "{found:#?}");
    let (severity, source) = (&found[0]["severity"], &found[0]["source"]);
    assert_eq!(
        (severity, source),
        (&json!("high"), &json!(app.name())),
        "edited: its marks are not believed"
    );
    assert_eq!((&found[0]["path"], &found[0]["line"]), (&json!(PATH), &json!(1)));
    app.clean(&world, &fixed).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(findings(&world, run).await[0]["state"], "fixed");
    assert_eq!((world.model_calls(Task::Review), world.model_calls(Task::Remediate)), (0, 1));
    let resolved: Vec<_> = world.twin.threads(REPO, 1).into_iter().map(|(_, by)| by).collect();
    assert_eq!(resolved, [Some(world.twin.bot().to_owned())], "the thread of a bot alone is resolved");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn greptile_on_its_road() {
    road(App::Greptile).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn coderabbit_on_its_road() {
    road(App::CodeRabbit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copilot_on_its_road() {
    road(App::Copilot).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_app_with_a_check_on_its_road() {
    road(App::Check).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_reviewers_that_disagree_the_one_with_findings_counts() {
    let world = world(json!([App::Greptile.setting(), App::CodeRabbit.setting()])).await;
    let (run, head) = awaited(&world).await;
    App::Greptile.clean(&world, &head).await;
    until_seen(&world, run, "coderabbit, which has shown nothing yet").await;
    App::CodeRabbit.end(&world, App::CodeRabbit.slug(), &head, &[(PATH, 1, App::CodeRabbit.high())]).await;
    let fixed = world.until_head_changes(run, &head).await;
    for app in [App::Greptile, App::CodeRabbit] {
        app.clean(&world, &fixed).await;
    }
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(findings(&world, run).await[0]["source"], "coderabbit");
    let report = report(&world);
    assert!(report.contains("greptile") && report.contains("coderabbit"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_advisory_reviewer_finds_is_shown_and_holds_nothing() {
    let advisory = json!({"kind": "coderabbit", "mode": "advisory"});
    let world = world(json!([{"kind": "builtin"}, advisory])).await;
    let (run, head) = awaited(&world).await;
    App::CodeRabbit.end(&world, App::CodeRabbit.slug(), &head, &[(PATH, 1, App::CodeRabbit.high())]).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let found = findings(&world, run).await;
    let shown = (&found[0]["severity"], &found[0]["advisory"], &found[0]["blocking"]);
    assert_eq!(shown, (&json!("high"), &json!(true), &json!(false)));
    assert_eq!((world.model_calls(Task::Review), world.model_calls(Task::Remediate)), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_that_come_after_the_review_count_until_the_merge() {
    let world = world(json!([App::Greptile.setting()])).await;
    world.twin.protect(REPO, "main", Rules { approvals: 1, ..Rules::default() }).unwrap();
    let (run, head) = awaited(&world).await;
    App::Greptile.clean(&world, &head).await;
    world.until_waiting_for(run, "what the rules of `main` demand").await;
    let comments = [(PATH, 1, App::Greptile.high())];
    let review = LineReview { commit: &head, event: "COMMENT", body: "", comments: &comments };
    world.twin.review_lines_as("greptile-apps[bot]", REPO, 1, review).await.unwrap();
    world.until_head_changes(run, &head).await;
    assert_eq!((world.merges(), findings(&world, run).await.len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reviewers_of_the_policy_count_over_those_of_the_product() {
    let world = world(json!([{ "kind": "coderabbit" }])).await;
    let seed = include_str!("../../../../src/dev/product/wealth/.aspora/risk-policy.json");
    let policy =
        seed.replacen("\"wealth\": {", "\"wealth\": { \"reviewers\": [{\"kind\": \"greptile\"}],", 1);
    world.push_as("ada", "main", ".aspora/risk-policy.json", &policy).await;
    let (run, head) = awaited(&world).await;
    world.until_waiting_for(run, "greptile, which has shown nothing yet").await;
    App::Greptile.clean(&world, &head).await;
    assert_eq!(world.run_to_end(run).await, "done");
}
