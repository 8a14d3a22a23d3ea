//! People who push to, close, approve or block a pull request.

use aspora::{
    dev::{
        Acting,
        github::{BOT, Phase, ReviewEvent},
    },
    llm::Task,
};
use insta::assert_snapshot;
use serde_json::json;

use super::{
    forge::passing_ci,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    world::{REPO, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_push_before_the_merge_leaves_the_branch_to_its_author() {
    let world = World::with(|setup| {
        setup.acting = Acting::App;
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await;
    let merge = |_: &_, method: &str, path: &str, phase| {
        phase == Phase::Before && method == "PUT" && path.ends_with("/merge-async")
    };
    world.once_when(merge, |twin| async move {
        let branch = twin.pulls(REPO)[0].head_ref.clone();
        let file: (&str, &[u8]) = ("lib/round.py", b"ROUND = 7\n");
        twin.push_as("stranger", REPO, &branch, &[file]).await.unwrap();
    });
    let run = world.submit(COUNT_ROUNDS).await;
    let (_, reason) = world.until_paused(run).await;
    assert!(reason.ends_with("to the branch; nothing of ours is pushed after it"), "{reason}");
    assert_eq!((world.applied("PUT", "/repos/*/*/pulls/*/merge-async"), world.merges()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_that_a_person_closes_stays_closed() {
    let world = World::with(|setup| {
        setup.ci = None;
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    let reason = world.until_waiting_for(run, "CI Pipeline").await;
    assert!(reason.ends_with("CI Pipeline (not reported)"), "{reason}");
    world.twin.close_pull("asha", REPO, 1).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "closed");
    assert_snapshot!(world.history(run).await, @r"
    started
    generate → opened: opened #1 on abc: 1 file, tests pass
    gate → passed: low change at abc is ready for review
    review → clean: 0 actionable (0 blocking) on abc
    verdict → closed: stopped at abc: the pull request was closed
    closed (cancelled): stopped at abc: the pull request was closed
    ");
    assert_eq!((world.applied("POST", "/repos/*/*/pulls"), world.merges()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_critical_change_waits_for_two_people_with_write_access() {
    let world = World::with(|setup| {
        setup.acting = Acting::App;
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(generates(&file(
            "db/migrations/0002_round.sql",
            "create table round (n int);",
        )));
    })
    .await;
    let (twin, approve) = (&world.twin, ReviewEvent::Approve);
    for (login, permission) in
        [("asha", "write"), ("bilal", "admin"), ("helper[bot]", "write"), ("out", "read")]
    {
        twin.set_permission(REPO, login, permission).unwrap();
    }
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "2 of 2 approvals by people on ").await;
    assert!(
        twin.review_as(BOT, REPO, 1, approve, "fine").await.is_err(),
        "an author cannot approve their own pull request"
    );
    twin.review_as("helper[bot]", REPO, 1, approve, "fine").await.unwrap();
    twin.review_as("out", REPO, 1, approve, "fine").await.unwrap();
    let head = world.head(run).await;
    for check in ["harness-integration", "Security Scan"] {
        twin.set_check("scanner", REPO, &head, check, Some("success")).await.unwrap();
    }
    let approvals =
        |missing| format!("{missing} of 2 approvals by people on {}, reset by a new push", &head[..7]);
    world.until_waiting_only_for(run, &approvals(2)).await;
    twin.review_as("asha", REPO, 1, approve, "good").await.unwrap();
    world.until_waiting_only_for(run, &approvals(1)).await;
    twin.review_as("asha", REPO, 1, approve, "still good").await.unwrap();
    twin.comment_as("bilal", REPO, 1, "looking").await.unwrap();
    twin.review_as("bilal", REPO, 1, approve, "good").await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    assert_snapshot!(world.history(run).await, @r"
    started
    generate → opened: opened #1 on abc: 1 file, tests pass
    gate → passed: critical change at abc is ready for review
    review → clean: 0 actionable (0 blocking) on abc
    verdict → cleared: critical change at abc is cleared to merge
    merge → merged: merged as the merge
    done (succeeded): merged as the merge
    ");
    assert_eq!(world.model_calls(Task::Review), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn j12_a_requester_cannot_approve_their_own_critical_change() {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        let path = "db/migrations/0002_round.sql";
        setup.script = with_clean_reviews(generates(&file(path, "create table round (n int);")));
    })
    .await;
    let (twin, approve) = (&world.twin, ReviewEvent::Approve);
    for person in ["asha", "bilal", "chen"] {
        twin.set_permission(REPO, person, "write").unwrap();
    }
    let body = |login: &str| {
        let by = json!({"name": "Asha", "forge_login": login});
        json!({"product": "wealth", "title": COUNT_ROUNDS, "body": "Soon.", "requested_by": by})
    };
    let (status, problem) = world.call("POST", "requirements", Some(body("asha/x"))).await;
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (422, &json!("/requested_by/forge_login")),
        "{problem}"
    );
    let run = world.submit_as(body("Asha")).await;
    world.until_waiting_for(run, "2 of 2 approvals by people on ").await;
    let head = world.head(run).await;
    for check in ["harness-integration", "Security Scan"] {
        twin.set_check("scanner", REPO, &head, check, Some("success")).await.unwrap();
    }
    for person in ["asha", "bilal"] {
        twin.review_as(person, REPO, 1, approve, "good").await.unwrap();
    }
    let one = format!("1 of 2 approvals by people on {}, reset by a new push", &head[..7]);
    world.until_waiting_only_for(run, &one).await;
    twin.review_as("chen", REPO, 1, approve, "good").await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
}
