//! Requirements that reach the merge without a fault on the way.

use std::sync::{Arc, Mutex};

use aspora::{dev::github::Phase, llm::Task, workspace::Unavailable};
use insta::assert_snapshot;

use super::{
    forge::passing_ci,
    reports::ours,
    script::{COUNT_ROUNDS, RISK_CHECKER, file, generates, with_clean_reviews},
    world::{REPO, TESTS, World},
};

/// The product after its first run, by REST and on its page: figures, and the policy in words.
async fn at_a_glance(world: &World) {
    let (status, glance) = world.call("GET", "products/wealth", None).await;
    assert_eq!((status, &glance["product"]["repository"]), (200, &serde_json::json!(REPO)), "{glance}");
    assert_eq!(glance["runs"]["succeeded"], 1);
    let reviews = &glance["reviewers"][0];
    assert_eq!(reviews["name"], "builtin");
    assert_eq!((&reviews["complete"], &reviews["failed"]), (&2.into(), &0.into()), "{reviews}");
    // Two findings on the first head, both fixed by the second.
    let found: Vec<_> =
        reviews["findings"].as_array().unwrap().iter().map(|it| (&it["found"], &it["fixed"])).collect();
    assert_eq!((found, &reviews["precision"]), (vec![(&1.into(), &1.into()); 2], &1.0.into()), "{reviews}");
    let tiers = glance["policy"]["tiers"].as_array().unwrap();
    let named: Vec<_> = tiers.iter().map(|it| it["tier"].as_str().unwrap()).collect();
    assert_eq!(named, ["critical", "high", "medium", "low"]);
    assert_eq!((&tiers[0]["approvals"], &tiers[0]["human"]), (&2.into(), &true.into()));
    let page = world.page("products/wealth").await;
    for text in [
        "2 approvals by people",
        "<code>api/v1/**</code>",
        "<strong>builtin</strong>: 2 complete reviews",
        "<strong>100 %</strong> were right",
    ] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
    assert_eq!(world.call("GET", "products/bakery", None).await.0, 404);
    assert!(world.page("products").await.contains("/products/wealth"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_risk_checker_is_reviewed_remediated_and_merged() {
    let world = World::with(|setup| setup.tests_anew = true).await;
    let clearances = clearances_at_the_merge(&world);
    let run = world.submit(RISK_CHECKER).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_snapshot!(world.history(run).await, @r"
    started
    generate → opened: opened #1 on abc: 5 files, tests pass
    gate → passed: high change at abc is ready for review
    review → findings: 2 actionable (1 blocking) on abc
    remediate → pushed: pushed def over abc: 2 findings, 0 blockers, tests pass
    recheck → passed: high change at def is ready for review
    rerun → clean: 0 actionable (0 blocking) on def
    verdict → cleared: high change at def is cleared to merge
    merge → merged: merged as the merge
    done (succeeded): merged as the merge
    ");
    assert_eq!(
        *clearances.lock().unwrap(),
        Some(2),
        "the verdict and the second look are recorded before the merge"
    );
    world.assert_nothing_twice();
    assert_eq!(world.applied("POST", "/repos/*/*/pulls"), 1);
    assert_eq!(world.applied("POST", "/*/*.git/git-receive-pack"), 2);
    assert_eq!(
        (
            world.model_calls(Task::Generate),
            world.model_calls(Task::Remediate),
            world.model_calls(Task::Review)
        ),
        (1, 1, 2)
    );
    let comments = world.twin.review_comments(REPO).into_iter();
    let places: Vec<_> = comments.map(|comment| format!("{}:{}", comment.path, comment.line)).collect();
    assert_eq!(places, ["services/risk_checker.py:45", "api/v1/risk_check.py:12"]);
    assert_snapshot!(our_checks(&world, &world.head(run).await), @r"
    Code Review Agent on abc: failure
    Code Review Agent on def: success
    risk-policy-gate on abc: open
    risk-policy-gate on def: success
    ");
    at_a_glance(&world).await;
    let zero =
        "from services import risk_checker\ntry: risk_checker.check(0, -1)\nexcept ValueError as e: print(e)";
    assert_eq!(world.on_main(&["python3", "-c", zero]).await.output, "Portfolio value cannot be zero\n");
    let tests = world.on_main(&TESTS).await;
    assert!(tests.passed && tests.output.ends_with("OK\n"), "{}", tests.output);
}

/// How many verdicts that clear the head are recorded at the time of the merge request.
fn clearances_at_the_merge(world: &World) -> Arc<Mutex<Option<i64>>> {
    let (found, pool) = (Arc::new(Mutex::new(None)), world.pool.clone());
    let seen = Arc::clone(&found);
    let merge = |_: &_, method: &str, path: &str, phase| {
        phase == Phase::Before && method == "PUT" && path.ends_with("/merge-async")
    };
    world.once_when(merge, move |twin| async move {
        let head = twin.pulls(REPO)[0].head_sha.clone();
        let count = "select count(*) from assessment
                     where stage = 'verdict' and decision = 'clear' and head_sha = $1";
        let count: i64 = sqlx::query_scalar(count).bind(head).fetch_one(&pool).await.unwrap();
        *seen.lock().unwrap() = Some(count);
    });
    found
}

fn our_checks(world: &World, last: &str) -> String {
    let mut lines: Vec<String> = ours(&world.twin)
        .into_iter()
        .map(|run| {
            let head = if run.head == last { "def" } else { "abc" };
            format!("{} on {head}: {}", run.name, run.conclusion.as_deref().unwrap_or("open"))
        })
        .collect();
    lines.sort();
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_documentation_update_blocks_at_the_gate_and_is_remediated() {
    let world = World::new().await;
    let run = world.submit("Show the share of each holding").await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_snapshot!(world.history(run).await, @r#"
    started
    generate → opened: opened #1 on abc: 2 files, tests pass
    gate → blocked: blocked on abc: "api/v1/holdings.py" changed and no document did; update docs/API.md or docs/ARCHITECTURE.md
    remediate → pushed: pushed def over abc: 0 findings, 1 blocker, tests pass
    recheck → passed: high change at def is ready for review
    rerun → clean: 0 actionable (0 blocking) on def
    verdict → cleared: high change at def is cleared to merge
    merge → merged: merged as the merge
    done (succeeded): merged as the merge
    "#);
    let api = world.twin.main_file(REPO, "docs/API.md").await.unwrap().unwrap();
    assert!(String::from_utf8(api).unwrap().contains("## GET /api/v1/holdings"));
    assert_eq!(world.model_calls(Task::Review), 1, "a blocked head is not reviewed");
    world.assert_nothing_twice();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_low_risk_change_does_not_require_the_review_check() {
    let world = World::new().await;
    let run = world.submit("Show the progress towards a savings goal").await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_snapshot!(world.history(run).await, @r"
    started
    generate → opened: opened #1 on abc: 3 files, tests pass
    gate → passed: low change at abc is ready for review
    review → clean: 0 actionable (0 blocking) on abc
    verdict → cleared: low change at abc is cleared to merge
    merge → merged: merged as the merge
    done (succeeded): merged as the merge
    ");
    let required = "select array(select jsonb_path_query(report, '$.checks[*].name') #>> '{}')
                    from assessment where decision = 'clear' and stage = 'verdict'";
    let required: Vec<String> = sqlx::query_scalar(required).fetch_one(&world.pool).await.unwrap();
    assert_eq!(required, ["risk-policy-gate", "CI Pipeline"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_sandbox_nothing_of_ours_is_merged_and_the_run_says_why() {
    let world = World::with(|setup| {
        setup.sandbox = Err(Unavailable { reason: "bubblewrap is not installed".to_owned() });
        setup.script = with_clean_reviews(generates(&file("lib/round.py", "ROUND = 1")));
        setup.ci = Some(passing_ci());
    })
    .await;
    let run = world.submit(COUNT_ROUNDS).await;
    assert_eq!(world.run_to_end(run).await, "needs_human");
    let reason = world.reason(run).await;
    assert!(
        reason.contains("the product's tests could not run here: tests cannot run here: bubblewrap"),
        "{reason}"
    );
    assert_eq!((world.model_calls(Task::Repair), world.merges()), (0, 0), "it is no fault of the code");
    let history = world.history(run).await;
    assert!(history.contains("1 file, tests not run ("), "{history}");
    assert!(history.contains("bubblewrap is not installed"), "{history}");
    let body = world.twin.pulls(REPO)[0].body.clone().unwrap();
    assert!(body.contains("tests not run") && !body.contains("tests pass"), "{body}");
}
