//! Pull requests of others in a repository of several products: each is judged by the settings of those whose folder it
//! touches, and by the strictest of them.

use aspora::{
    core::{hold::Scope, judging::Judging, policy::POLICY_PATH, reason::Reason},
    store::{product, shadow},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    forge::passing_ci,
    script::with_clean_reviews,
    world::{REPO, TESTS, World},
};

const FILE: &str =
    "[product.admin]\nroot = 'tools'\ntest = 'true'\n\n[product.wealth]\nroot = 'lib'\ntest = 'true'\n";

/// A world of two products, of which `admin` is the first by name; what they want of the pull requests of others: whether
/// they are judged, merged and tested.
async fn world(admin: (Judging, bool, bool), wealth: (Judging, bool, bool), has_ci: bool) -> World {
    let world = World::with(|setup| {
        setup.ci = has_ci.then(passing_ci);
        setup.script = with_clean_reviews(setup.script.clone());
        setup.files.push((".aspora/product.toml", FILE.as_bytes().to_vec()));
        setup.files.push(("tools/zero.py", b"ZERO = 0\n".to_vec()));
        let policy = setup.files.iter_mut().find(|(path, _)| *path == POLICY_PATH).unwrap();
        let mut rules: Value = serde_json::from_slice(&policy.1).unwrap();
        rules["products"]["admin"] = rules["products"]["wealth"].clone();
        policy.1 = serde_json::to_vec(&rules).unwrap();
    })
    .await;
    let repository = REPO.parse().unwrap();
    product::put(&world.pool, &"admin".parse().unwrap(), &repository, "main", &TESTS.map(str::to_owned))
        .await
        .unwrap();
    for (name, (judging, merges, tests)) in [("admin", admin), ("wealth", wealth)] {
        let name = name.parse().unwrap();
        product::judge_theirs(&world.pool, &name, judging, (merges, tests)).await.unwrap();
    }
    for person in ["asha", "bilal"] {
        world.twin.set_permission(REPO, person, "write").unwrap();
    }
    world
}

impl World {
    /// Pushes one more file to the branch of a pull request; its new head.
    async fn adds(&self, pull: i64, path: &str) -> String {
        let branch = self.twin.pulls(REPO).into_iter().find(|it| it.number == pull).unwrap().head_ref;
        self.push_as("asha", &branch, path, "ONE = 1\n").await
    }

    fn head_of(&self, pull: i64) -> String {
        self.twin.pulls(REPO).into_iter().find(|it| it.number == pull).unwrap().head_sha
    }

    async fn judged_by(&self, run: Uuid) -> Value {
        self.call("GET", &format!("runs/{run}"), None).await.1["judged_by"].clone()
    }
}

const NOTHING: (Judging, bool, bool) = (Judging::Off, false, false);
const SHADOW: (Judging, bool, bool) = (Judging::Shadow, false, false);
const SHOWN: (Judging, bool, bool) = (Judging::On, false, false);

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_judged_by_the_settings_of_the_products_that_it_touches() {
    let world = world(SHADOW, SHOWN, true).await;
    let of_wealth = world.opens("asha", "lib/one.py", "ONE = 1\n").await;
    let run = world.judge_of(of_wealth).await;
    world.until_gate(&world.head_of(of_wealth), Some("success")).await;
    let by = world.judged_by(run).await;
    assert_eq!((&by["products"], &by["judging"]), (&json!(["wealth"]), &json!("on")), "{by}");
    assert_eq!(world.run(run).await.spec.product, "admin", "the run belongs to the first product by name");

    let of_admin = world.opens("asha", "tools/one.py", "ONE = 1\n").await;
    let run = world.judge_of(of_admin).await;
    world.until_waiting_for(run, "asha or anybody else who may to merge it").await;
    assert_eq!(world.judged_by(run).await["products"], json!(["admin"]));
    assert!(world.said_on(of_admin).is_empty(), "admin only tries it out");
    let head = world.head_of(of_admin);
    assert!(
        world.twin.check_runs(REPO).iter().all(|it| it.head_sha != head || it.name != "risk-policy-gate")
    );
    let decided = shadow::newest(&world.pool, "admin", 10).await.unwrap();
    assert_eq!((decided.len(), decided[0].pull), (1, of_admin));
    assert!(shadow::newest(&world.pool, "wealth", 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_two_products_is_judged_by_the_strictest_settings_of_both() {
    let world = world((Judging::On, true, false), (Judging::On, false, true), false).await;
    let pull = world.opens("asha", "tools/one.py", "ONE = 1\n").await;
    let run = world.judge_of(pull).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    let first = world.judged_by(run).await;
    let expected = json!({"products": ["admin"], "judging": "on", "merges": true, "tests": false});
    assert_eq!(first, expected, "the settings of the only product that it touches");
    // A push that touches the other product too.
    let head = world.adds(pull, "lib/one.py").await;
    world.pass_checks(&head).await;
    world.until_gate(&head, Some("success")).await;
    world.until_waiting_for(run, "asha or anybody else who may to merge it").await;
    let by = world.judged_by(run).await;
    let because = ["not merged by us without a request, by wealth", "tested here, by wealth"];
    let expected = json!({"products": ["admin", "wealth"], "judging": "on", "merges": false, "tests": true,
                          "because": because});
    assert_eq!((by, world.merges()), (expected, 0));
    let (_, tests) = world.call("GET", &format!("runs/{run}/tests"), None).await;
    let of_head = tests.as_array().unwrap().iter().find(|it| it["purpose"] == "head").unwrap();
    assert_eq!(of_head["command"], json!(["true", "true"]), "the tests of both: {tests}");
    let page = world.page(&format!("runs/{run}")).await;
    let said = "It is judged by the strictest settings of admin and wealth: not merged by us without a request, by wealth";
    assert!(page.contains(said), "{page}");
    let comment = &world.said_on(pull)[0];
    assert!(
        comment.contains("judged by the policy of admin and wealth") && comment.contains(because[0]),
        "{comment}"
    );
    // A file outside of every folder touches both as well.
    let pull = world.opens("asha", "notes/one.md", "One.\n").await;
    let run = world.judge_of(pull).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    assert_eq!(world.judged_by(run).await["products"], json!(["admin", "wealth"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_product_that_merges_is_merged_and_another_product_has_no_say() {
    let world = world((Judging::On, false, true), (Judging::On, true, false), true).await;
    let pull = world.opens("asha", "lib/one.py", "ONE = 1\n").await;
    let run = world.judge_of(pull).await;
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.merges(), 1);
    let (_, tests) = world.call("GET", &format!("runs/{run}/tests"), None).await;
    assert_eq!(tests, json!([]), "wealth has none run here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_a_product_that_judges_none_is_let_through_until_it_touches_another() {
    let world = world(SHOWN, NOTHING, true).await;
    let pull = world.opens("asha", "lib/one.py", "ONE = 1\n").await;
    let run = world.judge_of(pull).await;
    let reason = world.until_waiting_for(run, "a push that touches a product which judges it").await;
    assert!(reason.contains("it touches only wealth"), "{reason}");
    // A check that the base demands would be awaited for ever.
    let first = world.head_of(pull);
    assert_eq!(world.gate(&first).as_deref(), Some("neutral"));
    assert!(world.said_on(pull).is_empty());
    assert_eq!(world.judged_by(run).await["products"], json!([]));
    let page = world.page(&format!("runs/{run}")).await;
    assert!(page.contains("It is not judged: no product that it touches judges"), "{page}");
    let second = world.adds(pull, "tools/one.py").await;
    world.until_gate(&second, Some("success")).await;
    assert_eq!(world.judged_by(run).await["products"], json!(["admin"]), "wealth takes no part");
    // What is not judged is not merged unjudged.
    let other = world.opens("bilal", "lib/two.py", "TWO = 2\n").await;
    let run = world.judge_of(other).await;
    world.until_waiting_for(run, "a push that touches a product which judges it").await;
    world.twin.merge_as("bilal", REPO, other).await.unwrap();
    assert_eq!(world.run_to_end(run).await, "closed");
    assert_eq!(world.run(run).await.run.progress.unjudged, None);
    assert!(world.reason(run).await.contains("it touched only wealth"), "{}", world.reason(run).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_judged_has_no_check_while_another_pull_request_shares_the_head() {
    let world = world(SHOWN, NOTHING, true).await;
    let (name, repository) = ("other".parse().unwrap(), REPO.parse().unwrap());
    product::put(&world.pool, &name, &repository, "release", &[]).await.unwrap();
    world.push_as("asha", "release", "notes/release.md", "One.\n").await;
    world.push_as("asha", "change", "lib/one.py", "ONE = 1\n").await;
    let sibling = world.twin.open_pull_into("asha", REPO, ("change", "release"), "The same").await.unwrap();
    let pull = world.twin.open_pull_as("asha", REPO, "change", "A change").await.unwrap();
    let run = world.judge_of(pull).await;
    world.until_waiting_for(run, &format!("#{sibling} has the same head")).await;
    let head = world.head_of(pull);
    assert!(
        world.twin.check_runs(REPO).iter().all(|it| it.head_sha != head || it.name != "risk-policy-gate")
    );
    world.twin.close_pull("asha", REPO, sibling).await.unwrap();
    world.until_gate(&head, Some("neutral")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_product_that_is_touched_holds_the_merge_and_settings_that_change_meanwhile_prevent_it() {
    let merging = (Judging::On, true, false);
    let world = world(merging, merging, false).await;
    let scope: Scope = "product:wealth".parse().unwrap();
    let reason: Reason = "a freeze".parse().unwrap();
    world.engine.hold(&scope, "asha", &reason).await.unwrap();
    let pull = world.opens("asha", "lib/one.py", "ONE = 1\n").await;
    let run = world.judge_of(pull).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.pass_checks(&world.head_of(pull)).await;
    world.until_gate(&world.head_of(pull), Some("success")).await;
    let held = "select coalesce(max(delayed_by), '') from job where step = 'merge'";
    let is_held = async || -> bool {
        sqlx::query_scalar::<_, String>(held).fetch_one(&world.pool).await.unwrap() == "hold:product:wealth"
    };
    world.eventually("the merge of admin's run is held", is_held).await;
    product::judge_theirs(&world.pool, &"wealth".parse().unwrap(), Judging::On, (false, false))
        .await
        .unwrap();
    world.engine.release(&scope, None, "asha").await.unwrap();
    world.skip_back_off(run, std::time::Duration::from_secs(60)).await;
    world.until_waiting_for(run, "asha or anybody else who may to merge it").await;
    assert_eq!(world.merges(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_change_let_what_is_open_be_judged_again() {
    let world = world(SHOWN, NOTHING, true).await;
    let pull = world.opens("asha", "lib/one.py", "ONE = 1\n").await;
    let run = world.judge_of(pull).await;
    world.until_waiting_for(run, "a push that touches a product which judges it").await;
    let change = json!({"judging": "on"});
    let (status, said) = world.call("PATCH", "products/wealth", Some(change)).await;
    assert_eq!(status, 200, "{said}");
    // Else the next listing of the repository would be the first to notice.
    let is_stale =
        sqlx::query_scalar::<_, bool>("select stale_at is not null from pull").fetch_one(&world.pool).await;
    assert!(is_stale.unwrap(), "the run looks at once");
    world.until_gate(&world.head_of(pull), Some("success")).await;
    assert_eq!(world.judged_by(run).await["products"], json!(["wealth"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_about_one_pull_request_the_newer_one_ends() {
    let world = world(SHOWN, SHOWN, false).await;
    let pull = world.opens("asha", "lib/one.py", "ONE = 1\n").await;
    let run = world.judge_of(pull).await;
    world.until_waiting_for(run, "CI Pipeline").await;
    world.stop_worker().await;
    // As if it had been begun when the repository had another name here.
    let hide = async |repository: &str, number: Option<i64>| {
        sqlx::query("update run set repository = $2, pull = $3 where id = $1")
            .bind(run)
            .bind(repository)
            .bind(number)
            .execute(&world.pool)
            .await
            .unwrap();
        sqlx::query("update pull set repository = $1 where number = $2")
            .bind(repository)
            .bind(pull)
            .execute(&world.pool)
            .await
            .unwrap();
    };
    hide("acme/former", None).await;
    world.adds(pull, "lib/two.py").await;
    let is_begun = async || {
        let open: i64 = sqlx::query_scalar("select count(*) from run where status <> 'ended'")
            .fetch_one(&world.pool)
            .await
            .unwrap();
        open == 2
    };
    world.eventually("another run begins", is_begun).await;
    sqlx::query("update run set repository = $2, pull = $3 where id = $1")
        .bind(run)
        .bind("Acme/Wealth-Product")
        .bind(pull)
        .execute(&world.pool)
        .await
        .unwrap();
    world.start_worker(|_| {});
    let runs = world.runs_about(pull, 2).await;
    assert_eq!((runs[0], world.run_to_end(runs[1]).await), (run, "closed".to_owned()));
    assert_eq!(world.reason(runs[1]).await, format!("run {run} judges this pull request"));
}
