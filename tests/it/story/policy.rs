//! A policy is tried on what was merged, and what was decided is judged again, over REST, on the page and by the command.

use aspora::engine::decisions::Which;
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use tokio::process::Command;

use super::{
    script::RISK_CHECKER,
    support,
    world::{REPO, World},
};

const SEED: &str = include_str!("../../../src/dev/product/wealth/.aspora/risk-policy.json");

/// The seed with the risk services in another tier.
fn lower() -> String {
    let without = SEED.replacen("\"services/risk_*.py\",", "", 1);
    without.replacen("\"channels/**\"", "\"channels/**\", \"services/risk_*.py\"", 1)
}

async fn submit(world: &World, act: &str, policy: &str, last: &str) -> (u16, String) {
    let form = [("policy", policy), ("last", last), ("act", act)];
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let url = format!("{}/products/wealth/policy", world.url);
    let answer = support::client()
        .post(url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

async fn replay(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let url = world.pool.connect_options().to_url_lossy().to_string();
    let mut aspora = Command::new(env!("CARGO_BIN_EXE_aspora"));
    let done = aspora.arg("replay").args(arguments).env("DATABASE_URL", url).output().await.unwrap();
    (done.status.code(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_tried_on_what_was_merged_and_decisions_are_judged_again() {
    let world = World::new().await;
    let run = world.submit(RISK_CHECKER).await;
    assert_eq!(world.run_to_end(run).await, "done");
    simulated(&world).await;
    refused(&world).await;
    validated(&world).await;
    on_the_page(&world).await;
    judged_again(&world).await;
}

async fn simulated(world: &World) {
    let body = json!({ "policy": lower(), "product": "wealth", "last": 10 });
    let (status, all) = world.call("POST", "policy/simulate", Some(body)).await;
    assert_eq!(status, 200, "{all}");
    let merged = &all["changes"][0];
    assert_eq!(
        (&merged["today"]["tier"], &merged["tried"]["tier"]),
        (&json!("high"), &json!("high")),
        "{merged}"
    );
    assert_eq!(all["today_digest"].as_str().map(str::len), Some(64));
    let words = all["words"].as_array().unwrap();
    let said = |part: &str| words.iter().any(|word| word.as_str().unwrap().contains(part));
    assert!(said("wealth: `services/risk_*.py` falls from high to medium; 1 of 1 change come"), "{words:?}");
    // The change is high by its path under api/v1 as well.
    let lower = lower().replacen("\"api/v1/**\",", "", 1).replacen(
        "\"formatters/**\"",
        "\"formatters/**\", \"api/v1/**\"",
        1,
    );
    let body = json!({ "policy": lower, "product": "wealth" });
    let (_, all) = world.call("POST", "policy/simulate", Some(body)).await;
    let merged = &all["changes"][0];
    assert_eq!(
        (&merged["today"]["tier"], &merged["tried"]["tier"]),
        (&json!("high"), &json!("medium")),
        "{all}"
    );
    assert_eq!(
        (&merged["today"]["asks"], &merged["tried"]["asks"]),
        (&json!("a clean review or 1 approval"), &json!("nobody"))
    );
    assert_eq!(all["summary"]["differing"], 1);
}

async fn refused(world: &World) {
    let simulate = async |body: Value| world.call("POST", "policy/simulate", Some(body)).await;
    let (status, problem) = simulate(json!({ "policy": "{}", "product": "wealth" })).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/policy")), "{problem}");
    let (status, problem) = simulate(json!({ "policy": SEED, "product": "wealth", "last": 1001 })).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/last")), "{problem}");
    let (status, problem) = simulate(json!({ "policy": SEED, "product": "none" })).await;
    assert_eq!((status, &problem["code"]), (422, &json!("unknown-product")), "{problem}");
    let long = json!({ "policy": " ".repeat(300_000), "product": "wealth" });
    let (status, problem) = simulate(long).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/policy")), "{problem}");
    let (status, _) = simulate(json!({ "policy": " ".repeat(1_100_000), "product": "wealth" })).await;
    assert_eq!(status, 413);
}

async fn validated(world: &World) {
    let broken = SEED.replacen("\"requiredApprovals\": 2", "\"requiredApprovals\": -1", 1);
    let (status, found) = world.call("POST", "policy/validate", Some(json!({ "policy": broken }))).await;
    assert_eq!((status, &found["valid"]), (200, &json!(false)));
    let fault = &found["faults"][0];
    assert_eq!(fault["pointer"], "/products/wealth/mergePolicy/critical/requiredApprovals");
    let line = usize::try_from(fault["line"].as_u64().unwrap()).unwrap();
    assert!(broken.lines().nth(line - 1).unwrap().contains("-1"), "{fault}");
    let strange = SEED.replacen("\"CI Pipeline\"", "\"Nobody's Check\"", 1);
    let body = json!({ "policy": strange, "product": "wealth" });
    let (status, found) = world.call("POST", "policy/validate", Some(body)).await;
    assert_eq!((status, &found["valid"]), (200, &json!(true)), "{found}");
    let misfits: Vec<&str> =
        found["misfits"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let said = |part: &str| misfits.iter().any(|misfit| misfit.contains(part));
    assert!(
        said("nothing reports the check `Nobody's Check`, which the policy demands of critical"),
        "{misfits:#?}"
    );
    assert!(!said("nothing reports the check `harness-smoke`"), "{misfits:#?}");
    assert!(said("do not require `harness-smoke`"), "{misfits:#?}");
    assert!(said("wealth: `db/migrations/**` matches no file"), "{misfits:#?}");
}

async fn on_the_page(world: &World) {
    let page = world.page("products/wealth/policy").await;
    assert!(page.contains("Policy of wealth") && page.contains("services/risk_*.py"), "{page}");
    let (status, page) = submit(world, "simulate", &lower(), "10").await;
    assert_eq!(status, 200);
    assert!(page.contains("falls from high to medium"), "{page}");
    let (status, page) = submit(world, "simulate", &lower(), "0").await;
    assert!(status == 422 && page.contains("must be from 1 to 1000"), "{page}");
    let (status, page) = submit(world, "validate", "{\r\n\"version\": 1}", "10").await;
    assert!(status == 200 && page.contains("It is refused") && page.contains("/version"), "{page}");
    let (status, page) = submit(world, "replay", "", "").await;
    assert!(status == 200 && page.contains("none differs"), "{page}");
    assert!(world.page("products/none/policy").await.contains("There is no product none"));
}

/// A decision whose record was changed is named, and the change is taken back.
async fn judged_again(world: &World) {
    assert_eq!(replay(world, &["--since", "1d", "--product", "wealth"]).await.0, Some(0));
    assert!(replay(world, &["--product", "goals"]).await.1.starts_with("0 decisions"));
    let swap = |from: &str, to: &str| {
        let sql = "update assessment set report = jsonb_set(report, '{classification,tier}', $2) \
                   where id = (select max(id) from assessment) and report #> '{classification,tier}' = $1";
        sqlx::query(sql).bind(json!(from)).bind(json!(to)).execute(&world.pool)
    };
    assert_eq!(swap("high", "low").await.unwrap().rows_affected(), 1);
    let (code, said) = replay(world, &[]).await;
    assert!(
        said.contains("decides otherwise") && said.contains("/classification/tier: was \"low\", is \"high\""),
        "{said}"
    );
    assert_eq!(code, Some(3));
    let found = world.engine.judge_again(&Which::default()).await.unwrap();
    assert_eq!((found.differing.len(), found.decide_otherwise()), (1, 1));
    let (_, page) = submit(world, "replay", "", "").await;
    assert!(page.contains("1 decided otherwise"), "{page}");
    assert_eq!(swap("low", "high").await.unwrap().rows_affected(), 1);
    assert_eq!(world.twin.pulls(REPO).len(), 1);
}
