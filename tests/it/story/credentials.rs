//! What the factory authenticates with: an App whose tokens end during the run, tokens that may not make or read
//! check runs, and the token of GitHub Actions.

use std::time::Duration;

use aspora::{
    core::policy::StatusState,
    dev::{Acting, github::APP},
};

use super::{
    forge::{CHECKS, passing_ci},
    script::{COUNT_ROUNDS, RISK_CHECKER, file, generates, with_clean_reviews},
    world::{REPO, Setup, World},
};

fn simple(setup: &mut Setup) {
    setup.ci = Some(passing_ci());
    setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
}

/// How many tokens the twin minted for the repository, or for none.
fn minted(world: &World) -> usize {
    world.twin.ledger().iter().filter(|it| it.path.ends_with("/access_tokens") && it.status == 201).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_lasts_longer_than_three_tokens_merges() {
    let world = World::with(|setup| {
        simple(setup);
        setup.acting = Acting::App;
        setup.ci = None;
    })
    .await;
    world.twin.token_lifetime(Duration::from_secs(3));
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    let before = minted(&world);
    world.eventually("three more tokens are minted", async || minted(&world) >= before + 3).await;
    world.pass_checks(&world.head(run).await).await;
    assert_eq!(world.run_to_end(run).await, "done");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn with_long_tokens_the_main_road_ends_in_a_merge_and_no_row_holds_one() {
    let world = World::with(simple).await;
    world.twin.long_tokens(true);
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "done");
    for table in ["effect", "event", "attempt", "rate", "assessment", "blob"] {
        let sql = format!("select count(*) from {table} where {table}::text like '%ghs_%'");
        let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&world.pool).await.unwrap();
        assert_eq!(found, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_fine_grained_token_the_gate_is_a_status_and_its_report_one_comment() {
    let world = World::with(|setup| setup.acting = Acting::FineGrained).await;
    // Check runs of a public repository are readable without the permission that these tokens cannot have.
    world.twin.set_private(REPO, false).unwrap();
    let run = world.submit(RISK_CHECKER).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.merges(), 1);
    assert!(world.twin.check_runs(REPO).iter().all(|run| run.app != APP), "no check run is ours");
    assert_eq!(world.applied("POST", "/repos/*/*/check-runs"), 0);
    let head = world.head(run).await;
    let statuses = world.forge().statuses(&REPO.parse().unwrap(), &head.parse().unwrap()).await.unwrap();
    let of = |name: &str| statuses.iter().find(|status| status.context == name).unwrap();
    let gate = of("risk-policy-gate");
    assert_eq!((gate.state, of("Code Review Agent").state), (StatusState::Success, StatusState::Success));
    assert!(gate.description.contains("is cleared to merge"), "{}", gate.description);
    assert_eq!(gate.target_url, format!("{}/runs/{run}", world.url));
    let said = async || {
        let comments = world.twin.comments(REPO);
        let reports: Vec<_> = comments.iter().filter(|it| it.body.contains("### risk-policy-gate")).collect();
        assert!(reports.len() < 2, "{comments:?}");
        reports.iter().any(|it| it.body.contains("is cleared to merge"))
    };
    world.eventually("the one comment has the report", said).await;
    assert!(world.applied("PATCH", "/repos/*/*/issues/comments/*") > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_runs_that_cannot_be_read_are_waited_for_by_name_with_the_reason() {
    let world = World::with(|setup| {
        simple(setup);
        setup.acting = Acting::FineGrained;
    })
    .await;
    world.twin.set_private(REPO, true).unwrap();
    let run = world.submit(COUNT_ROUNDS).await;
    let reason = world.until_waiting_for(run, "CI Pipeline, which cannot be read").await;
    assert!(reason.contains("our credential may not read check runs; grant it `checks: read`"), "{reason}");
    let said =
        async || world.twin.comments(REPO).iter().any(|it| it.body.contains("may not read check runs"));
    world.eventually("our comment says so", said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_token_of_actions_a_waiting_run_says_that_no_workflow_starts() {
    let world = World::with(|setup| {
        simple(setup);
        setup.ci = None;
        setup.acting = Acting::Actions;
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    let reason = world.until_waiting_for(run, "CI Pipeline").await;
    assert!(reason.contains("starts no workflow"), "{reason}");
    world.pass_checks(&world.head(run).await).await;
    assert_eq!(world.run_to_end(run).await, "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_renamed_during_the_run_does_not_end_it() {
    let world = World::with(|setup| {
        simple(setup);
        setup.ci = None;
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    let (now, head) = ("acme/renamed-product", world.head(run).await);
    world.twin.rename_repository(REPO, now).await.unwrap();
    for name in CHECKS {
        world.twin.set_check("ci", now, &head, name, Some("success")).await.unwrap();
    }
    assert_eq!(world.run_to_end(run).await, "done");
    assert!(world.twin.pulls(now)[0].merge.is_some());
}
