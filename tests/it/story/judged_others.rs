//! What else happens to pull requests of others: programs and forks open them, people push, ask for fixes and merges, the
//! policy moves, webhooks are lost.

use std::sync::Arc;

use aspora::{
    activities::Lister,
    core::{judging::Judging, policy::POLICY_PATH},
    dev::github::{APP, ReviewEvent},
    llm::Task,
    store::{product, shadow},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    script::{file, finds, with_clean_reviews},
    world::{REPO, World},
};

const ROUND: &str = "ROUND = 1\n";

async fn head(world: &World, pull: i64) -> String {
    world.twin.pulls(REPO).into_iter().find(|it| it.number == pull).unwrap().head_sha
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_file_of_dependabot_is_high_and_needs_a_person() {
    let world = World::judging(Judging::On, |_| {}).await;
    let lock = r#"{"lockfileVersion": 3, "packages": {"node_modules/left-pad": {"version": "1.3.0"}}}"#;
    let pull = world.opens("dependabot[bot]", "package-lock.json", lock).await;
    let run = world.judge_of(pull).await;
    world.until_waiting_for(run, "1 of 1 approval by people").await;
    assert_eq!(world.run(run).await.run.progress.tier.unwrap().to_string(), "high");
    assert_eq!(world.model_calls(Task::Review), 1, "the policy lists a review of what is high");
    world.twin.set_permission(REPO, "helper[bot]", "write").unwrap();
    world.twin.review_as("helper[bot]", REPO, pull, ReviewEvent::Approve, "fine").await.unwrap();
    world.twin.review_as("bilal", REPO, pull, ReviewEvent::Approve, "fine").await.unwrap();
    world.until_gate(&head(&world, pull).await, Some("success")).await;
    world.until_waiting_for(run, "dependabot[bot] or anybody else who may to merge it").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_of_a_fork_is_judged_and_never_pushed_to() {
    let world = World::judging(Judging::On, |_| {}).await;
    let twin = &world.twin;
    let files: [(&str, &[u8]); 1] = [("lib/round.py", b"ROUND = 1\n")];
    let pull = twin.open_fork_pull_as("eve", REPO, "main", &files).await.unwrap();
    let run = world.judge_of(pull).await;
    let first = head(&world, pull).await;
    world.until_gate(&first, Some("success")).await;
    assert_eq!(world.run(run).await.spec.branch, "eve:main", "no branch of ours");
    let files: [(&str, &[u8]); 1] = [("lib/round.py", b"ROUND = 2\n")];
    let second = twin.push_fork_as("eve", REPO, pull, &files).await.unwrap();
    world.until_gate(&second, Some("success")).await;
    world.until_waiting_for(run, "eve or anybody else").await;
    twin.comment_as("asha", REPO, pull, "/aspora fix the rounding").await.unwrap();
    let is_refused =
        async || world.said_on(pull).iter().any(|it| it.contains("the branch is in another repository"));
    world.eventually("the fix is refused", is_refused).await;
    world.control(run, "retry", &json!({"reason": "by hand", "step": "remediate"})).await;
    world.until_waiting_for(run, "eve or anybody else").await;
    assert_eq!((world.model_calls(Task::Remediate), head(&world, pull).await), (0, second));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_judged_without_a_review_until_it_is_ready() {
    let world = World::judging(Judging::On, |_| {}).await;
    world.set_judging(Judging::Off, (false, false)).await;
    let pull = world.opens("asha", "services/risk_round.py", ROUND).await;
    world.twin.settled().await;
    world.set_judging(Judging::On, (false, false)).await;
    world.twin.set_draft("asha", REPO, pull, true).await.unwrap();
    let run = world.judge_of(pull).await;
    world.until_waiting_for(run, "the pull request to leave draft state").await;
    assert_eq!(world.model_calls(Task::Review), 0);
    assert_eq!(world.gate(&head(&world, pull).await), None);
    world.twin.set_draft("asha", REPO, pull, false).await.unwrap();
    world.until_gate(&head(&world, pull).await, Some("success")).await;
    assert_eq!(world.model_calls(Task::Review), 1, "a clean review is the approval that high needs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_push_is_judged_anew_by_the_same_run_and_another_life_by_another() {
    let world = World::judging(Judging::On, |_| {}).await;
    let pull = world.opens("asha", "lib/round.py", ROUND).await;
    let run = world.judge_of(pull).await;
    let first = head(&world, pull).await;
    world.until_gate(&first, Some("success")).await;
    let branch = world.twin.pulls(REPO)[0].head_ref.clone();
    let second =
        world.push_as("asha", &branch, "db/migrations/0002_round.sql", "create table round (n int);").await;
    world.until_waiting_for(run, "2 of 2 approvals by people").await;
    assert_eq!((world.gate(&first).as_deref(), world.gate(&second)), (Some("success"), None));
    world.twin.close_pull("asha", REPO, pull).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "closed");
    world.twin.reopen_pull("asha", REPO, pull).await.unwrap();
    let runs = world.runs_about(pull, 2).await;
    world.until_waiting_for(runs[1], "2 of 2 approvals by people").await;
    world.until_gate(&second, None).await;
    assert_eq!(world.said_on(pull).len(), 1, "one comment for all lives");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_is_fixed_only_when_a_person_asks_for_it() {
    let world = World::judging(Judging::On, |setup| {
        let script = aspora::dev::model::Script::default()
            .with(Task::Remediate, &[], &[], &file("services/risk_round.py", "ROUND = 3"))
            .with(
                Task::Review,
                &["ROUND = 1"],
                &["ROUND = 3"],
                &finds("high", "services/risk_round.py", "Too few"),
            );
        setup.script = with_clean_reviews(script);
    })
    .await;
    let pull = world.opens("asha", "services/risk_round.py", ROUND).await;
    let run = world.judge_of(pull).await;
    let first = head(&world, pull).await;
    world.until_gate(&first, Some("failure")).await;
    world.until_waiting_for(run, "a new head or a word of people").await;
    assert_eq!(world.model_calls(Task::Remediate), 0, "nobody has asked");
    world.twin.comment_as("remy", REPO, pull, "/aspora fix").await.unwrap();
    world.twin.settled().await;
    world.twin.comment_as("bilal", REPO, pull, "/aspora fix").await.unwrap();
    let second = world.until_head_changes(run, &first).await;
    world.until_gate(&second, Some("success")).await;
    assert_ne!(second, first);
    assert_eq!((world.model_calls(Task::Remediate), world.model_calls(Task::Review)), (1, 2));
    let branch = world.twin.pulls(REPO)[0].head_ref.clone();
    let third = world.push_as("asha", &branch, "lib/other.py", "OTHER = 1\n").await;
    world.until_gate(&third, Some("success")).await;
    world.until_waiting_for(run, "asha or anybody else who may to merge it").await;
    world.twin.merge_as("asha", REPO, pull).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    assert!(world.reason(run).await.starts_with("merged by asha as "));
    assert_eq!(world.model_calls(Task::Remediate), 1, "one fix for one word");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cleared_is_merged_by_us_where_a_person_or_the_product_asks() {
    let world = World::judging(Judging::On, |_| {}).await;
    let asked = world.opens("asha", "lib/round.py", ROUND).await;
    let run = world.judge_of(asked).await;
    world.until_waiting_for(run, "asha or anybody else who may to merge it").await;
    let short = head(&world, asked).await[..7].to_owned();
    world.twin.comment_as("remy", REPO, asked, &format!("/aspora merge {short}")).await.unwrap();
    world.twin.comment_as("bilal", REPO, asked, "/aspora merge 0000000").await.unwrap();
    world.twin.settled().await;
    world.twin.comment_as("bilal", REPO, asked, &format!("/aspora merge {short}")).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!((world.merges(), world.applied("PUT", "/repos/*/*/pulls/*/merge-async")), (1, 1));
    let acts: Vec<String> = sqlx::query_scalar("select person from audit where act = 'run.merge'")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    assert_eq!(acts, ["bilal"], "a reader asks for nothing, nor does a person who names another head");
    world.set_judging(Judging::On, (true, false)).await;
    let by_itself = world.opens("chen", "lib/two.py", "TWO = 2\n").await;
    assert_eq!(world.run_to_end(world.judge_of(by_itself).await).await, "done");
    assert_eq!(world.merges(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_success_is_given_while_another_pull_request_shares_the_head() {
    let world = World::judging(Judging::On, |_| {}).await;
    let (name, repository) = ("other".parse().unwrap(), REPO.parse().unwrap());
    product::put(&world.pool, &name, &repository, "release", &[]).await.unwrap();
    world.push_as("asha", "release", "docs/release.md", "One.\n").await;
    world.set_judging(Judging::Off, (false, false)).await;
    let pull = world.opens("asha", "lib/round.py", ROUND).await;
    let branch = world.twin.pulls(REPO)[0].head_ref.clone();
    let sibling = world.twin.open_pull_into("asha", REPO, (&branch, "release"), "The same").await.unwrap();
    world.twin.settled().await;
    world.set_judging(Judging::On, (false, false)).await;
    world.twin.set_draft("asha", REPO, pull, false).await.unwrap();
    let run = world.judge_of(pull).await;
    world.until_waiting_for(run, &format!("#{sibling} has the same head")).await;
    let head = head(&world, pull).await;
    assert_eq!(world.gate(&head), None);
    world.twin.close_pull("asha", REPO, sibling).await.unwrap();
    world.until_gate(&head, Some("success")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_moves_at_the_base_and_a_rerequest_judge_again() {
    let world = World::judging(Judging::On, |_| {}).await;
    let pull = world.opens("asha", "lib/round.py", ROUND).await;
    let run = world.judge_of(pull).await;
    let head = head(&world, pull).await;
    world.until_gate(&head, Some("success")).await;
    world.until_waiting_for(run, "asha or anybody else").await;
    let judged = async || -> i64 {
        sqlx::query_scalar("select count(*) from assessment where run_id = $1")
            .bind(run)
            .fetch_one(&world.pool)
            .await
            .unwrap()
    };
    world.twin.settled().await;
    let before = judged().await;
    let gate = world.twin.check_runs(REPO).into_iter().find(|it| it.app == APP).unwrap();
    world.twin.rerequest_check_as("asha", REPO, gate.id).await.unwrap();
    world.eventually("it is judged again", async || judged().await > before).await;
    world.until_waiting_for(run, "asha or anybody else").await;

    let listings = world.listings();
    let policy = world.twin.main_file(REPO, POLICY_PATH).await.unwrap().unwrap();
    let stricter = String::from_utf8(policy).unwrap().replace(r#""lib/kelly_criterion.py""#, r#""lib/**""#);
    world.push_as("asha", "main", POLICY_PATH, &stricter).await;
    world.until_waiting_for(run, "asha to update the branch").await;
    world.until_gate(&head, None).await;
    assert_eq!(world.listings(), listings, "no listing is needed for what is known");
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_mode_says_nothing_on_the_forge_and_records_what_it_would_have_done() {
    let world = World::judging(Judging::Shadow, |setup| {
        let finding = finds("high", "services/risk_round.py", "Too few");
        setup.script = with_clean_reviews(aspora::dev::model::Script::default().with(
            Task::Review,
            &["ROUND = 1"],
            &[],
            &finding,
        ));
    })
    .await;
    let twin = &world.twin;
    let blocked = world.opens("asha", "services/risk_round.py", ROUND).await;
    let clear = world.opens("bilal", "lib/two.py", "TWO = 2\n").await;
    let (run, other) = (world.judge_of(blocked).await, world.judge_of(clear).await);
    world.until_waiting_for(run, "a new head or a word of people").await;
    world.until_waiting_for(other, "bilal or anybody else").await;
    twin.comment_as("asha", REPO, blocked, "/aspora status").await.unwrap();
    world.control(run, "retry", &json!({"reason": "by hand", "step": "remediate"})).await;
    world.until_waiting_for(run, "a new head or a word of people").await;
    assert_eq!(world.model_calls(Task::Remediate), 0, "nothing is fixed that is only tried out");
    twin.merge_as("asha", REPO, blocked).await.unwrap();
    twin.merge_as("bilal", REPO, clear).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "closed");
    assert_eq!(world.run_to_end(other).await, "done");
    twin.settled().await;
    let ours = twin.check_runs(REPO).into_iter().filter(|it| it.app == APP).count();
    let said = (world.said_on(blocked).len(), world.said_on(clear).len(), twin.reviews(REPO).len());
    assert_eq!((ours, said, twin.reactions(REPO).len()), (0, (0, 0, 0), 0), "not a word on the forge");
    let rows = shadow::newest(&world.pool, "wealth", 100).await.unwrap();
    let last = |pull: i64| rows.iter().find(|row| row.pull == pull).unwrap();
    let of = |pull: i64| {
        (last(pull).decision.as_str(), last(pull).became.as_deref(), last(pull).became_by.as_deref())
    };
    assert_eq!(of(blocked), ("blocked", Some("merged"), Some("asha")));
    assert_eq!(of(clear), ("clear", Some("merged"), Some("bilal")));
    let counts = shadow::counts(&world.pool, "wealth").await.unwrap();
    assert_eq!((counts.cleared_and_merged, counts.held_and_merged, counts.open), (1, 1, 0));
    let page = world.page("products/wealth").await;
    for text in [
        "Of 2 pull requests, <strong>1</strong> went as the verdict said",
        "merged by asha",
        "blocked and closed",
    ] {
        assert!(page.contains(text), "{text} is not in {page}");
    }
}

/// One listing of a worker; how many pull requests it found changed.
async fn list(world: &World) -> usize {
    sqlx::query("update listing set due_at = now()").execute(&world.pool).await.unwrap();
    let lister = Lister::new(world.engine.clone(), Arc::new(world.forge()));
    lister.list_if_due().await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_lost_is_made_up_for_by_one_listing() {
    let world = World::judging(Judging::On, |_| {}).await;
    world.cut();
    let pull = world.opens("asha", "lib/round.py", ROUND).await;
    world.twin.settled().await;
    assert_eq!(list(&world).await, 1);
    let run = world.judge_of(pull).await;
    world.until_gate(&head(&world, pull).await, Some("success")).await;
    world.until_waiting_for(run, "asha or anybody else").await;
    let calls = || world.listings();
    let before = calls();
    world.twin.merge_as("asha", REPO, pull).await.unwrap();
    assert_eq!(list(&world).await, 1);
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(calls() - before, 1, "one call for all that is open");
    assert_eq!(list(&world).await, 0, "what has ended is found once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_products_own_tests_run_in_the_sandbox_where_it_asks_for_them() {
    let world = World::judging(Judging::On, |_| {}).await;
    world.set_judging(Judging::On, (false, true)).await;
    let text =
        "import unittest\n\n\nclass Wrong(unittest.TestCase):\n    def test_it(self):\n        self.fail()\n";
    let pull = world.opens("asha", "tests/test_wrong.py", text).await;
    let run = world.judge_of(pull).await;
    let first = head(&world, pull).await;
    world.until_gate(&first, Some("failure")).await;
    let reason = world.until_waiting_for(run, "a new head or a word of people").await;
    assert!(reason.contains("the product's tests fail in our sandbox"), "{reason}");
    let branch = world.twin.pulls(REPO)[0].head_ref.clone();
    let right = text.replace("self.fail()", "self.assertTrue(True)");
    let second = world.push_as("asha", &branch, "tests/test_wrong.py", &right).await;
    world.until_gate(&second, Some("success")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_whose_pull_request_a_run_judges() {
    let world = World::judging(Judging::On, |setup| setup.ci = None).await;
    let pull = world.opens("asha", "lib/round.py", ROUND).await;
    let run: Uuid = world.judge_of(pull).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    let (status, shown) = world.call("GET", &format!("runs/{run}"), None).await;
    assert_eq!(status, 200, "{shown}");
    assert_eq!((&shown["subject"], &shown["author"]), (&"pull".into(), &"asha".into()), "{shown}");
    assert_eq!(shown["title"], "Change lib/round.py");
    assert!(shown.get("requirement_id").is_none(), "{shown}");
    let page = world.page(&format!("runs/{run}")).await;
    assert!(page.contains("Change lib/round.py") && page.contains("Opened by"), "{page}");
    assert!(!page.contains("Amend"), "nobody amends what others wrote");
}
