//! What happens between the verdict and the merge: the facts are gathered again right before the call.

use std::sync::atomic::{AtomicBool, Ordering};

use aspora::{
    core::{hold::Scope, run::State},
    dev::{
        github::{Fault, FaultRule, Phase, ReviewEvent, Twin},
        model::Script,
    },
    llm::Task,
    store::{Pool, hold},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    forge::passing_ci,
    reports::is_cleared,
    script::{COUNT_ROUNDS, file, generates, with_clean_reviews},
    support::wait::eventually,
    world::{REPO, World},
};

/// Every call that merges.
const MERGE: &str = "/repos/*/*/pulls/*/merge*";

async fn world() -> World {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await;
    for person in ["asha", "bilal"] {
        world.twin.set_permission(REPO, person, "write").unwrap();
    }
    world
}

/// Whether a request is a call that merges, before it is served.
fn is_merge_call(_: &Twin, method: &str, path: &str, phase: Phase) -> bool {
    phase == Phase::Before && method == "PUT" && path.contains("/pulls/") && path.contains("/merge")
}

/// Refuses the first call that merges.
fn hold_the_merge(world: &World, fault: Fault) {
    let rule = FaultRule { method: "PUT".to_owned(), path: MERGE.to_owned(), nth: 1, fault };
    world.twin.inject(rule).unwrap();
}

/// Pauses the run once its verdict has cleared it.
fn pause_when_cleared(world: &World) {
    let (engine, pool) = (world.engine.clone(), world.pool.clone());
    world.once_when(is_cleared, |_| async move {
        let run: Uuid = sqlx::query_scalar("select id from run").fetch_one(&pool).await.unwrap();
        engine.pause(run, "pm@acme", &"let me look".parse().unwrap()).await.unwrap();
    });
}

/// Asserts that nothing was merged, and returns the history.
async fn unmerged(world: &World, run: Uuid) -> String {
    let history = world.history(run).await;
    assert_eq!((world.merges(), world.model_calls(Task::Review)), (0, 1), "{history}");
    history
}

#[tokio::test(flavor = "multi_thread")]
async fn j1_a_pull_request_pointed_at_another_branch_is_not_merged() {
    let world = world().await;
    let production = world.push_as("asha", "production", "RELEASES.md", "One.\n").await;
    hold_the_merge(&world, Fault::SecondaryLimit(60));
    world.once_when(is_merge_call, |twin| async move {
        twin.retarget_pull("asha", REPO, 1, "production").await.unwrap();
    });
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let history = unmerged(&world, run).await;
    let stopped = "the pull request is pointed at `production`, and the run is for `main`";
    assert!(history.contains("merge → moved: no longer cleared: stopped"), "{history}");
    assert!(world.reason(run).await.ends_with(stopped), "{history}");
    assert_eq!(world.twin.branch(REPO, "production").await.unwrap(), Some(production));
}

#[tokio::test(flavor = "multi_thread")]
async fn j1_a_waiting_run_stops_when_its_pull_request_is_pointed_at_another_branch() {
    let world = World::with(|setup| {
        setup.ci = None;
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
    })
    .await;
    world.push_as("asha", "production", "RELEASES.md", "One.\n").await;
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.twin.retarget_pull("asha", REPO, 1, "production").await.unwrap();
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(reason.contains("pointed at `production`, and the run is for `main`"), "{reason}");
    assert_eq!(world.merges(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn j2_changes_requested_while_a_rate_limit_holds_the_merge_are_not_merged_over() {
    let world = world().await;
    hold_the_merge(&world, Fault::SecondaryLimit(60));
    world.once_when(is_merge_call, |twin| async move {
        twin.review_as("asha", REPO, 1, ReviewEvent::RequestChanges, "not like this").await.unwrap();
    });
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let history = unmerged(&world, run).await;
    assert!(history.contains("merge → moved: no longer cleared: blocked"), "{history}");
    assert!(history.contains("1 open remark by asha"), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn j3_a_check_that_turns_red_while_the_run_is_paused_is_not_merged_over() {
    let world = world().await;
    pause_when_cleared(&world);
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_paused_at(run, "merge").await;
    let head = world.head(run).await;
    world.twin.set_check("ci", REPO, &head, "CI Pipeline", Some("failure")).await.unwrap();
    world.control(run, "resume", &json!({"reason": "looks good"})).await;
    world.run_to_end(run).await;
    let history = unmerged(&world, run).await;
    assert!(history.contains("merge → moved: no longer cleared: blocked on abc: check CI"), "{history}");
    assert!(history.contains("verdict → blocked: blocked on abc: check CI Pipeline"), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn j4_a_policy_that_changes_before_the_merge_is_judged_by() {
    let world = world().await;
    hold_the_merge(&world, Fault::ErrorBefore(502));
    world.once_when(is_merge_call, |twin| async move {
        let path = ".aspora/risk-policy.json";
        let policy = twin.main_file(REPO, path).await.unwrap().unwrap();
        let policy = String::from_utf8(policy).unwrap();
        assert!(policy.contains("\"critical\": ["), "{policy}");
        let strict = policy.replace("\"critical\": [", "\"critical\": [\n        \"lib/**\",");
        twin.push_as("asha", REPO, "main", &[(path, strict.as_bytes())]).await.unwrap();
    });
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "2 of 2 approvals by people").await;
    let history = world.history(run).await;
    assert!(history.contains("verdict → cleared: low change at abc"), "{history}");
    assert!(history.contains("merge is held"), "{history}");
    assert_eq!(world.merges(), 0, "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn j7_a_draft_is_not_merged_once_the_merge_has_its_turn() {
    let world = World::with(|setup| {
        let (first, second) = (file("lib/first.py", "FIRST = 1"), file("lib/second.py", "SECOND = 1"));
        let script = Script::default().with(Task::Generate, &["the second"], &[], &second);
        let script = script.with(Task::Generate, &[], &[], &first);
        setup.script = with_clean_reviews(script);
        setup.ci = Some(passing_ci());
    })
    .await;
    // The run whose merge is first holds the turn until the other one waits for it.
    let pool = world.pool.clone();
    world.once_when(is_merge_call, |twin| async move {
        until_both_merge(&pool).await;
        for pull in twin.pulls(REPO) {
            let begun = "select exists (select from effect where kind = 'merge' and request->>'pull' = $1)";
            let number = pull.number.to_string();
            let merging: bool = sqlx::query_scalar(begun).bind(number).fetch_one(&pool).await.unwrap();
            if !merging {
                twin.set_draft("asha", REPO, pull.number, true).await.unwrap();
            }
        }
    });
    let runs = [world.submit("Write the first").await, world.submit("Write the second").await];
    world
        .eventually("one is merged and the other waits", async || {
            let mut waits = 0;
            for run in runs {
                let state = world.run(run).await.run.state;
                waits += usize::from(
                    matches!(state, State::Waiting { park, .. } if park.reason.contains("draft")),
                );
            }
            waits == 1 && world.merges() == 1
        })
        .await;
    assert_eq!(world.applied("PUT", MERGE), 1);
    let refused = world.twin.ledger().into_iter().filter(|it| it.method == "PUT" && it.status == 405).count();
    assert_eq!(refused, 0, "a draft is noticed before the call");
}

/// Waits until both runs are at their merge.
async fn until_both_merge(pool: &Pool) {
    let at_merge = "select count(*) from job where step = 'merge'";
    eventually("both runs are at their merge", || async {
        let count: i64 = sqlx::query_scalar(at_merge).fetch_one(pool).await.unwrap();
        count == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_begins_while_a_merge_is_prepared_stops_it() {
    let world = world().await;
    let (pool, is_merging) = (world.pool.clone(), AtomicBool::new(false));
    let looks_again = move |twin: &Twin, method: &str, path: &str, phase: Phase| {
        is_merging.fetch_or(is_cleared(twin, method, path, phase), Ordering::SeqCst)
            && (method, phase) == ("GET", Phase::Before)
            && path.ends_with("/reviews")
    };
    world.once_when(looks_again, |_| async move {
        let mut connection = pool.acquire().await.unwrap();
        hold::put(&mut connection, &Scope::All, "stop everything", "ada").await.unwrap();
    });
    let run = world.submit(COUNT_ROUNDS).await;
    let held =
        "select count(*) from job where step = 'merge' and delayed_by = 'hold:all' and lease_token is null";
    eventually("the merge is held", async || {
        sqlx::query_scalar::<_, i64>(held).fetch_one(&world.pool).await.unwrap() == 1
    })
    .await;
    assert_eq!(world.merges(), 0);
    let mut connection = world.pool.acquire().await.unwrap();
    hold::release(&mut connection, &Scope::All, None).await.unwrap().unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.merges(), 1);
}
