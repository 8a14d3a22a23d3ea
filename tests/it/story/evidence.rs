//! Browser evidence that comes to us: what counts, what is refused, and what follows.

use aspora::{
    core::{access::Role, evidence::read_png},
    dev::{EvidenceInbox, ci::product_ci},
    engine::people::{self, NewKey},
    llm::Task,
    store::product,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    forge::passing_ci,
    reports::ours,
    script::{COUNT_ROUNDS, RISK_CHECKER, file, generates, with_clean_reviews},
    support::captured::{CHECK, body, picture},
    world::{REPO, World},
};

const FLOWS: [&str; 3] = ["portfolio-view", "trade-execution", "goal-tracking"];
const PAGE: &str = "frontend/dashboard.js";

/// A change of the user interface of a product that names no app for evidence. Its CI reports a green check of that name,
/// which counts for nothing.
async fn world() -> World {
    let world = World::with(|setup| {
        setup.ci = Some(passing_ci());
        let fix = file(PAGE, "let round = 2;");
        let script = generates(&file(PAGE, "let round = 1;"));
        setup.script = with_clean_reviews(script.with(Task::Remediate, &["portfolio-view"], &[], &fix));
    })
    .await;
    let name = "wealth".parse().unwrap();
    product::set_checks(&world.pool, &name, None, None).await.unwrap();
    world
}

/// A run that waits for evidence, and its head.
async fn waiting(world: &World) -> (Uuid, String) {
    let run = world.submit(COUNT_ROUNDS).await;
    world.until_waiting_for(run, "Browser Evidence (not captured here").await;
    (run, world.head(run).await)
}

/// A key of a program for these products.
async fn key(world: &World, role: Role, products: &[&str]) -> String {
    let products = products.iter().map(|name| (*name).to_owned()).collect();
    let new = NewKey {
        person: format!("{role} of {products:?}").replace(['[', ']', '"'], "").parse().unwrap(),
        forge_login: None,
        role,
        products: Some(products),
        expires_at: None,
        requests_per_minute: None,
    };
    people::issue(&world.pool, &new, "tests").await.unwrap().key.reveal().to_owned()
}

/// Sends evidence with a key; the status and the answer.
async fn send(world: &World, key: &str, body: &Value) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/api/v1/evidence", world.url);
    let answer = client.post(url).bearer_auth(key).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// What our check says of a head: its conclusion and its title.
fn said(world: &World, head: &str) -> Option<(Option<String>, String)> {
    let of_head = |it: &super::reports::Report| it.name == CHECK && it.head == head;
    ours(&world.twin).into_iter().find(of_head).map(|it| (it.conclusion, it.title))
}

async fn until_said(world: &World, head: &str, conclusion: &str, title: &str) {
    let is_said = async || {
        said(world, head)
            .is_some_and(|(as_is, text)| as_is.as_deref() == Some(conclusion) && text.contains(title))
    };
    world.eventually(&format!("{conclusion}: {title}"), is_said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_interface_waits_for_evidence_and_merges_with_it() {
    let world = world().await;
    let (run, head) = waiting(&world).await;
    let (open, title) = said(&world, &head).unwrap();
    assert_eq!(
        (open, title.contains("evidence of portfolio-view, trade-execution")),
        (None, true),
        "{title}"
    );
    let agent = key(&world, Role::Agent, &["wealth"]).await;
    let evidence = body(REPO, &head, &FLOWS, 7);
    let mut forged = evidence.clone();
    forged["manifests"][0]["screenshots"][0]["sha256"] = "0".repeat(64).into();
    let (status, answer) = send(&world, &agent, &forged).await;
    assert_eq!(
        (status, &answer["conclusion"], &answer["check"]),
        (201, &json!("failure"), &json!(CHECK)),
        "{answer}"
    );
    let fault = "portfolio-view: the screenshot portfolio-view-1.png has another SHA-256 than declared; capture it again";
    assert_eq!(answer["flows"][2]["faults"], json!([]), "{answer}");
    assert_eq!(answer["flows"][1], json!({ "flow": "portfolio-view", "verified": false, "faults": [fault] }));
    until_said(&world, &head, "failure", "another SHA-256").await;
    world.until_waiting_for(run, "awaits new evidence").await;
    // The same again is the same answer, and nothing is recorded.
    assert_eq!(send(&world, &agent, &forged).await, (200, answer));
    let (status, answer) = send(&world, &agent, &evidence).await;
    assert_eq!(
        (status, &answer["conclusion"], &answer["missing"]),
        (201, &json!("success"), &json!([])),
        "{answer}"
    );
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(said(&world, &head).unwrap(), (Some("success".to_owned()), "verified: 3 flows".to_owned()));
    assert_eq!(world.model_calls(Task::Remediate), 0);
    world.assert_nothing_twice();
    let history = world.history(run).await;
    assert!(
        history.contains(&format!("evidence failure: {fault}")) && history.contains("evidence success"),
        "{history}"
    );
    let (_, all) = world.call("GET", &format!("runs/{run}/evidence"), None).await;
    let conclusions: Vec<&Value> = all.as_array().unwrap().iter().map(|it| &it["conclusion"]).collect();
    assert_eq!(conclusions, ["success", "failure"]);
    let (_, acts) = world.call("GET", &format!("runs/{run}/audit"), None).await;
    let acts: Vec<&Value> = acts.as_array().unwrap().iter().map(|it| &it["act"]).collect();
    assert_eq!(acts.iter().filter(|act| **act == "evidence.send").count(), 2, "{acts:?}");
    // After the end it is no fact of anything.
    assert_eq!(send(&world, &agent, &body(REPO, &head, &FLOWS, 9)).await.1["code"], "stale_head");
    let mut named = body(REPO, &head, &FLOWS, 9);
    named["run"] = json!(run);
    assert_eq!(send(&world, &agent, &named).await.1["code"], "not-allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_evidence_is_refused_and_leaves_nothing() {
    let world = world().await;
    let (run, head) = waiting(&world).await;
    let name = "goals".parse().unwrap();
    product::put(&world.pool, &name, &"acme/goals".parse().unwrap(), "main", &[]).await.unwrap();
    let agent = key(&world, Role::Agent, &["wealth"]).await;
    let evidence = body(REPO, &head, &FLOWS, 7);
    let check = async |key: &str, change: &dyn Fn(&mut Value), status: u16, pointer: &str, detail: &str| {
        let mut body = evidence.clone();
        change(&mut body);
        let (given, answer) = send(&world, key, &body).await;
        let text = answer["detail"].as_str().unwrap();
        assert!(given == status && text.contains(detail), "{given} {answer}");
        assert_eq!(answer["errors"][0]["pointer"].as_str().unwrap_or_default(), pointer, "{answer}");
    };
    let other = key(&world, Role::Agent, &["goals"]).await;
    let not_theirs = "no product of this key has the repository \"acme/wealth-product\"";
    check(&other, &|_| {}, 422, "/repository", not_theirs).await;
    check(
        &other,
        &|it| it["repository"] = json!("acme/goals"),
        409,
        "",
        "no open run of acme/goals has the head",
    )
    .await;
    check(&other, &|it| (it["repository"], it["run"]) = (json!("acme/goals"), json!(run)), 404, "", "no run")
        .await;
    let pm = key(&world, Role::Pm, &["wealth"]).await;
    check(&pm, &|_| {}, 403, "", "send browser evidence").await;
    check(&agent, &|it| it["repository"] = json!("acme/none"), 422, "/repository", "no product").await;
    check(&agent, &|it| it["head_sha"] = json!("1".repeat(40)), 409, "", "has the head 1111").await;
    let stale = |it: &mut Value| (it["head_sha"], it["run"]) = (json!("1".repeat(40)), json!(run));
    check(&agent, &stale, 409, "", &format!("the head is {head} now")).await;
    check(&agent, &|it| it["head_sha"] = json!("main"), 422, "/head_sha", "40 lower-case").await;
    check(&agent, &|it| it["manifests"][1]["ok"] = json!(true), 422, "/manifests/1/ok", "unknown field")
        .await;
    check(&agent, &|it| it["manifests"][0]["flow"] = json!("A B"), 422, "/manifests/0/flow", "1 to 100")
        .await;
    check(&agent, &|it| it["manifests"] = json!([]), 422, "/manifests", "send 1 to 50").await;
    check(&agent, &|it| it["files"][0]["content"] = json!("%"), 422, "/files/0/content", "is not base64")
        .await;
    let twice = |it: &mut Value| it["files"][1]["path"] = it["files"][0]["path"].clone();
    check(&agent, &twice, 422, "/files/1/path", "named before").await;
    let long = |it: &mut Value| it["files"][0]["content"] = json!("A".repeat(11_200_000));
    check(&agent, &long, 422, "/files/0/content", "8388608").await;
    let (_, all) = world.call("GET", &format!("runs/{run}/evidence"), None).await;
    assert_eq!(all, json!([]));
    let rows: i64 = sqlx::query_scalar("select count(*) from blob_use where place = 'evidence'")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    assert_eq!((rows, said(&world, &head).unwrap().0), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_and_a_key_makes_it_once() {
    let world = world().await;
    let (run, head) = waiting(&world).await;
    let agent = key(&world, Role::Agent, &["wealth"]).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |body: String| {
        let post = client.post(format!("{}/api/v1/evidence", world.url)).bearer_auth(&agent);
        let post = post.header("content-type", "application/json").header("idempotency-key", "one");
        post.body(body).send().await.unwrap()
    };
    let refused = post(" ".repeat(24 * 1024 * 1024 + 1)).await;
    assert_eq!(refused.status().as_u16(), 413);
    let evidence = body(REPO, &head, &FLOWS[..2], 7);
    let first = post(evidence.to_string()).await;
    assert_eq!(first.status().as_u16(), 201);
    let answer: Value = first.json().await.unwrap();
    assert_eq!((&answer["conclusion"], &answer["missing"]), (&json!("failure"), &json!(["goal-tracking"])));
    let again = post(evidence.to_string()).await;
    assert_eq!(
        (again.status().as_u16(), again.headers()["idempotency-replayed"].to_str().unwrap()),
        (201, "true")
    );
    let other = post(body(REPO, &head, &FLOWS, 7).to_string()).await;
    assert_eq!(other.json::<Value>().await.unwrap()["code"], "key-reused");
    until_said(&world, &head, "failure", "goal-tracking: is required by the policy").await;
    let (_, all) = world.call("GET", &format!("runs/{run}/evidence"), None).await;
    assert_eq!(all.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_fails_is_fixed_and_captured_again() {
    let world = world().await;
    let (run, head) = waiting(&world).await;
    let agent = key(&world, Role::Agent, &["wealth"]).await;
    let mut evidence = body(REPO, &head, &FLOWS, 7);
    evidence["manifests"][0]["console_errors"] = json!(["TypeError: round is undefined"]);
    assert_eq!(send(&world, &agent, &evidence).await.0, 201);
    let fixed = world.until_head_changes(run, &head).await;
    until_said(&world, &head, "failure", "portfolio-view: the console has errors").await;
    // Of the head before it counts for nothing.
    assert_eq!(send(&world, &agent, &body(REPO, &head, &FLOWS, 7)).await.1["code"], "stale_head");
    world.until_waiting_for(run, "Browser Evidence (not captured here").await;
    assert_eq!(send(&world, &agent, &body(REPO, &fixed, &FLOWS, 8)).await.0, 201);
    assert_eq!(world.run_to_end(run).await, "done");
    assert_eq!(world.model_calls(Task::Remediate), 1);
    world.assert_nothing_twice();
    assert_pages_show(&world, run).await;
}

/// The pages show the screenshots of the last head, and what changed since the head before: two rows of 48.
async fn assert_pages_show(world: &World, run: Uuid) {
    let page = world.page(&format!("runs/{run}")).await;
    let picture = hex::encode(Sha256::digest(picture(20, 8)));
    let address = format!("/runs/{run}/evidence/{picture}");
    let image =
        format!("<img src=\"{address}\" loading=\"lazy\" alt=\"Screenshot portfolio-view-1.png of the flow");
    assert!(page.contains(&image) && page.contains("no_console_errors: passed"), "{page}");
    let shown = world.get(&address).await;
    let header = |name: &str| shown.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        (header("content-type"), header("x-content-type-options")),
        ("image/png".into(), "nosniff".into())
    );
    assert!(header("content-security-policy").starts_with("default-src 'none'; sandbox"));
    assert!(read_png(&shown.bytes().await.unwrap()).is_ok());
    let compared = world.page(&format!("runs/{run}/evidence")).await;
    assert_eq!(compared.matches("4.17 % of the pixels changed.").count(), 3, "{compared}");
    let difference =
        compared.split('"').find(|it| it.ends_with(&format!("/{picture}")) && *it != address).unwrap();
    let difference = world.get(difference).await;
    assert!(read_png(&difference.bytes().await.unwrap()).is_ok());
    assert_eq!(world.get(&format!("/runs/{run}/evidence/{}", "0".repeat(64))).await.status().as_u16(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn wealth_is_merged_with_what_a_real_browser_showed() {
    let inbox = EvidenceInbox::default();
    let world = World::with(|setup| {
        setup.ci = Some(product_ci(setup.sandbox.clone(), inbox.clone()));
    })
    .await;
    product::set_checks(&world.pool, &"wealth".parse().unwrap(), None, None).await.unwrap();
    inbox.open(world.url.clone(), key(&world, Role::Agent, &["wealth"]).await.into());
    let run = world.submit(RISK_CHECKER).await;
    assert_eq!(world.run_to_end(run).await, "done");
    let head = world.head(run).await;
    assert_eq!(said(&world, &head).unwrap(), (Some("success".to_owned()), "verified: 3 flows".to_owned()));
    let (_, all) = world.call("GET", &format!("runs/{run}/evidence"), None).await;
    let newest = &all[0];
    assert_eq!((&newest["head"], &newest["conclusion"]), (&json!(head), &json!("success")), "{all:#}");
    let page = world.page(&format!("runs/{run}")).await;
    for flow in FLOWS {
        let manifest = newest["manifests"].as_array().unwrap().iter().find(|it| it["flow"] == flow).unwrap();
        let hash = manifest["screenshots"][0]["sha256"].as_str().unwrap();
        assert!(page.contains(&format!("/runs/{run}/evidence/{hash}")), "{flow} is not on the page: {page}");
    }
    // A picture of this head says nothing of another one.
    let other = body(REPO, "0123456789012345678901234567890123456789", &FLOWS, 7);
    let (status, answer) = send(&world, &key(&world, Role::Agent, &["wealth"]).await, &other).await;
    assert_eq!((status, &answer["code"]), (409, &json!("stale_head")), "{answer}");
}
